package node

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/stratos-mesh/stratos/meta/viewstore"
)

// progress tells how far the index is, to those who wait for a height. While it
// is not whole, readers wait as well.
type progress struct {
	mu      sync.Mutex // guards what follows
	height  uint64
	whole   bool
	changed chan struct{}
	wiped   chan struct{} // a reader found the index wiped
}

func newProgress() progress {
	return progress{changed: make(chan struct{}), wiped: make(chan struct{}, 1)}
}

func (p *progress) set(height uint64, whole bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.height, p.whole = height, whole
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *progress) get() (height uint64, whole bool, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.height, p.whole, p.changed
}

// wait returns when the index is whole and at a height.
func (p *progress) wait(ctx context.Context, height uint64) error {
	for {
		at, whole, changed := p.get()
		if whole && at >= height {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("meta node is reading its journal: %w", ctx.Err())
		}
	}
}

// readable runs a question to the index once that is whole, and again when the
// index was wiped under it.
func (n *Node) readable(ctx context.Context, ask func() error) error {
	for range 3 {
		if err := n.applied.wait(ctx, 0); err != nil {
			return err
		}
		err := ask()
		if !errors.Is(err, viewstore.ErrWiped) {
			return err
		}
		n.lost()
	}
	return fmt.Errorf("meta node: the view store is wiped again and again: %w", viewstore.ErrUnavailable)
}

// lost makes readers wait until follow has rebuilt the index.
func (n *Node) lost() {
	n.applied.set(0, false)
	select {
	case n.applied.wiped <- struct{}{}:
	default:
	}
}
