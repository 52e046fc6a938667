package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/index"
	"github.com/stratos-mesh/stratos/meta/inventory"
	"github.com/stratos-mesh/stratos/meta/journal"
)

// Entries that one sweep journals.
const maxSweep = 1000

// sweep ends pins that are over, forgets roots whose rest is over, and has edges
// drop what nothing keeps.
func (n *Node) sweep(ctx context.Context) error {
	now := n.cfg.Now()
	var entries []journal.Entry
	full := errors.New("enough for now")
	add := func(e journal.Entry) error {
		entries = append(entries, e)
		if len(entries) >= maxSweep {
			return full
		}
		return nil
	}
	err := n.index.Pins(ctx, func(p index.Pin) error {
		if now.Before(p.Until) {
			return nil
		}
		return add(&journal.Unpinned{Root: p.Root, Payer: p.Payer})
	})
	if err == nil {
		err = n.index.Resting(ctx, func(g index.Resting) error {
			if now.Sub(g.Since) < n.cfg.Grace {
				return nil
			}
			return add(&journal.Forgotten{Root: g.Root})
		})
	}
	if err != nil && !errors.Is(err, full) {
		return fmt.Errorf("sweep: %w", err)
	}
	if len(entries) > 0 {
		if _, err := n.append(ctx, entries...); err != nil {
			return err
		}
	}
	return n.dropForgotten(ctx)
}

// dropForgotten looks through what edges hold for roots that nothing keeps, and
// asks them to drop these.
func (n *Node) dropForgotten(ctx context.Context) error {
	for version, copies := range n.inventory.All() {
		n.mu.Lock()
		_, kept := n.wanted.items[version]
		n.mu.Unlock()
		// Without a root it is an upload that is not published yet.
		if kept || !version.Root.Defined() {
			continue
		}
		forgotten, err := n.forgotten(ctx, version)
		if err != nil {
			return err
		}
		if !forgotten {
			continue
		}
		n.mu.Lock()
		for _, c := range copies {
			n.giveOnce(c.Edge, meta.Work{Kind: meta.Drop, Unit: version.Unit, Record: meta.Record{Root: version.Root}})
		}
		n.mu.Unlock()
	}
	return nil
}

// forgotten tells of a version that no name or pin keeps whether its rest is
// over.
func (n *Node) forgotten(ctx context.Context, v inventory.Version) (bool, error) {
	state, err := n.index.Root(ctx, v.Root.Digest)
	if err != nil || state != index.Kept {
		return state == index.Unknown, err
	}
	// The root is kept, in another unit.
	since, abandoned, err := n.index.Abandoned(ctx, v.Root, v.Unit)
	return abandoned && n.cfg.Now().Sub(since) >= n.cfg.Grace, err
}

// Pin keeps a root beside the names that point to it.
func (n *Node) Pin(ctx context.Context, p index.Pin) error {
	if !p.Root.Defined() || p.Replicas < 0 || p.Replicas > meta.MaxReplicas || !p.Until.After(n.cfg.Now()) {
		return fmt.Errorf("pin: %w: a root, up to %d replicas, and an end that is to come", meta.ErrInvalid, meta.MaxReplicas)
	}
	return n.readable(ctx, func() error {
		return n.change(ctx, &journal.Pinned{Root: p.Root, Payer: p.Payer, Replicas: uint8(p.Replicas), Until: p.Until.UTC()})
	})
}

// Unpin ends a pin before its time. One that is not there is no error.
func (n *Node) Unpin(ctx context.Context, p index.Pin) error {
	return n.readable(ctx, func() error {
		return n.change(ctx, &journal.Unpinned{Root: p.Root, Payer: p.Payer})
	})
}
