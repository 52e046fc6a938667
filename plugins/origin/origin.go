// Package caddyorigin is the Caddy module around an origin,
// http.handlers.stratos_origin:
//
//	stratos_origin {
//		keys            FILE      # API keys, read again when it changes
//		dir             DIR       # state of uploads and owner keys; {stratos dir}/origin
//		max_upload      SIZE      # of one object; 1TiB
//		replicas        N         # of what is published; the network's default
//		uploads         N         # under way per API key; 256
//		rate            N         # requests a minute per API key; no limit
//		namespace_quota SIZE      # published in one namespace; no limit
//		parts           SIZE      # of partial tus uploads kept here; 10GiB
//		memory          SIZE      # of slices on their way to edges; 96MiB
//		expire          DURATION  # of unfinished uploads; 24h
//		workers         N         # pieces of videos encoded at a time; half the processors
//		video_disk      SIZE      # of videos being made; 200GiB
//		max_height      LINES     # of the largest rung of a ladder; 1080
//		webhooks        private   # may go to private addresses; only to public ones
//		sandbox         off       # run ffmpeg unconfined where the system has no name spaces
//	}
//
// The origin itself outlives a change of the configuration, so a reload breaks
// no upload. All options but memory, workers and sandbox, and the meta nodes, roots and keys of the
// app, are the newest configuration's at once.
package caddyorigin

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/origin/apikey"
	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

func init() {
	// The program starts itself again, confined, to run ffmpeg, and as its worker;
	// a Caddy with this module has no main of ours that could look first.
	sandbox.Main()
	childMain()
	caddy.RegisterModule(Handler{})
	caddy.RegisterModule(new(Origins))
	httpcaddyfile.RegisterHandlerDirective("stratos_origin", parse)
	httpcaddyfile.RegisterDirectiveOrder("stratos_origin", httpcaddyfile.Before, "respond")
}

// node is what the app `stratos` tells of this node.
type node interface {
	Dir() string
	Key() ed25519.PrivateKey
	Signer() *nodeauth.Signer
	Meta() meta.Meta
	HTTPClient() *http.Client
}

// Handler answers the doors of an origin: /v1/files, /v1/list, /v1/uploads,
// /v1/bundles, /v1/assets, /v1/work and /healthz, and shows a page, /upload. Sizes are in bytes; a zero is the default.
type Handler struct {
	// Keys is the file of API keys; `stratos key create` writes it.
	Keys string `json:"keys,omitempty"`
	// Dir keeps uploads under way and the keys that own the namespaces. Default:
	// the folder origin in the node's.
	Dir string `json:"dir,omitempty"`
	// MaxUpload bounds one object. Default: 1 TiB.
	MaxUpload int64 `json:"max_upload,omitempty"`
	// Replicas of what is published. Default: what the network's meta node says.
	Replicas int `json:"replicas,omitempty"`
	// Uploads under way per API key that has no number of its own. Default: 256.
	Uploads int `json:"uploads,omitempty"`
	// Rate is requests a minute per API key that has no number of its own.
	// Default: no limit.
	Rate int `json:"rate,omitempty"`
	// NamespaceQuota bounds what is published in one namespace. Default: no limit.
	NamespaceQuota int64 `json:"namespace_quota,omitempty"`
	// Parts bounds partial tus uploads on this disk. Default: 10 GiB.
	Parts int64 `json:"parts,omitempty"`
	// Memory bounds slices on their way to edges. Default: 96 MiB.
	Memory int64 `json:"memory,omitempty"`
	// Expire ends an upload that nobody touched. Default: 24 h.
	Expire caddy.Duration `json:"expire,omitempty"`
	// Workers is how many pieces of videos are encoded here at a time; 0 leaves
	// them to `stratos worker` on other machines. Default: half the processors.
	Workers *int `json:"workers,omitempty"`
	// VideoDisk bounds the sources of videos and what is made of them here.
	// Default: 200 GiB.
	VideoDisk int64 `json:"video_disk,omitempty"`
	// MaxHeight of the largest rung, in lines. Default: 1080.
	MaxHeight int `json:"max_height,omitempty"`
	// PrivateWebhooks lets webhooks go to loopback and private addresses.
	PrivateWebhooks bool `json:"private_webhooks,omitempty"`
	// Unconfined runs ffmpeg without the sandbox where the system has no name
	// spaces. Sources are files of strangers: only for development.
	Unconfined bool `json:"unconfined,omitempty"`

	node node
	keys *apikey.File
	log  *slog.Logger
	hold *hold
}

