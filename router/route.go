package router

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/router/geo"
)

// Decision is a ranking in JSON, as /v1/route and /v1/why show it.
type Decision struct {
	Name           meta.Name      `json:"name"`
	Root           string         `json:"root,omitempty"`
	Kind           string         `json:"kind,omitempty"`
	Rest           string         `json:"rest,omitempty"`
	Ticket         string         `json:"ticket,omitempty"`
	Time           time.Time      `json:"time"`
	NetworkVersion uint64         `json:"network_version"`
	Client         DecisionClient `json:"client"`
	DemandBits     float64        `json:"demand_bits_per_second"`
	RecentRequests float64        `json:"recent_requests"`
	Group          int            `json:"group"`
	Candidates     []DecisionEdge `json:"candidates"`
	Sources        []meta.EdgeID  `json:"sources"`
	Rejected       []RejectedEdge `json:"rejected,omitempty"`
	RejectedMore   int            `json:"rejected_more,omitempty"`
}

// DecisionClient is where the client was believed to be, and who said so.
type DecisionClient struct {
	Address     string     `json:"address,omitempty"`
	Source      geo.Source `json:"source"`
	Network     string     `json:"network,omitempty"`
	Lat         float64    `json:"lat"`
	Lon         float64    `json:"lon"`
	Country     string     `json:"country,omitempty"`
	Region      string     `json:"region,omitempty"`
	City        string     `json:"city,omitempty"`
	ASN         uint32     `json:"asn,omitempty"`
	Attribution string     `json:"attribution,omitempty"`
}

// DecisionEdge is a candidate with its expected time and the parts of it.
type DecisionEdge struct {
	Edge meta.EdgeID `json:"edge"`
	URL  string      `json:"url,omitempty"`
	// Place is "working" or "rest".
	Place      string  `json:"place"`
	Holder     bool    `json:"holder"`
	ExpectedMs float64 `json:"expected_ms"`
	RoundTrip  float64 `json:"round_trip_ms"`
	Miss       float64 `json:"miss"`
	FillMs     float64 `json:"fill_ms"`
	QueueMs    float64 `json:"queue_ms"`
	PenaltyMs  float64 `json:"penalty_ms"`
	Reason     string  `json:"reason,omitempty"`
}

// RejectedEdge is an edge that was not chosen, and why.
type RejectedEdge struct {
	Edge       meta.EdgeID `json:"edge"`
	URL        string      `json:"url,omitempty"`
	ExpectedMs float64     `json:"expected_ms,omitempty"`
	Reason     string      `json:"reason"`
}

// mostRejected edges are named in an answer; the others are counted.
const mostRejected = 100

// explain answers GET /v1/route/{namespace}/{path}: the decision that a request
// for the canonical URL would get now, and no ticket.
func (r *Router) explain(w http.ResponseWriter, req *http.Request) error {
	const prefix = "/v1/route/"
	path, err := cleanPath(strings.TrimPrefix(req.URL.EscapedPath(), prefix), strings.TrimPrefix(req.URL.Path, prefix))
	if err != nil {
		return err
	}
	q, err := r.understand(req.Context(), r.config.Client(req), path)
	if err != nil {
		return err
	}
	q.bits, q.before = r.memory.demand.look(q.unit())
	where := r.config.Geo.Locate(q.client)
	query := q.query(where)
	choice := new(Choice)
	Rank(q.snapshot.table, &query, choice)
	answer := Explain(q.snapshot.table, &query, choice)
	answer.Name, answer.Root, answer.Rest = q.found.Record.Name, q.found.Record.Root.String(), q.found.Rest
	answer.Kind = "object"
	if q.found.Record.Kind == meta.Bundle {
		answer.Kind = "bundle"
	}
	answer.Time = r.memory.now().UTC().Truncate(time.Millisecond)
	answer.NetworkVersion = q.snapshot.network.Version
	answer.Client = clientOf(where)
	if q.client.IsValid() {
		answer.Client.Address = q.client.String()
	}
	for i := range answer.Candidates {
		edge, _ := q.snapshot.table.Edge(answer.Candidates[i].Edge)
		answer.Candidates[i].URL = q.snapshot.table.base(edge, r.config.Secure(req))
	}
	return writeJSON(w, answer)
}

// Explain says of every edge why it was chosen or not. The choice is the one
// that Rank made of the same table and query.
func Explain(t *Table, q *Query, c *Choice) Decision {
	d := Decision{DemandBits: q.Bits, RecentRequests: q.Requests, Group: c.Group, Sources: slices.Clone(c.Sources), Candidates: []DecisionEdge{}}
	seen := make([]bool, len(t.Edges))
	for n, candidate := range c.candidates(t, q) {
		place, reason := "working", fmt.Sprintf("in the group of %d within %d ms of the best; rendezvous by the unit's key puts it at %d", c.Group, GroupMs, n+1)
		if n >= c.working {
			place, reason = "rest", "next best, should the working set fail"
		}
		edge := candidateOf(candidate, place)
		edge.Reason = reason
		d.Candidates = append(d.Candidates, edge)
		seen[c.chosen[n]] = true
	}
	for place, w := range c.weighed {
		if seen[w.index] {
			continue
		}
		seen[w.index] = true
		reason := fmt.Sprintf("expected %.0f ms later than the best", w.expected-c.Best)
		if place < c.Group {
			reason = "as good as the best, but rendezvous by the unit's key puts others first"
		}
		d.reject(RejectedEdge{Edge: t.Edges[w.index].ID, ExpectedMs: tenth(w.expected), Reason: reason})
	}
	for i := range t.Edges {
		if seen[i] {
			continue
		}
		reason := t.reasonAgainst(&t.Edges[i])
		switch {
		case reason == "" && t.Edges[i].ID == q.Avoid:
			reason = "the client just came back from it"
		case reason == "":
			reason = "its round trip alone is longer than the others need"
		}
		d.reject(RejectedEdge{Edge: t.Edges[i].ID, Reason: reason})
	}
	return d
}

func (d *Decision) reject(e RejectedEdge) {
	if len(d.Rejected) == mostRejected {
		d.RejectedMore++
		return
	}
	d.Rejected = append(d.Rejected, e)
}

func candidateOf(c Candidate, place string) DecisionEdge {
	return DecisionEdge{
		Edge: c.Edge, Place: place, Holder: c.Holder, ExpectedMs: tenth(c.Expected), RoundTrip: tenth(c.RoundTrip),
		Miss: math.Round(float64(c.Miss)*1000) / 1000, FillMs: tenth(c.Fill), QueueMs: tenth(c.Queueing), PenaltyMs: tenth(c.Penalty),
	}
}

func tenth(ms float32) float64 { return math.Round(float64(ms)*10) / 10 }

func clientOf(a geo.Answer) DecisionClient {
	c := DecisionClient{
		Source: a.Source, Lat: a.Lat, Lon: a.Lon, Country: a.Country, Region: a.Region, City: a.City, ASN: a.ASN, Attribution: a.Attribution,
	}
	if a.Network.IsValid() {
		c.Network = a.Network.String()
	}
	return c
}

func writeJSON(w http.ResponseWriter, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)+1))
	// Whoever has gone away needs no answer.
	_, _ = w.Write(append(text, '\n'))
	return nil
}
