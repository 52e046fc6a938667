package node

import (
	"context"
	"encoding/hex"
	"iter"
	"slices"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/index"
	"github.com/stratos-mesh/stratos/meta/inventory"
	"github.com/stratos-mesh/stratos/meta/journal"
	"github.com/stratos-mesh/stratos/meta/repair"
	"github.com/stratos-mesh/stratos/sds"
)

// wanted is every version of a unit that some name or pin keeps: what repair
// looks through. A version that several keep is there once. It is guarded by the
// node's lock.
type wanted struct {
	byKeeper map[string][]inventory.Version
	items    map[inventory.Version]*keptItem
}

type keptItem struct {
	item    *repair.Item
	keepers int
}

func newWanted() *wanted {
	return &wanted{byKeeper: make(map[string][]inventory.Version), items: make(map[inventory.Version]*keptItem)}
}

// set says what one keeper keeps from now on.
func (w *wanted) set(keeper string, items []*repair.Item) {
	before := w.byKeeper[keeper]
	delete(w.byKeeper, keeper)
	for _, item := range items {
		v := item.Version()
		w.byKeeper[keeper] = append(w.byKeeper[keeper], v)
		kept := w.items[v]
		if kept == nil {
			kept = &keptItem{item: item}
			w.items[v] = kept
		} else if kept.keepers > 0 && kept.item.Record.Replicas > item.Record.Replicas {
			item.Record.Replicas = kept.item.Record.Replicas
			kept.item = item
		} else {
			kept.item = item
		}
		kept.keepers++
	}
	for _, v := range before {
		kept := w.items[v]
		kept.keepers--
		if kept.keepers == 0 {
			delete(w.items, v)
		}
	}
}

// all is a copy to walk through without the lock; items are never changed once
// they are there.
func (w *wanted) all() iter.Seq[*repair.Item] {
	items := make([]*repair.Item, 0, len(w.items))
	for _, kept := range w.items {
		items = append(items, kept.item)
	}
	return slices.Values(items)
}

func nameKeeper(name meta.Name) string { return "n/" + string(name) }

func pinKeeper(root sds.CID, payer [32]byte) string {
	return "p/" + hex.EncodeToString(root.Digest[:]) + hex.EncodeToString(payer[:])
}

func (n *Node) itemsOf(name *index.Name, replicas int) []*repair.Item {
	rec := n.record(name)
	if replicas > 0 {
		rec.Replicas = replicas
	}
	return repair.Items(rec, name.Durable)
}

// loadWanted reads all that is kept.
func (n *Node) loadWanted(ctx context.Context) (*wanted, error) {
	w := newWanted()
	err := n.index.Names(ctx, func(name *index.Name) error {
		w.set(nameKeeper(name.Name), n.itemsOf(name, 0))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return w, n.index.Pins(ctx, func(p index.Pin) error {
		last, err := n.index.Last(ctx, p.Root)
		if err == nil && last != nil {
			w.set(pinKeeper(p.Root, p.Payer), n.itemsOf(last, p.Replicas))
		}
		return err
	})
}

// observeKeeper follows what an entry changed about what is kept.
func (n *Node) observeKeeper(ctx context.Context, entry journal.Entry) error {
	var names []meta.Name
	switch e := entry.(type) {
	case *journal.Moved:
		names = []meta.Name{e.Publication.Name}
	case *journal.Renamed:
		names = []meta.Name{e.Rename.From, e.Rename.To}
	case *journal.Removed:
		names = []meta.Name{e.Removal.Name}
	case *journal.Pinned:
		last, err := n.index.Last(ctx, e.Root)
		if err != nil || last == nil {
			return err
		}
		n.keep(pinKeeper(e.Root, e.Payer), n.itemsOf(last, int(e.Replicas)))
	case *journal.Unpinned:
		n.keep(pinKeeper(e.Root, e.Payer), nil)
	}
	for _, id := range names {
		name, live, err := n.index.Name(ctx, id)
		if err != nil {
			return err
		}
		var items []*repair.Item
		if live {
			items = n.itemsOf(name, 0)
		}
		n.keep(nameKeeper(id), items)
	}
	return nil
}

func (n *Node) keep(keeper string, items []*repair.Item) {
	n.mu.Lock()
	n.wanted.set(keeper, items)
	n.mu.Unlock()
	select {
	case n.repairSoon <- struct{}{}:
	default:
	}
}
