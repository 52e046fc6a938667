package edge

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/stratos-mesh/stratos/internal/httperr"
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
	return nil
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	n := h.app.pooled.Node()
	if n == nil {
		if n = h.app.pooled.wait(r.Context()); n == nil {
			httperr.Write(w, r, httperr.New(http.StatusServiceUnavailable, "starting", "this edge is starting").WithRetry(time.Second))
			return nil
		}
	}
	n.ServeHTTP(w, r)
	return nil
}

// ServeHTTP sends a request to the part that answers it.
func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case strings.HasPrefix(path, "/t/"):
		n.viewers.ServeHTTP(w, r)
	case strings.HasPrefix(path, "/slices/"):
		n.slices.ServeHTTP(w, r)
	case path == "/healthz":
		n.healthz(w, r)
	case path == "/readyz":
		n.readyz(w, r)
	case path == wellKnown:
		n.wellKnown(w, r)
	default:
		n.viewers.ServeHTTP(w, r)
	}
}

var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
