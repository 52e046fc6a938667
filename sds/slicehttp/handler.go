package slicehttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/stratos-mesh/stratos/sds"
)

// Config says what a handler serves and to whom.
type Config struct {
	// Store is what is served. It must be set. With a method
	// Size(context.Context, sds.CID) (int64, error), HEAD reads no blocks.
	Store sds.Store
	// Verify decides about each request before anything else happens. Its errors
	// reach Error wrapped together with ErrRefused. Nil lets everybody in.
	Verify func(*http.Request) error
	// Error writes the answer for an error. Nil writes a status and a line.
	Error func(w http.ResponseWriter, r *http.Request, err error)
	// Put takes the PUT requests that Verify has let in. Nil refuses them.
	Put http.Handler
}

// Handler serves blocks under Prefix; its caller mounts it there. It panics
// without a Store, which is wrong wiring.
func Handler(config Config) http.Handler {
	if config.Store == nil {
		panic("slicehttp: Config.Store is nil")
	}
	if config.Error == nil {
		config.Error = writeError
	}
	return handler{config}
}

type handler struct{ Config }

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.Verify != nil {
		if err := h.Verify(r); err != nil {
			h.Error(w, r, fmt.Errorf("slicehttp: %w: %w", ErrRefused, err))
			return
		}
	}
	var err error
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		err = h.get(w, r)
	case r.Method == http.MethodPut && h.Put != nil:
		h.Put.ServeHTTP(w, r)
	default:
		w.Header().Set("Allow", h.allowed())
		err = fmt.Errorf("slicehttp: method %.20s: %w", r.Method, errors.ErrUnsupported)
	}
	if err != nil {
		h.Error(w, r, err)
	}
}

func (h handler) allowed() string {
	if h.Put != nil {
		return "GET, HEAD, PUT"
	}
	return "GET, HEAD"
}

// get answers GET and HEAD. It returns an error only while no answer has begun.
func (h handler) get(w http.ResponseWriter, r *http.Request) error {
	cid, err := cidOf(r.URL.Path)
	if err != nil {
		return err
	}
	known := matches(r.Header.Get("If-None-Match"), etag(cid))
	if r.Method == http.MethodHead || known {
		size, err := h.size(r.Context(), cid)
		if err != nil {
			return err
		}
		describe(w.Header(), cid)
		if known {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		w.WriteHeader(http.StatusOK)
		return nil
	}
	block, err := h.Store.Get(r.Context(), cid)
	if err != nil {
		return err
	}
	describe(w.Header(), cid)
	w.Header().Set("Content-Length", strconv.Itoa(len(block)))
	w.Header().Set("Content-Digest", ContentDigest(cid))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(block) // a peer that has left is no error of ours
	return nil
}

func (h handler) size(ctx context.Context, cid sds.CID) (int64, error) {
	if store, ok := h.Store.(interface {
		Size(context.Context, sds.CID) (int64, error)
	}); ok {
		return store.Size(ctx, cid)
	}
	block, err := h.Store.Get(ctx, cid)
	return int64(len(block)), err
}

// describe sets what holds for every answer about a block that is there. Only
// nodes may ask, so what they get is not for a cache that others share.
func describe(header http.Header, cid sds.CID) {
	header.Set("Content-Type", MediaType(cid))
	header.Set("ETag", etag(cid))
	header.Set("Cache-Control", "private, max-age=31536000, immutable")
	header.Set("X-Content-Type-Options", "nosniff")
}

// matches is the weak comparison of RFC 9110, section 13.1.2.
func matches(field, tag string) bool {
	for _, one := range strings.Split(field, ",") {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		if one == tag || one == "*" {
			return true
		}
	}
	return false
}

func writeError(w http.ResponseWriter, _ *http.Request, err error) {
	w.Header().Set("Cache-Control", "no-store")
	status := statusOf(err)
	text := http.StatusText(status)
	if status < http.StatusInternalServerError {
		text = err.Error()
	}
	http.Error(w, text, status)
}
