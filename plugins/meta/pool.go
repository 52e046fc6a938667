package caddymeta

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/stratos-mesh/stratos/meta/metahttp"
	"github.com/stratos-mesh/stratos/meta/node"
)

// pool holds the running meta nodes by their folder, over changes of
// configuration. It is the one piece of state that must outlive a Caddy
// configuration.
var pool = caddy.NewUsagePool()

// running is a meta node and the handler for its newest configuration.
type running struct {
	*node.Node
	options string

	mu        sync.Mutex // guards what follows
	operators []string
	handler   http.Handler
}

// Destruct ends the meta node, after the last configuration let go of it.
func (r *running) Destruct() error { return r.Close() }

// use makes a configuration the newest. The handler remembers the nonces of
// signatures, so it stays the same one as long as the operators do.
func (r *running) use(h *Handler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.handler != nil && slices.Equal(r.operators, h.Operators) {
		return
	}
	r.operators = slices.Clone(h.Operators)
	r.handler = metahttp.NewHandler(metahttp.HandlerConfig{
		Meta: r.Node, WhoIs: r.WhoIs, Operators: h.operators, ChainID: h.ChainID, Logger: h.log,
	})
}

// calls answers calls as the newest configuration has it.
func (r *running) calls() http.Handler {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.handler
}

// hold is a configuration's hold on a running meta node.
type hold struct {
	dir string

	mu      sync.Mutex // guards held
	held    bool
	running atomic.Pointer[running]
	opened  chan struct{}
	once    sync.Once
}

// acquire takes hold at once of a meta node that is running already: requests
// may come before a configuration has started.
func acquire(h *Handler) (*hold, error) {
	dir, err := filepath.Abs(h.dir())
	if err != nil {
		return nil, fmt.Errorf("stratos_meta: dir: %w", err)
	}
	p := &hold{dir: dir, opened: make(chan struct{})}
	if _, there := pool.References(p.dir); there {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p, p.load(h)
	}
	return p, nil
}

// load opens the meta node or joins it; mu is held.
func (p *hold) load(h *Handler) error {
	value, _, err := pool.LoadOrNew(p.dir, func() (caddy.Destructor, error) { return open(h, p.dir) })
	if err != nil {
		return fmt.Errorf("stratos_meta in %s: %w", p.dir, err)
	}
	p.held = true
	p.running.Store(value.(*running))
	p.once.Do(func() { close(p.opened) })
	return nil
}

// start opens the meta node if it is not running.
func (p *hold) start(h *Handler) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.held {
		if err := p.load(h); err != nil {
			return err
		}
	}
	r := p.running.Load()
	r.use(h)
	if h.options() != r.options {
		h.log.Warn("new options of a meta node take effect after a restart", "dir", p.dir)
	}
	return nil
}

// release lets go; the last one ends the meta node.
func (p *hold) release() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.held {
		return nil
	}
	p.held = false
	_, err := pool.Delete(p.dir)
	return err
}

// patience is how long a call waits for a meta node that is just opening.
const patience = 10 * time.Second

// wait returns the meta node after it was opened, nil if that takes too long.
func (p *hold) wait(ctx context.Context) *running {
	if r := p.running.Load(); r != nil {
		return r
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.opened:
	case <-ctx.Done():
	case <-timer.C:
	}
	return p.running.Load()
}

// options are all that a meta node keeps until it is opened again.
func (h *Handler) options() string {
	return fmt.Sprintf("%q %d %q %q %q %d %d %d %q %q %t", h.ChainID, h.Authority, strings.Join(h.Operators, " "), h.OperatorName, h.Redis, h.Replicas,
		h.Grace, h.Epoch, h.Routers, h.Metas, h.host.Development())
}

func open(h *Handler, dir string) (*running, error) {
	n, err := node.Open(node.Config{
		Dir: dir, ChainID: h.ChainID, Key: h.host.Key(), Authority: h.Authority, Operators: h.operators, OperatorName: h.OperatorName, RedisURL: h.Redis,
		Replicas: h.Replicas, Routers: h.Routers, Metas: h.Metas, Development: h.host.Development(),
		Grace: time.Duration(h.Grace), EpochLength: time.Duration(h.Epoch), Logger: h.log,
	})
	if err != nil {
		return nil, err
	}
	r := &running{Node: n, options: h.options()}
	r.use(h)
	return r, nil
}
