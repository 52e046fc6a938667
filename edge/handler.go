package edge

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/stratos-mesh/stratos/edge/outside"
	"github.com/stratos-mesh/stratos/edge/serve"
	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/sds"
)

// Handler is the Caddy handler `http.handlers.stratos_edge`: it answers viewers
// at /t/{ticket}/{namespace}/{path} and /{namespace}/{path}?t={ticket}, other
// nodes at /slices/{cid}, and everybody at /healthz, /readyz and
// /.well-known/stratos. It is the last handler of its route.
type Handler struct {
	app *App
}

// CaddyModule returns the module's name.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.stratos_edge", New: func() caddy.Module { return new(Handler) }}
}

// Provision finds the app.
func (h *Handler) Provision(ctx caddy.Context) error {
	app, err := ctx.App("stratos")
	if err != nil {
		return fmt.Errorf("stratos_edge: %w", err)
	}
	h.app = app.(*App)
	if h.app.Edge == nil {
		return fmt.Errorf("stratos_edge: the global option `stratos` has no `edge` block: add one, with the budgets of this edge")
	}
	if server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		// When it no longer listens, and before its last requests are answered.
		server.RegisterOnShutdown(func() { _ = h.app.Stop() }) // has no error to tell
	}
	return nil
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	n := h.app.pooled.Node()
	if n == nil {
		if n = h.open(w, r); n == nil {
			return nil
		}
	}
	// Fifteen fields make Go's header map grow a second time; this one tells
	// nobody anything.
	delete(w.Header(), "Server")
	if idle, ok := w.(*caddyhttp.IdleTimeoutWriter); ok && plain(idle) {
		if r.ProtoMajor == 2 && r.Method == http.MethodGet && forViewers(r.URL.Path) {
			n.viewers.ServeHTTP(idle.Unwrap(), r)
			return nil
		}
		// It is this request's alone, and nobody comes after this handler.
		idle.MaxChunk = sds.MaxBlockSize
		idle.Deadline.Timeout = max(idle.Deadline.Timeout, serve.SliceDeadline)
	}
	n.ServeHTTP(w, r)
	return nil
}

// open waits for an edge that is just opening.
func (h *Handler) open(w http.ResponseWriter, r *http.Request) *node {
	n := h.app.pooled.wait(r.Context())
	if n == nil {
		httperr.Write(w, r, httperr.New(http.StatusServiceUnavailable, "starting", "this edge is starting").WithRetry(time.Second))
	}
	return n
}

// plain tells that Caddy's idle timeouts for writing are its defaults. They are
// renewed for every 64 KiB, which on HTTP/2 is two messages to the connection's
// goroutine each. Delivery has deadlines of its own, for a slice at a time.
// Where the operator has set limits on writing, or another handler looks at
// what is written, everything stays as it is.
func plain(idle *caddyhttp.IdleTimeoutWriter) bool {
	return idle.Deadline.HardDeadline.IsZero() && idle.Deadline.MinRate == 0 && idle.MaxChunk == caddyhttp.DefaultMaxWriteChunk
}

// forViewers tells the doors for viewers from the others.
func forViewers(path string) bool {
	return !strings.HasPrefix(path, "/slices/") && path != "/healthz" && path != "/readyz" && path != outside.Path
}

// ServeHTTP sends a request to the part that answers it.
func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case forViewers(path):
		n.viewers.ServeHTTP(w, r)
	case path == "/healthz":
		n.healthz(w, r)
	case path == "/readyz":
		n.readyz(w, r)
	case path == outside.Path:
		n.wellKnown(w, r)
	default:
		n.slices.ServeHTTP(w, r)
	}
}

var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
