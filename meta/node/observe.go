package node

import (
	"context"
	"maps"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/index"
	"github.com/stratos-mesh/stratos/meta/journal"
	"github.com/stratos-mesh/stratos/meta/place"
	"github.com/stratos-mesh/stratos/sds"
)

// load reads from a whole index what the node keeps in memory.
func (n *Node) load(ctx context.Context) error {
	nodes, err := n.index.Nodes(ctx)
	if err != nil {
		return err
	}
	banned := make(bans)
	if err := n.index.Bans(ctx, func(digest [32]byte, b index.Ban) { banned[digest] = b }); err != nil {
		return err
	}
	view, cid, err := n.loadView(ctx)
	if err != nil {
		return err
	}
	kept, err := n.loadWanted(ctx)
	if err != nil {
		return err
	}
	s, err := n.index.State(ctx)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.banned.Store(&banned)
	n.newestRevocation, n.wanted = s.Revocation, kept
	n.meet(nodes, view, cid)
	return nil
}

// observeNode follows one admission.
func (n *Node) observeNode(ctx context.Context, e *journal.Admitted) error {
	node, err := n.index.Node(ctx, e.Key)
	if err != nil || node == nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if m, known := n.fleet.byID[node.ID]; known && node.Kind == meta.EdgeNode {
		delete(n.nodes, string(m.edge.Key)) // it may have had another key
	}
	n.nodes[string(node.Key)] = node
	n.fleet.admit([]*journal.Admitted{node}, n.view)
	n.bump()
	return nil
}

func (n *Node) observeView(ctx context.Context) error {
	view, cid, err := n.loadView(ctx)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.view, n.viewCID = view, cid
	n.bump()
	return nil
}

// meet takes over nodes and view; the lock is held.
func (n *Node) meet(nodes []*journal.Admitted, view *place.View, cid sds.CID) {
	n.view, n.viewCID = view, cid
	n.nodes = make(map[string]*journal.Admitted)
	for _, node := range nodes {
		n.nodes[string(node.Key)] = node
	}
	n.fleet.admit(nodes, view)
	n.bump()
}

// observe follows in memory what records changed in the index.
func (n *Node) observe(ctx context.Context, records []*journal.Record) error {
	for _, rec := range records {
		var err error
		switch e := rec.Entry.(type) {
		case *journal.Admitted:
			err = n.observeNode(ctx, e)
		case *journal.View:
			err = n.observeView(ctx)
		case *journal.Revoked:
			err = n.observeRevocation(ctx, &e.Revocation)
		default:
			err = n.observeKeeper(ctx, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) observeRevocation(ctx context.Context, v *meta.Revocation) error {
	changed := maps.Clone(*n.banned.Load())
	for _, cid := range append(v.Objects[:len(v.Objects):len(v.Objects)], v.Root) {
		ban, found, err := n.index.Ban(ctx, cid)
		if err != nil {
			return err
		}
		if found {
			changed[cid.Digest] = ban
		} else {
			delete(changed, cid.Digest)
		}
	}
	n.banned.Store(&changed)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.newestRevocation = max(n.newestRevocation, v.Number)
	return nil
}
