package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/stratos-mesh/stratos/meta/viewstore"
)

// removedKept is how long a removed name answers 410 instead of 404. It is
// forgotten with the first compaction after that.
const removedKept = 400 * 24 * time.Hour

// compactRatio is how many times larger than its snapshot the journal's records
// grow before they are compacted again: each byte is written once more at most.
const compactRatio = 2

// compact replaces the journal's records by the index that followed from them,
// when they have become many. Only follow calls it, which alone applies records,
// so the index stays where it is meanwhile.
func (n *Node) compact(ctx context.Context) error {
	segments, snapshot := n.journal.Sizes()
	height, whole, _ := n.applied.get()
	if !whole || height <= n.journal.Base() || segments < max(n.cfg.CompactBytes, compactRatio*snapshot) {
		return nil
	}
	began := n.cfg.Now()
	dropped, err := n.index.DropRemoved(ctx, began.Add(-removedKept))
	if err == nil {
		err = n.journal.Compact(ctx, height, func(w io.Writer) error { return n.index.Dump(ctx, height, w) })
	}
	if errors.Is(err, viewstore.ErrWiped) {
		n.lost() // and compacted when it was built anew
		return nil
	}
	if err != nil {
		return fmt.Errorf("meta node: %w", err)
	}
	after, snapshot := n.journal.Sizes()
	n.cfg.Logger.Info("journal compacted", "height", height, "bytes_before", segments, "bytes_after", after+snapshot,
		"removed_names_forgotten", dropped, "took", n.cfg.Now().Sub(began))
	return nil
}

// restore brings an index that is below the journal's snapshot to it.
func (n *Node) restore(ctx context.Context, height uint64) (uint64, error) {
	base := n.journal.Base()
	if height >= base {
		return height, nil
	}
	if height > 0 {
		n.cfg.Logger.Error("the index is older than the journal's snapshot; it is built anew", "index", height, "snapshot", base)
		if err := n.store.Wipe(ctx); err != nil {
			return 0, err
		}
		if _, err := n.index.Begin(ctx); err != nil {
			return 0, err
		}
	} else {
		n.cfg.Logger.Warn("the view store has no index; it is built anew from the journal's snapshot", "height", base)
	}
	if err := n.journal.Snapshot(func(r io.Reader) error { return n.index.Restore(ctx, r) }); err != nil {
		return 0, err
	}
	return base, nil
}
