package router

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

// returnWindow is how soon a client that is sent on comes back when its edge
// refuses it. Later it is another visit.
const returnWindow = 5 * time.Second

// canonical answers GET and HEAD /{namespace}/{path} with a redirect to the best
// edge.
func (r *Router) canonical(w http.ResponseWriter, req *http.Request) error {
	path, err := cleanPath(strings.TrimPrefix(req.URL.EscapedPath(), "/"), strings.TrimPrefix(req.URL.Path, "/"))
	if err != nil {
		return err
	}
	ctx := req.Context()
	q, err := r.understand(ctx, r.config.Client(req), path)
	if err != nil {
		return err
	}
	q.bits, q.before = r.memory.demand.add(q.unit(), q.each())
	query := req.URL.Query()
	returned := query.Get("r") == "1"
	if done, err := r.playlist(w, req, q, returned); done || err != nil {
		return err
	}
	location, err := r.locate(ctx, q, r.config.Secure(req), returned, query)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Location", location)
	header.Set("Cache-Control", "private, max-age=60")
	if returned {
		// It says where not to go again; a copy of it would be wrong next time.
		header.Set("Cache-Control", "no-store")
	}
	header.Set("Content-Length", "0")
	w.WriteHeader(http.StatusTemporaryRedirect)
	return nil
}

// locate gives the URL at the edge. When none of a ticket's edges is routable
// any more, a second ticket is made; it can only fail in a race.
func (r *Router) locate(ctx context.Context, q *request, tls, returned bool, query url.Values) (string, error) {
	key := q.shareKey()
	if returned {
		r.returning(key, q)
	}
	for range 2 {
		ticket, err := r.share(ctx, key, q)
		if err != nil {
			return "", err
		}
		for _, id := range ticket.Ticket.Edges {
			edge, ok := q.snapshot.table.Edge(meta.EdgeID(id))
			if !ok || !q.snapshot.table.Routable(edge.ID) || edge.ID == q.avoid {
				continue
			}
			ticket.sent.Store(r.memory.now().UnixMilli())
			ticket.sentTo.Store(id)
			r.memory.metrics.sent(q.found.Record.Kind)
			return edgeURL(q.snapshot.table.base(edge, tls), q, ticket.Text, returned, query), nil
		}
		r.memory.shared.forget(key)
	}
	return "", problem(meta.ErrNoEdges)
}

// returning notes the edge that a client came back from, if it was sent there
// only just now, and takes care that it does not get the same ticket again.
func (r *Router) returning(key shareKey, q *request) {
	before, ok := r.memory.shared.peek(key)
	if !ok {
		return
	}
	since := r.memory.now().Sub(time.UnixMilli(before.sent.Load()))
	if since < returnWindow {
		q.avoid = meta.EdgeID(before.sentTo.Load())
	}
	r.memory.shared.forget(key)
}

// base is the address of an edge for clients that came over TLS or without. A
// page loaded over https may not load from http, and plain http is for
// development networks.
func (t *Table) base(e *meta.Edge, tls bool) string {
	if e.TLSURL != "" && (tls || !t.development || e.URL == "") {
		return e.TLSURL
	}
	return e.URL
}

// edgeURL is where an edge serves what was asked for: a bundle's paths carry
// the ticket in front, so that relative references keep it; an object's carry it
// in the query, so that a browser's cache may leave it out of the key.
func edgeURL(base string, q *request, ticket string, returned bool, query url.Values) string {
	var b strings.Builder
	b.WriteString(strings.TrimSuffix(base, "/"))
	bundle := q.found.Record.Kind == meta.Bundle
	if bundle {
		b.WriteString("/t/")
		b.WriteString(ticket)
	}
	b.WriteString((&url.URL{Path: "/" + q.path}).EscapedPath())
	if bundle && q.found.Rest == "" && !strings.HasSuffix(q.path, "/") {
		// The bundle itself: its index, and references relative to it.
		b.WriteByte('/')
	}
	separator := byte('?')
	add := func(name, value string) {
		b.WriteByte(separator)
		separator = '&'
		b.WriteString(name)
		b.WriteByte('=')
		b.WriteString(value)
	}
	if !bundle {
		add("t", ticket)
	}
	if returned {
		// The edge that does not like this one either says so itself.
		add("r", "1")
	}
	for _, name := range passedOn {
		if v := query.Get(name); v != "" && len(v) <= maxPassedOn {
			add(name, url.QueryEscape(v))
		}
	}
	return b.String()
}
