package router

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/internal/httperr"
)

// handler is an http handler that leaves its errors to the one place that
// writes them.
type handler func(http.ResponseWriter, *http.Request) error

// routes says what each path answers by method. What is not here is a canonical
// URL.
func (r *Router) routes() {
	r.links = r.only(r.canonical, http.MethodGet, http.MethodHead)
	get := func(pattern string, h handler) { r.mux.Handle(pattern, r.only(h, http.MethodGet, http.MethodHead)) }
	get("/healthz", r.healthy)
	get("/readyz", r.ready)
	get("/v1/route/", r.explain)
	get("/v1/why/{id}", r.explainTicket)
	get("/v1/steering/{ticket}", r.steer)
	r.mux.Handle("/v1/sessions", r.only(r.open, http.MethodPost))
	get("/v1/", nothing)
}

// ServeHTTP answers every request; it never calls another handler.
func (r *Router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	header := w.Header()
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Timing-Allow-Origin", "*")
	header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	path := req.URL.Path
	switch {
	case !strings.HasPrefix(path, "/v1/") && path != "/healthz" && path != "/readyz":
		r.links.ServeHTTP(w, req)
	case unclean(path):
		// The mux would redirect to what it takes for the meaning.
		r.only(badPath, req.Method).ServeHTTP(w, req)
	default:
		r.mux.ServeHTTP(w, req)
	}
}

func badPath(http.ResponseWriter, *http.Request) error {
	return httperr.New(http.StatusBadRequest, "bad-path", "the path has empty components, or goes up")
}

func unclean(path string) bool {
	return strings.Contains(path, "//") || strings.Contains(path, "/./") || strings.Contains(path, "/../") ||
		strings.HasSuffix(path, "/.") || strings.HasSuffix(path, "/..")
}

// only lets some methods through, answers preflights, and writes errors.
func (r *Router) only(h handler, methods ...string) http.Handler {
	methods = append(methods, http.MethodOptions)
	allowed := strings.Join(methods, ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var err error
		switch {
		case req.Method == http.MethodOptions:
			preflight(w, allowed)
			return
		case !slices.Contains(methods, req.Method):
			w.Header().Set("Allow", allowed)
			err = httperr.New(http.StatusMethodNotAllowed, "method", "this URL knows "+allowed)
		default:
			err = h(w, req)
		}
		if err == nil {
			return
		}
		status := httperr.Write(w, req, err).HTTPStatus()
		r.memory.metrics.problem(status)
		level := slog.LevelDebug
		if status >= 500 && status != http.StatusServiceUnavailable {
			// 503 is for every request while the meta node is away: that is said
			// once, by who follows the network, and counted.
			level = slog.LevelWarn
		}
		r.config.Logger.Log(req.Context(), level, "request failed", slog.String("path", req.URL.Path), slog.Any("error", err))
	})
}

func preflight(w http.ResponseWriter, allowed string) {
	header := w.Header()
	header.Set("Allow", allowed)
	header.Set("Access-Control-Allow-Methods", allowed)
	header.Set("Access-Control-Allow-Headers", "Content-Type, Range")
	header.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}

func nothing(http.ResponseWriter, *http.Request) error {
	return httperr.New(http.StatusNotFound, "not-found", "this router has no such call")
}

// healthy says that the process answers.
func (r *Router) healthy(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, map[string]string{"status": "ok"})
}

// ready says whether viewers can be sent anywhere. An old snapshot is ready: it
// routes, and its age is told.
func (r *Router) ready(w http.ResponseWriter, _ *http.Request) error {
	s := r.memory.network.Load()
	if s == nil {
		return httperr.New(http.StatusServiceUnavailable, "not-ready", "no meta node has told this router the network yet").WithRetry(time.Second)
	}
	return writeJSON(w, map[string]any{
		"status": "ok", "network_version": s.network.Version, "edges": len(s.table.Edges),
		"snapshot_age_seconds": r.memory.now().Sub(s.seen).Seconds(),
	})
}
