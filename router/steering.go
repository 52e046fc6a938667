package router

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/receipt"
)

// SteeringManifest is the answer to GET /v1/steering/{ticket}: HLS content
// steering, version 1 (draft-pantos-hls-rfc8216bis, section 7.1).
type SteeringManifest struct {
	Version   int            `json:"VERSION"`
	TTL       int            `json:"TTL"`
	ReloadURI string         `json:"RELOAD-URI"`
	Priority  []string       `json:"PATHWAY-PRIORITY"`
	Clones    []PathwayClone `json:"PATHWAY-CLONES,omitempty"`
}

// PathwayClone is an edge that the playlist does not name. Every URL is there as
// a whole: players lose the port when only a host is replaced.
type PathwayClone struct {
	BaseID      string         `json:"BASE-ID"`
	ID          string         `json:"ID"`
	Replacement URIReplacement `json:"URI-REPLACEMENT"`
}

// URIReplacement has the media playlists of a clone by stable id.
type URIReplacement struct {
	Variants   map[string]string `json:"PER-VARIANT-URIS,omitempty"`
	Renditions map[string]string `json:"PER-RENDITION-URIS,omitempty"`
}

const (
	// steeringTTL is when to ask again while the session's edges are well, and
	// steeringSoon while one is not; in seconds.
	steeringTTL, steeringSoon = 300, 10
	// spareFor is how long a second ticket of a session is remembered.
	spareFor = 10 * time.Minute
)

// steer answers a player that asks which edge to use now. The ticket says which
// session it is; it keeps the edge that it has as long as that is well.
func (r *Router) steer(w http.ResponseWriter, req *http.Request) error {
	s := r.memory.network.Load()
	if s == nil {
		return httperr.New(http.StatusServiceUnavailable, "not-ready", "this router has not seen the network yet").WithRetry(time.Second)
	}
	ticket, err := r.steered(s, req.PathValue("ticket"))
	if err != nil {
		return err
	}
	found, err := r.boundTo(req.Context(), ticket.Ticket.Bind)
	if err != nil {
		return problem(err)
	}
	q := &request{path: string(found.Record.Name), client: r.config.Client(req), snapshot: s, found: found}
	path := req.URL.Query().Get("path")
	if path == "" {
		path = MultivariantName
	}
	p, err := r.present(req.Context(), q, ticket, path)
	if err != nil && !absentPlaylist(err) {
		// This router has not seen it, and the ticket's edges may be gone.
		if spare, failed := r.spare(req.Context(), q, ticket.Ticket); failed == nil {
			p, err = r.present(req.Context(), q, spare, path)
		}
	}
	switch {
	case absentPlaylist(err):
		return httperr.Wrap(err, http.StatusNotFound, "not-found", "there is no such multivariant playlist")
	case err != nil:
		return err
	}
	m := &SteeringManifest{Version: 1, TTL: steeringTTL, ReloadURI: steeringURL(r.self(req), ticket.Text, path), Priority: []string{}}
	current := req.URL.Query().Get("_HLS_pathway")
	r.prioritise(req.Context(), m, steeringView{q: q, ticket: ticket, p: p, path: path, base: current, tls: r.config.Secure(req)})
	if len(m.Priority) == 0 {
		return problem(meta.ErrNoEdges)
	}
	for i, id := range m.Priority { // no change without need
		if id == current && i > 0 {
			copy(m.Priority[1:i+1], m.Priority[:i])
			m.Priority[0] = current
		}
	}
	return writeSteering(w, m)
}

// steered checks the ticket of a session. One that is over is 410, upon which
// players stop asking.
func (r *Router) steered(s *snapshot, text string) (*meta.Issued, error) {
	ticket, err := receipt.ParseTicket(text)
	if err != nil {
		return nil, httperr.Wrap(err, http.StatusBadRequest, "bad-ticket", "this is no ticket")
	}
	key, known := s.network.Authorities[ticket.ID.Authority()]
	if !known || ticket.Verify(key, s.network.ChainID) != nil {
		return nil, httperr.New(http.StatusForbidden, "forged", "no authority of this network signed this ticket")
	}
	if !r.memory.now().Before(ticket.ID.NotAfter()) {
		return nil, httperr.New(http.StatusGone, "session-over", "this session is over; open another one")
	}
	return &meta.Issued{Ticket: ticket, Text: text}, nil
}