// CaddyModule returns the module's name.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.stratos_origin", New: func() caddy.Module { return new(Handler) }}
}

// Provision finds the node and reads the API keys. The origin is opened when
// the configuration starts, so that checking a configuration beside a running
// origin does not fight over its folder.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.log = ctx.Slogger()
	app, err := ctx.App("stratos")
	if err != nil {
		return fmt.Errorf("stratos_origin: %w", err)
	}
	var ok bool
	if h.node, ok = app.(node); !ok {
		return fmt.Errorf("stratos_origin: the app stratos is a %T, which does not tell about its node", app)
	}
	replacer := caddy.NewReplacer()
	h.Keys, h.Dir = replacer.ReplaceAll(h.Keys, ""), replacer.ReplaceAll(h.Dir, "")
	if h.Dir == "" {
		h.Dir = filepath.Join(h.node.Dir(), "origin")
	}
	if h.Dir, err = filepath.Abs(h.Dir); err != nil {
		return fmt.Errorf("stratos_origin: dir: %w", err)
	}
	if err := h.check(); err != nil {
		return err
	}
	if h.keys, err = apikey.Open(h.Keys); err != nil {
		return fmt.Errorf("stratos_origin: %w", err)
	}
	all, err := ctx.App("stratos_origins")
	if err != nil {
		return fmt.Errorf("stratos_origin: %w", err)
	}
	if h.hold, err = acquire(h); err != nil {
		return err
	}
	register(ctx.GetMetricsRegistry(), h.hold, h.Dir)
	return all.(*Origins).add(h)
}

// check tells everything that is wrong, each mistake in a sentence of its own.
func (h *Handler) check() error {
	var errs []error
	if h.Keys == "" {
		errs = append(errs, errors.New("stratos_origin: keys is missing: name the file of API keys, which `stratos key create` writes"))
	}
	if h.Replicas < 0 || h.Replicas > meta.MaxReplicas {
		errs = append(errs, fmt.Errorf("stratos_origin: replicas is %d: want 1 to %d, or leave it out for the network's default", h.Replicas, meta.MaxReplicas))
	}
	if h.Expire < 0 || h.Expire > 0 && time.Duration(h.Expire) < time.Minute {
		errs = append(errs, fmt.Errorf("stratos_origin: expire is %s: uploads need at least a minute", time.Duration(h.Expire)))
	}
	if h.Workers != nil && (*h.Workers < 0 || *h.Workers > 1024) {
		errs = append(errs, fmt.Errorf("stratos_origin: workers is %d: want 0 to 1024", *h.Workers))
	}
	if h.MaxHeight != 0 && (h.MaxHeight < 144 || h.MaxHeight > 4320) {
		errs = append(errs, fmt.Errorf("stratos_origin: max_height is %d: want 144 to 4320", h.MaxHeight))
	}
	for _, field := range []struct {
		name  string
		value int64
	}{
		{"max_upload", h.MaxUpload},
		{"uploads", int64(h.Uploads)},
		{"rate", int64(h.Rate)},
		{"namespace_quota", h.NamespaceQuota},
		{"parts", h.Parts},
		{"memory", h.Memory},
		{"video_disk", h.VideoDisk},
	} {
		if field.value < 0 {
			errs = append(errs, fmt.Errorf("stratos_origin: %s is %d, but a limit cannot be negative", field.name, field.value))
		}
	}
	if h.Memory > 0 && h.Memory < 4<<20 {
		errs = append(errs, fmt.Errorf("stratos_origin: memory is %d bytes: at least 4MiB are needed to keep slices moving", h.Memory))
	}
	return errors.Join(errs...)
}

// ServeHTTP answers the origin's paths and leaves others to the next handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if serveUploadPage(w, r) {
		return nil
	}
	if !ours(r.URL.Path) {
		return next.ServeHTTP(w, r)
	}
	o := h.hold.wait(r.Context())
	if o == nil {
		return caddyhttp.Error(http.StatusServiceUnavailable, errors.New("stratos_origin: the origin is not open yet"))
	}
	o.ServeHTTP(w, r)
	return nil
}

// Cleanup lets go of the origin, which ends when no configuration holds it.
func (h *Handler) Cleanup() error {
	if h.hold == nil {
		return nil
	}
	return h.hold.release()
}

func parse(helper httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h := new(Handler)
	return h, h.UnmarshalCaddyfile(helper.Dispenser)
}

var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyfile.Unmarshaler       = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
