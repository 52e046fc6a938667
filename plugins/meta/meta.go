// Package caddymeta is the Caddy module around a meta node,
// http.handlers.stratos_meta:
//
//	stratos_meta {
//		chain_id  ID        # the network's name
//		authority N         # this meta node's index, from 1
//		operator  KEYID...  # keys that admit, drain and revoke; may stand there often
//		operator_name NAME  # who runs it: no ticket names an edge of his; none
//		redis     URL       # of the views; without it they are in the node's folder
//		replicas  N         # of what does not say how many; 3
//		grace     DURATION  # that content without a name rests; 168h
//		epoch     DURATION  # length of an epoch; 10m, in development 30s
//		routers   URL...    # handed to nodes beside the admitted ones
//		metas     URL...    # handed to nodes
//	}
//
// Key and folder come from the app `stratos`; the node's data is in the folder
// meta there. The meta node outlives a change of the configuration, so a reload
// loses no call. Who the operators are follows the newest configuration at once;
// other options are those that it was opened with.
package caddymeta

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/metapb/metapbconnect"
	"github.com/stratos-mesh/stratos/meta/place"
	"github.com/stratos-mesh/stratos/meta/viewstore"
	"github.com/stratos-mesh/stratos/receipt"
)

func init() {
	caddy.RegisterModule(new(Handler))
	caddy.RegisterModule(new(Metas))
	httpcaddyfile.RegisterHandlerDirective("stratos_meta", parse)
	httpcaddyfile.RegisterDirectiveOrder("stratos_meta", httpcaddyfile.Before, "respond")
}

// host is what the app `stratos` tells of this node.
type host interface {
	Dir() string
	Key() ed25519.PrivateKey
	Development() bool
}

// Handler answers the calls to a meta node, /healthz and /readyz, and leaves all
// other paths to the next handler.
type Handler struct {
	// ChainID names the network; nothing signed for another one is good here.
	ChainID string `json:"chain_id,omitempty"`
	// Authority is this meta node's index, from 1.
	Authority uint16 `json:"authority,omitempty"`
	// Operators are key ids, as `stratos operator` prints them: they admit, drain
	// and revoke.
	Operators []string `json:"operators,omitempty"`
	// OperatorName is who runs this meta node, in the words that edges of the same
	// operator name him: no ticket sends viewers to them. Default: none, for
	// private networks whose edges are all his own.
	OperatorName string `json:"operator_name,omitempty"`
	// Redis is the URL of the views' store. Default: embedded, in the node's
	// folder.
	Redis string `json:"redis,omitempty"`
	// Replicas of what does not say how many. Default: 3.
	Replicas int `json:"replicas,omitempty"`
	// Grace that content without a name rests before it is dropped. Default: 7
	// days.
	Grace caddy.Duration `json:"grace,omitempty"`
	// Epoch is the length of an epoch. Default: 10 min, in development 30 s.
	Epoch caddy.Duration `json:"epoch,omitempty"`
	// Routers and Metas are base URLs handed to nodes beside those admitted.
	Routers []string `json:"routers,omitempty"`
	Metas   []string `json:"metas,omitempty"`

	host      host
	operators []ed25519.PublicKey
	log       *slog.Logger
	hold      *hold
	shutdown  shutdown
}

// CaddyModule returns the module's name.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.stratos_meta", New: func() caddy.Module { return new(Handler) }}
}

