package caddyorigin

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/stratos-mesh/stratos/origin"
)

// pool holds the running origins by their folder, over changes of
// configuration. It is the one piece of state that must outlive a Caddy
// configuration.
var pool = caddy.NewUsagePool()

// running is an origin with the newest configuration that it asks through.
type running struct {
	*origin.Origin
	newest atomic.Pointer[Handler]
	memory int64
}

// Destruct ends the origin, after the last configuration let go of it.
func (r *running) Destruct() error { return r.Close() }

// hold is a configuration's hold on a running origin.
type hold struct {
	dir string

	mu      sync.Mutex // guards held
	held    bool
	running atomic.Pointer[running]
	opened  chan struct{}
	once    sync.Once
}

// acquire takes hold at once of an origin that is running already: requests may
// come before a configuration has started.
func acquire(h *Handler) (*hold, error) {
	p := &hold{dir: h.Dir, opened: make(chan struct{})}
	if _, there := pool.References(p.dir); there {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p, p.load(h)
	}
	return p, nil
}

// load opens the origin or joins it; mu is held.
func (p *hold) load(h *Handler) error {
	value, _, err := pool.LoadOrNew(p.dir, func() (caddy.Destructor, error) { return open(h) })
	if err != nil {
		return fmt.Errorf("stratos_origin in %s: %w", p.dir, err)
	}
	p.held = true
	p.running.Store(value.(*running))
	p.once.Do(func() { close(p.opened) })
	return nil
}

// start opens the origin if it is not running, and gives it the configuration.
func (p *hold) start(h *Handler) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.held {
		if err := p.load(h); err != nil {
			return err
		}
	}
	r := p.running.Load()
	r.newest.Store(h)
	if h.Memory != r.memory {
		h.log.Warn("a new size of memory takes effect after a restart", "dir", h.Dir)
	}
	return r.Reconfigure(h.config())
}

// release lets go; the last one ends the origin.
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

// patience is how long a request waits for an origin that is just opening.
const patience = 10 * time.Second

// wait returns the origin, after it was opened.
func (p *hold) wait(ctx context.Context) *origin.Origin {
	select {
	case <-p.opened:
		return p.running.Load().Origin
	default:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.opened:
		return p.running.Load().Origin
	case <-ctx.Done():
	case <-timer.C:
	}
	return nil
}

// config is what this handler says of an origin.
func (h *Handler) config() origin.Config {
	return origin.Config{
		Dir: h.Dir, Replicas: h.Replicas, MaxUpload: h.MaxUpload, Memory: h.Memory, PartsLimit: h.Parts,
		NamespaceLimit: h.NamespaceQuota, MaxUploads: h.Uploads, RequestsPerMinute: h.Rate, Expire: time.Duration(h.Expire),
		Video: h.video(),
	}
}

// open makes an origin that asks the newest configuration for whatever a reload
// may change.
func open(h *Handler) (*running, error) {
	r := &running{memory: h.Memory}
	r.newest.Store(h)
	config := h.config()
	config.Meta, config.Keys = current{r}, current{r}
	config.HTTP, config.Sign = r.client(), r.sign
	config.Logger = h.log
	var err error
	r.Origin, err = origin.New(config)
	return r, err
}
