package router

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/receipt"
	"github.com/stratos-mesh/stratos/router/geo"
)

// Lengths of sessions: a film is watched to its end in one, a file fetched in
// the other.
const (
	bundleSession = 12 * time.Hour
	objectSession = time.Hour
)

// growingBytes is the first instalment for what nobody knows the size of yet.
const growingBytes = 64 << 20

// request is what the steps before the decision found out.
type request struct {
	path     string
	client   netip.Addr
	found    meta.Resolution
	snapshot *snapshot
	// avoid is the edge that the client came back from.
	avoid meta.EdgeID
	// bits and before are the demand for the unit.
	bits, before float64
}

// understand does everything up to the decision itself.
func (r *Router) understand(ctx context.Context, client netip.Addr, path string) (*request, error) {
	s := r.memory.network.Load()
	if s == nil {
		return nil, httperr.New(http.StatusServiceUnavailable, "not-ready", "this router has not seen the network yet").WithRetry(time.Second)
	}
	q := &request{path: path, client: client, snapshot: s}
	lookup := path
	for len(lookup) > 0 && lookup[len(lookup)-1] == '/' {
		lookup = lookup[:len(lookup)-1]
	}
	var err error
	if q.found, err = r.resolve(ctx, lookup); err != nil {
		return nil, problem(err)
	}
	if lookup != path && q.found.Record.Kind == meta.Object {
		return nil, problem(meta.ErrNotFound)
	}
	return q, nil
}

// unit is the one that stands for the request in ranking. Shards of a large
// bundle share the working set of the first: which of them a path lies in follows
// from the sizes of all objects before it, which only the manifest tells, and a
// router reads none. A ticket is good for the whole bundle anyway; the edge knows
// the manifest, and asks the holders of the right shard.
func (q *request) unit() meta.UnitKey {
	if len(q.found.Record.Units) == 0 {
		return meta.UnitKey(q.found.Record.Root.Digest)
	}
	return q.found.Record.Units[0]
}

// each is the mean size of the record's objects.
func (q *request) each() int64 { return q.found.Record.Size / max(q.found.Record.Objects, 1) }

// bind is what tickets for the request bind.
func (q *request) bind() [32]byte {
	if q.found.Growing != nil {
		return q.found.Growing.Bind()
	}
	return q.found.Record.Root.Digest
}

// shareKey is who may have the same class B ticket.
func (q *request) shareKey() shareKey { return shareKey{netOf(q.client), q.bind()} }

func (q *request) query(where geo.Answer) Query {
	return Query{
		Lat: where.Lat, Lon: where.Lon, Unit: q.unit(), Holders: q.found.Holders, Maybe: q.found.Maybe,
		Bits: q.bits, Requests: q.before, Avoid: q.avoid,
	}
}

// ticket ranks and has a ticket signed. Viewer fields of the draft are the
// caller's; everything else is filled in here.
func (r *Router) ticket(ctx context.Context, q *request, draft meta.TicketRequest) (meta.Issued, error) {
	began := r.memory.now()
	where := r.config.Geo.Locate(q.client)
	choice := r.memory.choices.Get().(*Choice)
	defer r.memory.choices.Put(choice)
	query := q.query(where)
	table := q.snapshot.table
	Rank(table, &query, choice)
	r.memory.metrics.ranked(where.Source, r.memory.now().Sub(began))
	if len(choice.Working) == 0 {
		return meta.Issued{}, problem(meta.ErrNoEdges)
	}
	region := where.Region
	if region == "" {
		if nearest, ok := table.Edge(choice.Working[0]); ok {
			region = nearest.Region
		}
	}
	if q.found.Growing != nil {
		draft.Class |= receipt.Growing
		draft.Bind = q.bind()
		draft.MaxBytes = max(draft.MaxBytes, growingBytes)
	}
	draft.Root, draft.Unit = q.found.Record.Root, q.unit()
	// The call outlives this function when its caller goes away.
	draft.Working = append([]meta.EdgeID(nil), choice.Working...)
	draft.Rest = append([]meta.EdgeID(nil), choice.Rest...)
	draft.Sources = append([]meta.EdgeID(nil), choice.Sources...)
	draft.Client, draft.Region, draft.ASN = q.client, table.region(region), where.ASN
	draft.Lifetime = objectSession
	if q.found.Record.Kind == meta.Bundle {
		draft.Lifetime = bundleSession
	}
	issued, err := r.issues.issue(ctx, draft)
	if err != nil {
		return meta.Issued{}, problem(err)
	}
	r.memory.why.remember(issued.Ticket.ID, began, q, where, choice, choice.candidates(table, &query))
	return issued, nil
}
