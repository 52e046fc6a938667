package node

import (
	"context"
	"crypto/ed25519"
	"slices"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/issue"
)

// directory is the network as others know it, in versions. It is guarded by the
// node's lock.
type directory struct {
	version uint64
	changed chan struct{}
	// loadDirty says that nothing but loads changed since the version.
	loadDirty bool
	loads     time.Time // of the last version that had new loads
	closed    bool
}

// newDirectory begins above all versions that an earlier run gave out.
func newDirectory(now time.Time) directory {
	return directory{version: uint64(now.UnixMilli()), changed: make(chan struct{})}
}

func (d *directory) close() {
	if !d.closed {
		d.closed = true
		close(d.changed)
	}
}

// bump makes a new version; the lock is held.
func (n *Node) bump() {
	if n.network.closed {
		return
	}
	n.network.version++
	n.network.loadDirty = false
	n.roster.Store(newRoster(n.fleet, n.cfg.OperatorName))
	close(n.network.changed)
	n.network.changed = make(chan struct{})
}

// maxWait bounds a long poll.
const maxWait = time.Minute

// Network returns the network as soon as it is another version than since.
func (n *Node) Network(ctx context.Context, since uint64, wait time.Duration) (*meta.Network, error) {
	timer := time.NewTimer(min(max(wait, 0), maxWait))
	defer timer.Stop()
	for {
		n.mu.Lock()
		version, changed, closed := n.network.version, n.network.changed, n.network.closed
		if version != since || closed {
			defer n.mu.Unlock()
			return n.snapshot(), nil
		}
		n.mu.Unlock()
		select {
		case <-changed:
		case <-timer.C:
			n.mu.Lock()
			defer n.mu.Unlock()
			return n.snapshot(), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// snapshot copies the network; the lock is held.
func (n *Node) snapshot() *meta.Network {
	out := &meta.Network{
		Version:     n.network.version,
		ChainID:     n.cfg.ChainID,
		Epoch:       issue.EpochAt(n.cfg.Now(), n.cfg.EpochLength),
		Edges:       n.fleet.edges(),
		Authorities: map[uint16]ed25519.PublicKey{n.cfg.Authority: n.cfg.Key.Public().(ed25519.PublicKey)},
		Routers:     slices.Clone(n.cfg.Routers),
		Metas:       slices.Clone(n.cfg.Metas),
		View:        n.viewCID,
		ViewEpoch:   n.view.Epoch,
		Development: n.cfg.Development,
	}
	if n.cfg.OperatorName != "" {
		out.AuthorityOperators = map[uint16]string{n.cfg.Authority: n.cfg.OperatorName}
	}
	for _, node := range n.nodes {
		switch node.Kind {
		case meta.OriginNode:
			out.Origins = append(out.Origins, node.Key)
		case meta.RouterNode:
			if url := firstOf(node.Edge.TLSURL, node.Edge.URL); url != "" && !slices.Contains(out.Routers, url) {
				out.Routers = append(out.Routers, url)
			}
		}
	}
	slices.SortFunc(out.Origins, func(a, b ed25519.PublicKey) int { return slices.Compare(a, b) })
	slices.Sort(out.Routers)
	return out
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// WhoIs tells what a key was admitted as; an edge also has a number.
func (n *Node) WhoIs(key ed25519.PublicKey) (meta.NodeKind, meta.EdgeID, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	node, known := n.nodes[string(key)]
	if !known {
		return 0, 0, false
	}
	return node.Kind, node.ID, true
}
