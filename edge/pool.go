package edge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// pool holds the running edges by their folder, over changes of configuration.
// It is the one piece of state that must outlive a Caddy configuration.
var pool = caddy.NewUsagePool()

// pooled is a configuration's hold on a running edge. The edge is opened when
// the configuration starts and not when it is provisioned, so that checking a
// configuration beside a running edge does not fight over its files.
type pooled struct {
	dir  string
	node atomic.Pointer[node]
	held bool

	opened chan struct{}
	once   sync.Once
	leave  sync.Once
}

func acquire(a *App) (*pooled, error) {
	p := &pooled{dir: a.DataDir, opened: make(chan struct{})}
	if _, running := pool.References(p.dir); running {
		// A reload: requests may come before Start.
		return p, p.load(a)
	}
	return p, nil
}

func (p *pooled) load(a *App) error {
	value, _, err := pool.LoadOrNew(p.dir, func() (caddy.Destructor, error) { return open(a) })
	if err != nil {
		return fmt.Errorf("stratos: edge in %s: %w", p.dir, err)
	}
	n, ok := value.(*node)
	if !ok {
		return errors.New("stratos: the pool holds something else than an edge")
	}
	p.held = true
	p.node.Store(n)
	p.once.Do(func() { close(p.opened) })
	return nil
}

// start opens the edge if it is not running, and gives it this configuration.
func (p *pooled) start(a *App) error {
	if !p.held {
		if err := p.load(a); err != nil {
			return err
		}
	}
	p.node.Load().configure(a)
	return nil
}

// leaveTimeout bounds telling the meta node that this edge is going.
const leaveTimeout = 2 * time.Second

// drain refuses new sessions and tells the meta node that this edge is going.
func (p *pooled) drain() {
	n := p.node.Load()
	if n == nil {
		return
	}
	n.draining.Store(true)
	p.leave.Do(func() { // who comes second waits until it is told
		ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
		defer cancel()
		n.agent.Leave(ctx)
	})
}

// release lets go; the last one ends the edge.
func (p *pooled) release() error {
	if !p.held {
		return nil
	}
	p.held = false
	_, err := pool.Delete(p.dir)
	return err
}

// openPatience is how long a request waits for an edge that is just opening.
const openPatience = 10 * time.Second

// Node returns the edge, nil when it is not open yet.
func (p *pooled) Node() *node { return p.node.Load() }

// wait returns the edge, after it was opened.
func (p *pooled) wait(ctx context.Context) *node {
	timer := time.NewTimer(openPatience)
	defer timer.Stop()
	select {
	case <-p.opened:
	case <-ctx.Done():
	case <-timer.C:
	}
	return p.node.Load()
}
