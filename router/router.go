// Package router sends each viewer to the best edge.
//
// A request for a canonical URL, /{namespace}/{path}, goes through these steps,
// a file each: the path is checked (path.go), the name found (index.go), the
// client placed on the globe (package geo), the edges ranked (rank.go), a ticket
// signed or one of the last minute used again (tickets.go), and the viewer
// redirected (canonical.go). The same decision, explained, is what
// /v1/route shows (route.go); /v1/sessions opens a session that signs receipts
// (sessions.go). A multivariant playlist is answered here, rewritten for two of
// the ticket's edges (playlist.go, multivariant.go), and /v1/steering tells the
// player which of them to use (steering.go).
//
// A router holds no key and no state that matters: names, network and tickets
// come from a meta node, and what is remembered here is a cache of a second or a
// minute. When the meta node is away the router goes on with the last network
// that it saw and the tickets that it has.
package router

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/router/geo"
)

// Meta is what a router asks of a meta node.
type Meta interface {
	meta.Index
	meta.Issuer
	meta.Directory
}

// Config of a Router. Meta is the only field that must be set.
type Config struct {
	Meta Meta
	// Geo says where clients are; nil puts everybody at 0°N 0°E.
	Geo geo.Chain
	// Client is the viewer's address, as the server's rules about trusted proxies
	// have it; nil takes the connection's peer. No field of a request is ever
	// believed here.
	Client func(*http.Request) netip.Addr
	// Secure tells whether the viewer came over TLS, by the same rules, since a
	// proxy may end it; nil is whether this server's connection is.
	Secure func(*http.Request) bool
	// HTTP reads multivariant playlists from edges; nil is http.DefaultClient.
	HTTP *http.Client
	// Development allows edges without https.
	Development bool
	// Logger gets what went wrong; nil is slog.Default().
	Logger *slog.Logger
	// Memory of an earlier Router to go on with; nil begins an empty one.
	Memory *Memory
}

// Router is an http.Handler. Run keeps its knowledge of the network fresh.
type Router struct {
	config Config
	mux    *http.ServeMux
	links  http.Handler
	memory *Memory
	issues *issues
}

// New makes a Router. It answers 503 until Run has fetched a network.
func New(c Config) *Router {
	if c.Client == nil {
		c.Client = peer
	}
	if c.Secure == nil {
		c.Secure = func(r *http.Request) bool { return r.TLS != nil }
	}
	if c.HTTP == nil {
		c.HTTP = http.DefaultClient
	}
	// An edge must not have its router ask machines that it cannot reach itself.
	direct := *c.HTTP
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.HTTP = &direct
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Memory == nil {
		c.Memory = NewMemory(nil)
	}
	r := &Router{config: c, mux: http.NewServeMux(), memory: c.Memory, issues: newIssues(c.Meta, c.Memory.metrics)}
	r.routes()
	return r
}

// Run follows the network until ctx ends, and returns when every call that the
// router began has come back.
func (r *Router) Run(ctx context.Context) {
	r.follow(ctx)
	r.issues.wait()
}

// peer is the address at the other end of the connection.
func peer(r *http.Request) netip.Addr {
	address, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return address.Addr().Unmap()
}