// boundTo finds what a ticket binds.
func (r *Router) boundTo(ctx context.Context, bind [32]byte) (meta.Resolution, error) {
	found, err := r.memory.names.get(ctx, "bind "+hex.EncodeToString(bind[:]), func(ctx context.Context) (resolved, time.Duration) {
		answer, err := r.config.Meta.Locate(ctx, bind)
		if err != nil && !absent(err) {
			return resolved{err: err}, 0
		}
		return resolved{Resolution: answer, err: err}, nameTTL
	})
	if err != nil {
		return meta.Resolution{}, err
	}
	return found.Resolution, found.err
}

// steeringView is what a session's pathways are made of.
type steeringView struct {
	q      *request
	ticket *meta.Issued
	p      *presentation
	path   string
	// base is a pathway that the player has, from which others are cloned.
	base string
	tls  bool
}

// prioritise lists the edges that are well: those of the ticket in its order,
// and, when fewer than two of them are left, edges of a second ticket.
func (r *Router) prioritise(ctx context.Context, m *SteeringManifest, v steeringView) {
	own := make(map[meta.EdgeID]bool)
	if v.base == "" {
		v.base = pathway(meta.EdgeID(v.ticket.Ticket.Edges[0]))
	}
	for n, id := range v.ticket.Ticket.Edges {
		own[meta.EdgeID(id)] = true
		if !v.q.snapshot.table.Routable(meta.EdgeID(id)) {
			if n < maxPathways {
				m.TTL = steeringSoon
			}
			continue
		}
		name := pathway(meta.EdgeID(id))
		m.Priority = append(m.Priority, name)
		if n >= maxPathways || m.TTL == steeringSoon {
			// A player that has it already passes over the clone.
			m.add(v, name, meta.EdgeID(id), v.ticket.Text)
		}
	}
	if len(m.Priority) >= maxPathways {
		return
	}
	m.TTL = steeringSoon
	spare, err := r.spare(ctx, v.q, v.ticket.Ticket)
	if err != nil {
		r.config.Logger.WarnContext(ctx, "no second ticket for a session", "error", err)
		return
	}
	for _, id := range spare.Ticket.Edges {
		if edge := meta.EdgeID(id); !own[edge] && v.q.snapshot.table.Routable(edge) {
			// The ticket's number is in the id: another ticket is another pathway.
			name := fmt.Sprintf("%sx%s", pathway(edge), hex.EncodeToString(spare.Ticket.ID[10:]))
			m.Priority = append(m.Priority, name)
			m.add(v, name, edge, spare.Text)
		}
	}
}

// spare is a second ticket of a session, the same for as long as it is needed.
func (r *Router) spare(ctx context.Context, q *request, first *receipt.Ticket) (*meta.Issued, error) {
	issued, err := r.memory.spares.get(ctx, first.ID, func(ctx context.Context) (*meta.Issued, time.Duration) {
		issued, err := r.ticket(ctx, q, meta.TicketRequest{
			Class: first.Kind(), ViewerAlg: first.ViewerAlg, ViewerKey: first.ViewerKey, MaxBytes: first.MaxBytes,
		})
		if err != nil {
			return &meta.Issued{Err: err}, 0
		}
		return &issued, spareFor
	})
	if err != nil {
		return nil, err
	}
	return issued, issued.Err
}

// add clones a pathway for an edge.
func (m *SteeringManifest) add(v steeringView, name string, id meta.EdgeID, ticket string) {
	edge, ok := v.q.snapshot.table.Edge(id)
	if !ok {
		return
	}
	at, err := url.Parse(bundleURL(v.q.snapshot.table.base(edge, v.tls), ticket, v.q.found.Record.Name) + escaped(v.path))
	playlist, err2 := v.p.playlist.Multivariant()
	if err != nil || err2 != nil {
		return
	}
	clone := PathwayClone{BaseID: v.base, ID: name, Replacement: URIReplacement{map[string]string{}, map[string]string{}}}
	put := func(to map[string]string, stable, uri string) {
		if target, err := at.Parse(uri); err == nil && uri != "" {
			to[stable] = target.String()
		}
	}
	for _, variant := range playlist.Variants {
		put(clone.Replacement.Variants, variant.StableID, variant.URI)
	}
	for _, variant := range playlist.IFrames {
		put(clone.Replacement.Variants, variant.StableID, variant.URI)
	}
	for _, rendition := range playlist.Renditions {
		put(clone.Replacement.Renditions, rendition.StableID, rendition.URI)
	}
	m.Clones = append(m.Clones, clone)
}

func writeSteering(w http.ResponseWriter, m *SteeringManifest) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "application/vnd.apple.steering-list")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text)
	return nil
}

// steeringURL is where a session's player asks.
func steeringURL(router, ticket, path string) string {
	u := strings.TrimSuffix(router, "/") + "/v1/steering/" + ticket
	if path != MultivariantName {
		u += "?path=" + url.QueryEscape(path)
	}
	return u
}
