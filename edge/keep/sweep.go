package keep

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/bits-and-blooms/bloom/v3"

	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/edge/state"
	"github.com/stratos-mesh/stratos/sds"
)

// sweep is a mark and sweep under way. Marks are a Bloom filter of one in a
// million, so ten million slices take 35 MB; a false mark keeps a block that
// could go until the next sweep, never the other way round.
type sweep struct {
	once sync.Mutex // one sweep at a time

	mu     sync.Mutex // guards following, and each single deletion
	marked *bloom.BloomFilter
}

const falseMarks = 1e-6

// Spare keeps a block from a sweep under way; called before it is stored.
func (k *Keeper) Spare(cid sds.CID) { k.sweep.spare(cid) }

func (s *sweep) spare(cid sds.CID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.marked != nil {
		s.marked.Add(cid.Digest[:])
	}
}

// begin marks everything that must stay: what arrives from now on, blocks of
// open uploads, and what hangs below the roots held here.
func (k *Keeper) mark(ctx context.Context) error {
	blocks := uint(1 << 16)
	if usage, ok := k.config.Store.(sds.Usage); ok {
		pinned, _ := usage.Usage()
		blocks += 2 * uint(max(pinned.Blocks, 0))
	}
	k.sweep.mu.Lock()
	k.sweep.marked = bloom.NewWithEstimates(blocks, falseMarks)
	k.sweep.mu.Unlock()

	err := k.config.State.EachLeased(func(_ [16]byte, cid sds.CID) error {
		k.sweep.spare(cid)
		return ctx.Err()
	})
	if err != nil {
		return fmt.Errorf("mark uploads: %w", err)
	}
	for _, u := range k.Units() {
		k.sweep.spare(u.Record.Manifest)
		heal := k.config.Fill.Getter(peers.Want{Unit: u.Unit, Holders: u.Sources, Class: sds.Pinned})
		err := k.blocks(ctx, &u, lawful{k, heal}, func(cid sds.CID, _ int64) error {
			k.sweep.spare(cid)
			return nil
		})
		// What is missing is fetched. What cannot be walked cannot be told from
		// what nobody needs, so then nothing goes.
		if err != nil {
			return fmt.Errorf("mark unit %x of %s: %w", u.Unit[:6], u.Record.Name, err)
		}
	}
	return nil
}

func (k *Keeper) endSweep() {
	k.sweep.mu.Lock()
	k.sweep.marked = nil
	k.sweep.mu.Unlock()
	k.sweep.once.Unlock()
}

// delete removes a block unless it is marked; no block can be spared between
// the look and the deletion.
func (k *Keeper) delete(ctx context.Context, cid sds.CID) (bool, error) {
	k.sweep.mu.Lock()
	defer k.sweep.mu.Unlock()
	if k.sweep.marked.Test(cid.Digest[:]) {
		return false, nil
	}
	err := k.config.Store.Delete(ctx, cid)
	k.config.Forget(cid)
	return true, err
}

// sweepUnit deletes the blocks of a unit that was forgotten, but for those that
// something else needs.
func (k *Keeper) sweepUnit(ctx context.Context, u *state.Unit) (int, error) {
	k.sweep.once.Lock()
	defer k.endSweep()
	if err := k.mark(ctx); err != nil {
		return 0, err
	}
	var all []sds.CID
	if u.Record.Manifest.Defined() {
		all = append(all, u.Record.Manifest)
	}
	// Nodes before what hangs below them: deleted from the end, an interrupted
	// sweep leaves a tree that can be walked again.
	walkErr := k.blocks(ctx, u, lawful{k, k.config.Store}, func(cid sds.CID, _ int64) error {
		all = append(all, cid)
		return nil
	})
	gone := 0
	for i := len(all) - 1; i >= 0; i-- {
		deleted, err := k.delete(ctx, all[i])
		if err != nil {
			return gone, err
		}
		if deleted {
			gone++
		}
	}
	if walkErr != nil {
		// Some of it was never here. The full sweep finds what the walk could not.
		k.config.Logger.Debug("sweep of an incomplete unit", "unit", u.Record.Name, "error", walkErr)
	}
	return gone, nil
}

// sweptAfter is how old a block must be before the full sweep looks at it.
const sweptAfter = 24 * time.Hour

// Sweep deletes every pinned block that nothing needs: what uploads left behind
// that were never published. It returns how many went.
func (k *Keeper) Sweep(ctx context.Context) (int, error) {
	lister, ok := k.config.Store.(sds.Lister)
	if !ok {
		return 0, nil
	}
	k.sweep.once.Lock()
	defer k.endSweep()
	if err := k.mark(ctx); err != nil {
		return 0, err
	}
	old := k.config.Now().Add(-sweptAfter)
	gone := 0
	err := lister.List(ctx, func(info sds.Info) error {
		if info.Class != sds.Pinned || info.Stored.After(old) {
			return nil
		}
		deleted, err := k.delete(ctx, info.CID)
		if deleted && err == nil {
			gone++
		}
		return err
	})
	return gone, err
}
