package pipeline

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

// networkAge is how old what we know of the edges may be when a new look is
// taken; an unknown edge makes one at once.
const networkAge = 5 * time.Second

// network remembers where the edges are.
type network struct {
	meta Meta
	now  func() time.Time

	mu      sync.Mutex // guards following
	last    *meta.Network
	fetched time.Time
}

// current returns the network, at most networkAge old unless the meta node
// cannot be reached: then what was known last is better than nothing.
func (n *network) current(ctx context.Context, fresh bool) (*meta.Network, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	age := n.now().Sub(n.fetched)
	if n.last != nil && (age < networkAge && !fresh || age < networkAge/10) {
		return n.last, nil
	}
	got, err := n.meta.Network(ctx, 0, 0)
	if err != nil {
		if n.last != nil && ctx.Err() == nil {
			return n.last, nil
		}
		return nil, fmt.Errorf("look at the network: %w", err)
	}
	n.last, n.fetched = got, n.now()
	return got, nil
}

// url returns the base URL of an edge. Plain HTTP is preferred where an edge
// offers it: blocks carry their own proof, and requests are signed.
func (n *network) url(ctx context.Context, id meta.EdgeID) (string, error) {
	for _, fresh := range []bool{false, true} {
		net, err := n.current(ctx, fresh)
		if err != nil {
			return "", err
		}
		for i := range net.Edges {
			e := &net.Edges[i]
			if e.ID != id {
				continue
			}
			if e.URL != "" {
				return e.URL, nil
			}
			return e.TLSURL, nil
		}
	}
	return "", fmt.Errorf("edge %d: %w", id, meta.ErrNotFound)
}

// Network is what is known of the network, a few seconds old at most.
func (w *Writer) Network(ctx context.Context) (*meta.Network, error) {
	return w.network.current(ctx, false)
}
