package serve

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/stratos-mesh/stratos/edge/catalog"
	"github.com/stratos-mesh/stratos/edge/session"
	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/receipt"
)

// ticketless answers a request whose ticket is not good here. Outcomes:
//
//  1. the path is no name at all: 400 or 404
//  2. it comes from a router already (r=1): 503, so that nobody goes in circles
//  3. a router answers: 307 to it, so an edge's URL never rots
//  4. none does: what this edge holds, unpaid, within the operator's budget
func (h *Handler) ticketless(w http.ResponseWriter, r *http.Request, path string, cause error) error {
	path, err := checkPath(path)
	if err != nil {
		return err
	}
	if parameter(r.URL.RawQuery, "r") == "1" {
		return refusal(cause)
	}
	if base, ok := h.config.Routers.Pick(r.Context()); ok {
		header := w.Header()
		openHeader(header)
		header.Set("Cache-Control", "no-store")
		header.Set("Location", base+(&url.URL{Path: "/" + path}).EscapedPath()+"?r=1")
		w.WriteHeader(http.StatusTemporaryRedirect)
		h.Counters.Count(ClassNone, http.StatusTemporaryRedirect)
		return nil
	}
	return h.unticketed(w, r, path, cause)
}

// refusal says in the answer why a ticket was not good.
func refusal(cause error) error {
	kind := "ticket"
	switch {
	case errors.Is(cause, session.ErrExpired):
		kind = "ticket-expired"
	case errors.Is(cause, session.ErrElsewhere):
		kind = "ticket-elsewhere"
	case errors.Is(cause, session.ErrDraining):
		kind = "draining"
	}
	return httperr.Wrap(cause, http.StatusServiceUnavailable, kind, "this edge cannot serve the request").
		WithHint("ask a router for another edge").WithRetry(2 * time.Second)
}

// unticketed serves what is held here while no router answers.
func (h *Handler) unticketed(w http.ResponseWriter, r *http.Request, path string, cause error) error {
	digest, ok := h.config.Held(path)
	if !ok {
		return refusal(cause)
	}
	root, err := h.config.Catalog.Root(r.Context(), digest, nil)
	if err != nil {
		return refusal(err)
	}
	if err := root.Revoked(); err != nil {
		return err
	}
	object, err := root.Find(path)
	if errors.Is(err, catalog.ErrDirectory) {
		return h.unlisted(w, r, path, err)
	}
	if err != nil {
		return refusal(err)
	}
	if r.Method == http.MethodGet && !h.config.Unticketed().Take(object.Size) {
		return refusal(cause)
	}
	h.Counters.Unticketed.Add(1)
	d := delivery{handler: h, root: root, object: object, class: receipt.ClassB, bundle: false}
	return d.serve(w, r)
}
