package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stratos-mesh/stratos/meta/journal"
	"github.com/stratos-mesh/stratos/meta/viewstore"
)

// Records applied in one batch.
const followBatch = 256

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
		if err == nil {
			err = n.compact(ctx)
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
		if height, err = n.restore(ctx, height); err != nil {
			return err
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
