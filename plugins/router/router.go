// Package caddyrouter is the Caddy module http.handlers.stratos_router: a router in a
// Caddyfile. It answers every request that reaches it.
//
//	stratos_router {
//		geoip   FILE...
//		zones   FILE
//		default LATITUDE LONGITUDE
//	}
//
// Everything is optional. The files are GeoIP databases in MaxMind's format, in
// the order in which they are asked, and the operator's own zones; all are read
// again when they change. Default is where clients are that no file knows.
//
// The viewer's address is the one that Caddy's trusted_proxies leads to, so set
// trusted_proxies_strict with it. A trusted proxy that ends TLS must send
// X-Forwarded-Proto and pass Host on, since players get whole URLs.
package caddyrouter

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/player"
	"github.com/stratos-mesh/stratos/router"
	"github.com/stratos-mesh/stratos/router/geo"
)

// Handler is the module. It sends viewers to edges.
type Handler struct {
	// GeoIP are databases in MaxMind's format, asked in this order.
	GeoIP []string `json:"geoip,omitempty"`
	// Zones is a file of networks and where they are: CIDR, region, latitude,
	// longitude, and if you like country and city. It goes before GeoIP.
	Zones string `json:"zones,omitempty"`
	// Default is where clients are that no file knows; 0°N 0°E without it.
	Default *Place `json:"default,omitempty"`

	log       *slog.Logger
	router    *router.Router
	pages     *pages
	memory    string
	databases *geo.Databases
	stop      context.CancelFunc
	running   sync.WaitGroup
}

// Place is a point on the globe, in degrees.
type Place struct {
	Lat float64 `json:"lat"`
	Lon float64 `json:"lon"`
}

// node is what a router needs of the app `stratos`.
type node interface {
	Dir() string
	Key() ed25519.PrivateKey
	Meta() meta.Meta
	HTTPClient() *http.Client
	Development() bool
}

// refreshEvery is how soon a changed file is taken.
const refreshEvery = 5 * time.Second

// memories has what routers remember, by the folder of their node, over changes
// of the configuration.
var memories = caddy.NewUsagePool()

func init() {
	caddy.RegisterModule(new(Handler))
	registerDirective()
}

// CaddyModule returns the module's name.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.stratos_router", New: func() caddy.Module { return new(Handler) }}
}

// Provision opens the files and begins to follow the network.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.log = ctx.Slogger()
	if err := h.Validate(); err != nil {
		return err
	}
	app, err := ctx.AppIfConfigured("stratos")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return errors.New("stratos_router: the global options have no stratos block; it names the meta nodes to ask")
	}
	if err != nil {
		return err
	}
	self, ok := app.(node)
	if !ok {
		return fmt.Errorf("stratos_router: the app stratos is a %T and knows no meta nodes", app)
	}
	chain, files, err := h.geo()
	if err != nil {
		return err
	}
	memory, _, err := memories.LoadOrNew(self.Dir(), func() (caddy.Destructor, error) {
		return remembered{router.NewMemory(nil)}, nil
	})
	if err != nil {
		return err
	}
	h.memory = self.Dir()
	kept := memory.(remembered).Memory
	var twice prometheus.AlreadyRegisteredError
	if err := ctx.GetMetricsRegistry().Register(kept.Collector()); err != nil && !errors.As(err, &twice) {
		return fmt.Errorf("stratos_router: metrics: %w", err)
	}
	h.router = router.New(router.Config{
		Meta: self.Meta(), Geo: chain, Client: client, Secure: secure, Development: self.Development(), Logger: h.log, Memory: kept, HTTP: self.HTTPClient(),
	})
	built, err := player.New()
	if err != nil {
		return err
	}
	h.pages = &pages{files: built, router: h.router}
	h.run(ctx, files)
	return nil
}

// run starts what keeps the router's knowledge fresh until Cleanup.
func (h *Handler) run(ctx context.Context, files []geo.File) {
	ctx, h.stop = context.WithCancel(ctx)
	h.running.Go(func() { h.router.Run(ctx) })
	h.running.Go(func() {
		geo.Follow(ctx, refreshEvery, func(changed bool, err error) {
			if err != nil {
				h.log.Warn("location data not taken", slog.Any("error", err))
			}
			if changed {
				h.log.Info("location data changed")
			}
		}, files...)
	})
}

// Cleanup ends what Provision began; what the router remembers stays if another
// configuration holds it.
func (h *Handler) Cleanup() error {
	if h.stop != nil {
		h.stop()
		h.running.Wait()
	}
	var errs []error
	if h.databases != nil {
		errs = append(errs, h.databases.Close())
	}
	if h.memory != "" {
		_, err := memories.Delete(h.memory)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// ServeHTTP answers; the next handler is never asked.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if h.pages.serves(r.URL.Path) {
		h.pages.ServeHTTP(w, r)
		return nil
	}
	h.router.ServeHTTP(w, r)
	return nil
}

// client is the viewer's address as the server's rules have it.
func client(r *http.Request) netip.Addr {
	text, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Unmap()
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap()
}

// secure tells whether the viewer came over TLS: to this server, or to a proxy
// that it trusts.
func secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	if trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool); !trusted {
		return false
	}
	told := r.Header.Values("X-Forwarded-Proto")
	if len(told) == 0 {
		return false
	}
	// The last word is that of the proxy nearest to this server.
	last := told[len(told)-1]
	return strings.EqualFold(strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:]), "https")
}

// remembered is a Memory in the pool; there is nothing to end about it.
type remembered struct{ *router.Memory }

// Destruct is called when no configuration holds it any more.
func (remembered) Destruct() error { return nil }

var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.Validator             = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
