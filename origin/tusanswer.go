package origin

import (
	"context"
	"net/http"
	"strings"

	"github.com/stratos-mesh/stratos/internal/httperr"
)

// tusAnswer completes what tusd answers: extensions and expiry that it does not
// know of, the published name, and errors as problem+json.
type tusAnswer struct {
	http.ResponseWriter
	uploads *uploads
	request *tusRequest
	id      string
	status  int
	text    strings.Builder // of an error
}

// WriteHeader holds the status of an error back until its text is known.
func (a *tusAnswer) WriteHeader(status int) {
	if a.status != 0 {
		return
	}
	a.status = status
	h := a.Header()
	if extensions := h.Get("Tus-Extension"); extensions != "" {
		h.Set("Tus-Extension", extensions+",checksum,expiration")
	}
	if a.id == "" {
		a.id = h.Get("Location")[strings.LastIndexByte(h.Get("Location"), '/')+1:]
	}
	if status < 400 {
		if s, err := a.uploads.load(a.id); validID(a.id) && err == nil {
			h.Set("Upload-Expires", s.Expires.UTC().Format(http.TimeFormat))
			if s.Result != nil {
				s.Result.announce(h)
			}
		}
		a.ResponseWriter.WriteHeader(status)
	}
}

// Write passes an answer on and keeps an error's text.
func (a *tusAnswer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.status < 400 {
		return a.ResponseWriter.Write(p)
	}
	if a.text.Len() < 1024 {
		a.text.Write(p)
	}
	return len(p), nil
}

// Unwrap lets tusd set deadlines.
func (a *tusAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// problem is the error that tusd wanted to answer with; nil when it did not.
func (a *tusAnswer) problem(ctx context.Context) error {
	if a.status < 400 {
		return nil
	}
	if a.request.failure != nil {
		return a.request.failure
	}
	kind, detail := tusKind(a.text.String())
	return httperr.New(a.status, kind, detail)
}
