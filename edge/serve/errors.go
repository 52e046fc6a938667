package serve

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/edge/catalog"
	"github.com/stratos-mesh/stratos/edge/fill"
	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// fail answers with a problem, under the same CORS fields as every answer.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	var broken *brokenOff
	if errors.As(err, &broken) {
		// The head is out: only a broken connection tells the client.
		h.Counters.BrokenOff.Add(1)
		if h.config.Warn != nil && r.Context().Err() == nil {
			h.config.Warn("answer broke off", err)
		}
		panic(http.ErrAbortHandler)
	}
	if r.ProtoMajor == 2 {
		// Not every HTTP/2 answer is under Caddy's idle timeout, see the edge's
		// handler; a client that takes nothing must not hold this one for ever.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(SliceDeadline))
	}
	openHeader(w.Header())
	var beyond *unsatisfiable
	if errors.As(err, &beyond) {
		w = &sizeWriter{w, beyond.size}
	}
	p := httperr.Write(w, r, err)
	h.Counters.Count(ClassNone, p.HTTPStatus())
}

// sizeWriter adds the size that a 416 tells, after httperr took away what
// describes a body that is not sent.
type sizeWriter struct {
	http.ResponseWriter
	size int64
}

// WriteHeader adds Content-Range.
func (s *sizeWriter) WriteHeader(status int) {
	s.Header().Set("Content-Range", "bytes */"+strconv.FormatInt(s.size, 10))
	s.ResponseWriter.WriteHeader(status)
}

// brokenOff is an error after the head of the answer was sent.
type brokenOff struct{ err error }

func (b *brokenOff) Error() string { return "answer broke off: " + b.err.Error() }
func (b *brokenOff) Unwrap() error { return b.err }

// unfound maps the errors of finding a root.
func (h *Handler) unfound(err error) error {
	switch {
	case errors.Is(err, meta.ErrNotFound), errors.Is(err, meta.ErrDeleted), errors.Is(err, meta.ErrBanned):
		return absence(err)
	case errors.Is(err, context.Canceled):
		return err
	}
	return unavailable(err)
}

// absence tells the three kinds: 404 never was, 410 deleted, 451 banned.
func absence(err error) error {
	switch {
	case errors.Is(err, meta.ErrDeleted):
		return httperr.Wrap(err, http.StatusGone, "deleted", "this was deleted by its owner")
	case errors.Is(err, meta.ErrBanned):
		return httperr.Wrap(err, http.StatusUnavailableForLegalReasons, "banned", "this may not be served")
	}
	return httperr.Wrap(err, http.StatusNotFound, "not-found", "there is nothing under this name")
}

// unavailable is what could not be had just now.
func unavailable(err error) error {
	return httperr.Wrap(err, http.StatusServiceUnavailable, "unavailable", "no copy can be reached just now").WithRetry(2 * time.Second)
}

// unlisted maps the errors of finding a path in a root.
func (h *Handler) unlisted(w http.ResponseWriter, r *http.Request, path string, err error) error {
	switch {
	case errors.Is(err, catalog.ErrDirectory):
		// Relative references in the index need the slash. The target is
		// relative too, for the name under which a proxy shows us is not ours.
		last := path[strings.LastIndexByte(path, '/')+1:]
		target := "./" + escape(last) + "/"
		if r.URL.RawQuery != "" {
			target += "?" + r.URL.RawQuery
		}
		openHeader(w.Header())
		w.Header().Set("Cache-Control", "private, max-age=60")
		w.Header().Set("Location", target)
		w.WriteHeader(http.StatusPermanentRedirect)
		h.Counters.Count(ClassNone, http.StatusPermanentRedirect)
		return nil
	case errors.Is(err, sds.ErrNotFound), errors.Is(err, meta.ErrNotFound), errors.Is(err, meta.ErrDeleted), errors.Is(err, meta.ErrBanned):
		return absence(err)
	}
	var problem *httperr.Problem
	if errors.As(err, &problem) || errors.Is(err, context.Canceled) {
		return err
	}
	return unavailable(err)
}

// unread maps the errors of getting the first bytes.
func unread(err error) error {
	var problem *httperr.Problem
	switch {
	case errors.As(err, &problem), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, fill.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return unavailable(err)
	}
	return unavailable(err)
}
