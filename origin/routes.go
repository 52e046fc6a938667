package origin

import (
	"errors"
	"net/http"
	"strings"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/metahttp"
	"github.com/stratos-mesh/stratos/origin/work"
	"github.com/stratos-mesh/stratos/sds"
)

// ServeHTTP answers everything below /v1 and /healthz.
func (o *Origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := &answerWriter{ResponseWriter: w}
	cross(answer.Header())
	if err := o.route(answer, r); err != nil {
		o.fail(answer, r, err)
	}
	o.counters.Requests[min(5, answer.status/100)].Add(1)
}

// route sends a request on by the beginning of its path. A mux would redirect
// paths with "..", where we want to name the rule that they break.
func (o *Origin) route(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodOptions && !strings.HasPrefix(r.URL.Path, "/v1/uploads") {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if strings.Contains(strings.ToLower(r.URL.EscapedPath()), "%2f") {
		return badPath("a component holds an encoded slash (%2F)")
	}
	switch path := r.URL.Path; {
	case path == "/healthz":
		return writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	case strings.HasPrefix(path, "/v1/files/"):
		return o.serveFiles(w, r, strings.TrimPrefix(path, "/v1/files/"))
	case path == "/v1/list" || strings.HasPrefix(path, "/v1/list/"):
		return o.serveList(w, r, strings.TrimPrefix(strings.TrimPrefix(path, "/v1/list"), "/"))
	case path == "/v1/uploads" || strings.HasPrefix(path, "/v1/uploads/"):
		return o.uploads.serve(w, r)
	case path == "/v1/bundles" || strings.HasPrefix(path, "/v1/bundles/"):
		return o.serveBundles(w, r, strings.TrimPrefix(strings.TrimPrefix(path, "/v1/bundles"), "/"))
	case path == "/v1/assets" || strings.HasPrefix(path, "/v1/assets/"):
		return o.serveAssets(w, r, strings.TrimPrefix(strings.TrimPrefix(path, "/v1/assets"), "/"))
	case strings.HasPrefix(path, work.Base):
		return o.serveWork(w, r)
	}
	return httperr.New(http.StatusNotFound, "not-found", "no such resource; see docs/http-api/origin.md")
}

// methodNotAllowed names the methods that are.
func methodNotAllowed(w http.ResponseWriter, allow string) error {
	w.Header().Set("Allow", allow)
	return httperr.New(http.StatusMethodNotAllowed, "method-not-allowed", "this resource takes "+allow)
}

func badPath(rule string) error { return httperr.New(http.StatusBadRequest, "bad-path", rule) }

// fail writes a problem, unless the answer has begun.
func (o *Origin) fail(w *answerWriter, r *http.Request, err error) {
	if w.status != 0 {
		return
	}
	p := problem(err)
	if p.Status >= 500 {
		o.config().Logger.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="stratos"`)
	}
	if r.ProtoMajor == 1 && r.ContentLength > maxUnread {
		refuse(w, r, p)
		return
	}
	httperr.Write(w, r, p)
}

// problem maps the errors of the rooms below to answers.
func problem(err error) *httperr.Problem {
	var p *httperr.Problem
	if errors.As(err, &p) {
		return p
	}
	p = httperr.From(err)
	for _, m := range []struct {
		err    error
		status int
		kind   string
	}{
		{meta.ErrNoEdges, http.StatusServiceUnavailable, "no-edges"},
		{metahttp.ErrUnreachable, http.StatusServiceUnavailable, "meta-away"},
		{meta.ErrInvalid, http.StatusBadRequest, "invalid"},
		{sds.ErrMalformed, http.StatusBadRequest, "bad-path"},
		{meta.ErrNotFound, http.StatusNotFound, "not-found"},
		{meta.ErrDeleted, http.StatusGone, "deleted"},
		{meta.ErrBanned, http.StatusUnavailableForLegalReasons, "banned"},
		{meta.ErrConflict, http.StatusConflict, "conflict"},
		{meta.ErrForbidden, http.StatusForbidden, "forbidden"},
	} {
		if errors.Is(err, m.err) {
			p = httperr.Wrap(err, m.status, m.kind, err.Error())
			break
		}
	}
	if p.Status == http.StatusServiceUnavailable {
		p.RetryAfter = retryLater
	}
	return p
}
