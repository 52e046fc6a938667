// Package edge is the Caddy app `stratos` and the handler that serves viewers,
// `http.handlers.stratos_edge`.
//
// The app is the identity of a node: its folder, its key, its meta nodes. Other
// modules of the network (origin, router, meta) ask it for these. With an edge
// block it also runs an edge: store, heartbeat, fills and delivery, which are
// the packages below this one. A running edge outlives a change of the
// configuration, so a reload loses neither cache nor transfers.
package edge

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/metahttp"
)

// App is the Caddy app `stratos`: what every node of the network has.
type App struct {
	// DataDir is the folder for this node's data; its key is in node.key there,
	// made at the first start.
	DataDir string `json:"dir,omitempty"`
	// MetaURLs are base URLs of meta nodes; the first that answers is used.
	MetaURLs []string `json:"meta,omitempty"`
	// Dev allows plain http between nodes, for development networks.
	Dev bool `json:"development,omitempty"`
	// CA is a PEM file with further roots that are trusted in calls to other
	// nodes.
	CA string `json:"ca,omitempty"`
	// Edge makes this node an edge.
	Edge *EdgeConfig `json:"edge,omitempty"`

	key    ed25519.PrivateKey
	signer *nodeauth.Signer
	client *http.Client
	meta   meta.Meta
	log    *slog.Logger
	pooled *pooled
	// shardSize replaces meta.ShardSize in tests, whose bundles are small.
	shardSize int64
	// servers gives the HTTP servers of the same configuration.
	servers func() map[string]*caddyhttp.Server
}

func init() {
	caddy.RegisterModule(new(App))
	registerDirectives()
}

// CaddyModule returns the module's name.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "stratos", New: func() caddy.Module { return new(App) }}
}

// Provision reads the key and opens what the node needs.
func (a *App) Provision(ctx caddy.Context) error {
	a.log = ctx.Slogger()
	a.servers = func() map[string]*caddyhttp.Server {
		if app, err := ctx.AppIfConfigured("http"); err == nil {
			return app.(*caddyhttp.App).Servers
		}
		return nil
	}
	repl := caddy.NewReplacer()
	a.DataDir = repl.ReplaceAll(a.DataDir, "")
	a.CA = repl.ReplaceAll(a.CA, "")
	for i, text := range a.MetaURLs {
		a.MetaURLs[i] = repl.ReplaceAll(text, "")
	}
	if err := a.validate(); err != nil {
		return err
	}
	dir, err := filepath.Abs(a.DataDir)
	if err != nil {
		return fmt.Errorf("stratos: dir: %w", err)
	}
	a.DataDir = dir
	if err := os.MkdirAll(a.DataDir, 0o700); err != nil {
		return fmt.Errorf("stratos: dir: %w", err)
	}
	key, err := nodeauth.LoadOrCreate(filepath.Join(a.DataDir, "node.key"))
	if err != nil {
		return fmt.Errorf("stratos: key of this node: %w", err)
	}
	a.key, a.signer = key, nodeauth.NewSigner(key)
	if a.client, err = newClient(a.CA); err != nil {
		return err
	}
	a.meta = metahttp.NewClient(metahttp.ClientConfig{URLs: a.MetaURLs, Signer: a.signer, HTTP: a.client})
	if a.Edge == nil {
		return nil
	}
	a.pooled, err = acquire(a)
	if err != nil {
		return err
	}
	if err := registerMetrics(ctx.GetMetricsRegistry(), a.pooled.Node); err != nil {
		return fmt.Errorf("stratos: metrics: %w", err)
	}
	return nil
}

// Start begins to serve; the edge itself may be running since an earlier
// configuration.
func (a *App) Start() error {
	if a.pooled == nil {
		return nil
	}
	for _, other := range sharers(a.servers()) {
		a.log.Warn("another handler answers on the edge's host: strangers' files could read its cookies and storage; give it a host of its own",
			"handler", other)
	}
	return a.pooled.start(a)
}

// Stop is called when the configuration goes; Cleanup lets go of the edge.
func (a *App) Stop() error {
	if a.pooled != nil && caddy.Exiting() {
		a.pooled.drain()
	}
	return nil
}

// Cleanup lets go of the edge, which ends when no configuration holds it.
func (a *App) Cleanup() error {
	if a.client != nil {
		a.client.CloseIdleConnections()
	}
	if a.pooled == nil {
		return nil
	}
	return a.pooled.release()
}

// Dir is the folder for this node's data.
func (a *App) Dir() string { return a.DataDir }

// Key is this node's identity.
func (a *App) Key() ed25519.PrivateKey { return a.key }

// Signer signs requests to other nodes.
func (a *App) Signer() *nodeauth.Signer { return a.signer }

// Meta is a client of the meta nodes.
func (a *App) Meta() meta.Meta { return a.meta }

// Development tells whether plain http between nodes is allowed.
func (a *App) Development() bool { return a.Dev }

// HTTPClient reaches other nodes; it trusts the configured roots.
func (a *App) HTTPClient() *http.Client { return a.client }

// newClient makes the client for calls to other nodes.
func newClient(ca string) (*http.Client, error) {
	transport := &http.Transport{
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: 35 * time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConns:          512,
		MaxIdleConnsPerHost:   32,
		ForceAttemptHTTP2:     true,
		// Slices are a MiB: the default of 4 KiB costs a system call for each page.
		ReadBufferSize:  64 << 10,
		WriteBufferSize: 64 << 10,
	}
	if ca != "" {
		roots, err := loadRoots(ca)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: transport}, nil
}

// roots are the authorities that this node trusts; nil is the system's.
func (a *App) roots() *x509.CertPool {
	if t, ok := a.client.Transport.(*http.Transport); ok && t.TLSClientConfig != nil {
		return t.TLSClientConfig.RootCAs
	}
	return nil
}

// loadRoots is the system's roots and those of a PEM file.
func loadRoots(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("stratos: ca: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("stratos: ca %s holds no certificate in PEM form", file)
	}
	return roots, nil
}

var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