// Provision finds the node. The meta node is opened when the configuration
// starts, so that checking a configuration beside a running one does not fight
// over its folder.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.log = ctx.Slogger()
	replacer := caddy.NewReplacer()
	for _, text := range []*string{&h.ChainID, &h.Redis, &h.OperatorName} {
		*text = replacer.ReplaceAll(*text, "")
	}
	for _, list := range [][]string{h.Operators, h.Routers, h.Metas} {
		for i := range list {
			list[i] = replacer.ReplaceAll(list[i], "")
		}
	}
	if err := h.check(); err != nil {
		return err
	}
	app, err := ctx.App("stratos")
	if err != nil {
		return fmt.Errorf("stratos_meta: %w", err)
	}
	var ok bool
	if h.host, ok = app.(host); !ok {
		return fmt.Errorf("stratos_meta: the app stratos is a %T, which does not tell about its node", app)
	}
	all, err := ctx.App("stratos_metas")
	if err != nil {
		return fmt.Errorf("stratos_meta: %w", err)
	}
	if h.hold, err = acquire(h); err != nil {
		return err
	}
	if err := register(ctx.GetMetricsRegistry(), h.hold); err != nil {
		return fmt.Errorf("stratos_meta: metrics: %w", err)
	}
	all.(*Metas).add(h)
	return nil
}

// check tells everything that is wrong, each mistake in a sentence of its own.
func (h *Handler) check() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("stratos_meta: "+format, args...)) }
	switch {
	case h.ChainID == "":
		wrong("chain_id is missing: name the network, for example chain_id stratos-private-1")
	case !receipt.ValidChainID(h.ChainID):
		wrong("chain_id %q cannot name a network: want 1 to 50 letters, digits, -, _ and full stops", h.ChainID)
	}
	if h.Authority == 0 {
		wrong("authority is missing: it is this meta node's index, and the first one is 1")
	}
	if len(h.Operators) == 0 {
		wrong("operator is missing: without an operator's key nobody can admit nodes")
	}
	h.operators = nil
	for _, id := range h.Operators {
		key, err := nodeauth.ParseKeyID(id)
		if err != nil {
			wrong("operator: %w", err)
		}
		h.operators = append(h.operators, key)
	}
	if len(h.OperatorName) > place.MaxText {
		wrong("operator_name has %d bytes: want %d at most, as edges' operators have", len(h.OperatorName), place.MaxText)
	}
	if h.Replicas < 0 || h.Replicas > meta.MaxReplicas {
		wrong("replicas is %d: want 1 to %d", h.Replicas, meta.MaxReplicas)
	}
	if h.Grace < 0 {
		wrong("grace is %s, but time does not run backwards", time.Duration(h.Grace))
	}
	if h.Epoch < 0 || h.Epoch > 0 && h.Epoch < caddy.Duration(time.Second) {
		wrong("epoch is %s: want a second at least", time.Duration(h.Epoch))
	}
	if h.Redis != "" {
		// It reads the URL and does not connect.
		if store, err := viewstore.OpenRedis(h.Redis); err != nil {
			wrong("redis: %w", err)
		} else if err := store.Close(); err != nil {
			wrong("redis: %w", err)
		}
	}
	for _, list := range [][]string{h.Routers, h.Metas} {
		for _, text := range list {
			if u, err := url.Parse(text); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
				wrong("%q is not a URL such as https://node.example", text)
			}
		}
	}
	return errors.Join(errs...)
}

// dir is where the meta node keeps its data.
func (h *Handler) dir() string { return filepath.Join(h.host.Dir(), "meta") }

// ServeHTTP answers a meta node's paths.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	switch {
	case r.URL.Path == "/healthz":
		return healthz(w)
	case r.URL.Path == "/readyz":
		return readyz(w, r, h.hold)
	case !isCall(r.URL.Path):
		return next.ServeHTTP(w, r)
	}
	running := h.hold.wait(r.Context())
	if running == nil {
		return caddyhttp.Error(http.StatusServiceUnavailable, errors.New("stratos_meta: the meta node is not open yet"))
	}
	if r.URL.Path == metapbconnect.DirectoryNetworkProcedure {
		var done func()
		r, done = h.shutdown.ends(r)
		defer done()
	}
	running.calls().ServeHTTP(w, r)
	return nil
}

// Cleanup lets go of the meta node, which ends when no configuration holds it.
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
