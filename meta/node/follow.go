package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/index"
	"github.com/stratos-mesh/stratos/meta/journal"
	"github.com/stratos-mesh/stratos/meta/place"
	"github.com/stratos-mesh/stratos/meta/viewstore"
	"github.com/stratos-mesh/stratos/sds"
)

// Records applied in one batch.
const followBatch = 256

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

// follow applies the journal as it grows, and rebuilds an index that was wiped.
func (n *Node) follow(ctx context.Context) {
	for ctx.Err() == nil {
		at, whole, _ := n.applied.get()
		var err error
		if whole {
			err = n.await(ctx, at)
		}
		if err == nil {
			err = n.catchUp(ctx)
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		if errors.Is(err, viewstore.ErrWiped) && whole {
			continue
		}
		n.cfg.Logger.Error("meta node cannot apply its journal; trying again", "error", err)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// await returns when the journal has grown or the index is lost.
func (n *Node) await(ctx context.Context, at uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	grown := make(chan error, 1)
	go func() {
		_, err := n.journal.Wait(ctx, at)
		grown <- err
	}()
	select {
	case err := <-grown:
		return err
	case <-n.applied.wiped:
		cancel()
		<-grown
		return nil
	}
}

// catchUp brings the index to the journal's height.
func (n *Node) catchUp(ctx context.Context) error {
	at, whole, _ := n.applied.get()
	if !whole {
		height, err := n.index.Begin(ctx)
		if err != nil {
			return err
		}
		if newest := n.journal.Height(); height > newest {
			n.cfg.Logger.Error("the index knows more than the journal, as after a backup was restored; it is built anew",
				"index", height, "journal", newest)
			if err := n.store.Wipe(ctx); err != nil {
				return err
			}
			return n.catchUp(ctx)
		}
		if newest := n.journal.Height(); height == 0 && newest > 0 {
			n.cfg.Logger.Warn("the view store has no index; it is built anew from the journal", "records", newest)
		}
		at = height
	}
	var batch []*journal.Record
	apply := func() error {
		if len(batch) == 0 {
			return nil
		}
		height, err := n.index.Apply(ctx, batch, n.refused)
		if errors.Is(err, viewstore.ErrWiped) {
			n.lost()
		}
		if err != nil {
			return err
		}
		if whole {
			if err := n.observe(ctx, batch); err != nil {
				return err
			}
			n.applied.set(height, true)
		}
		batch, at = nil, height
		return nil
	}
	err := n.journal.Read(ctx, at, func(rec *journal.Record) error {
		batch = append(batch, rec)
		if len(batch) < followBatch {
			return nil
		}
		return apply()
	})
	if err = errors.Join(err, apply()); err != nil || whole {
		return err
	}
	if err := n.load(ctx); err != nil {
		return err
	}
	n.applied.set(at, true)
	return nil
}

func (n *Node) refused(rec *journal.Record, err error) {
	n.cfg.Logger.Warn("journal record passed over", "height", rec.Height, "entry", fmt.Sprintf("%T", rec.Entry), "error", err)
}

// append signs entries, journals them, and waits until the index has them.
func (n *Node) append(ctx context.Context, entries ...journal.Entry) (uint64, error) {
	records := make([]*journal.Record, len(entries))
	for i, entry := range entries {
		records[i] = &journal.Record{Authority: n.cfg.Authority, Time: n.cfg.Now().UTC(), Entry: entry}
		records[i].Sign(n.cfg.Key, n.cfg.ChainID)
	}
	height, err := n.journal.Append(ctx, records...)
	if err != nil {
		return 0, fmt.Errorf("meta node: %w", err)
	}
	return height, n.applied.wait(ctx, height)
}

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
