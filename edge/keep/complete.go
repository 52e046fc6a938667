package keep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/edge/state"
	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/slicehttp"
)

// atOnce is how many slices of a unit are looked at at the same time.
const atOnce = 8

// complete reads, fetches and pins every block of a unit, but for banned objects
// that are not here, which nobody hands out; those are noted. It returns how many
// bytes the unit has and how many of them are still missing.
func (k *Keeper) complete(ctx context.Context, u *state.Unit, bytesPerSecond int64) (total, missing int64, err error) {
	limit := rate.NewLimiter(rate.Inf, 0)
	if bytesPerSecond > 0 {
		limit = rate.NewLimiter(rate.Limit(bytesPerSecond), int(max(bytesPerSecond, 4*sds.MaxBlockSize)))
	}
	c := &completion{
		without: make(map[sds.CID]bool), keeper: k, limit: limit, leased: k.leasedHere(),
		want: peers.Want{Unit: u.Unit, Holders: u.Sources, Class: sds.Pinned},
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	var gone atomic.Int64
	walkErr := k.blocks(groupCtx, u, c, func(cid sds.CID, size int64) error {
		total += size
		if cid.Codec != sds.Raw {
			return nil // a node was pinned when it was read to be walked
		}
		group.Go(func() error {
			if err := c.pin(groupCtx, cid); err != nil && !errors.Is(err, sds.ErrSkip) {
				gone.Add(size)
				if groupCtx.Err() != nil || errors.Is(err, sds.ErrFull) {
					return err
				}
				c.failed.CompareAndSwap(nil, &err)
			}
			return nil
		})
		return groupCtx.Err()
	})
	err = errors.Join(walkErr, group.Wait())
	if first := c.failed.Load(); err == nil && first != nil {
		err = *first
	}
	if err == nil && c.without[u.Record.Root] {
		err = k.config.Banned(u.Record.Root) // nothing is left to be complete
	}
	if u.Without = slices.Collect(maps.Keys(c.without)); err == nil && len(u.Without) > maxWithout {
		u.Without, err = nil, fmt.Errorf("more than %d objects of it are banned", maxWithout)
	}
	if err != nil {
		return total, gone.Load(), fmt.Errorf("complete unit %x of %s: %w", u.Unit[:6], u.Record.Name, err)
	}
	return total, 0, nil
}

// blocks walks every block of a unit: all of a root, or, where a bundle has
// several units, its directories, and the objects of the one shard.
func (k *Keeper) blocks(ctx context.Context, u *state.Unit, g sds.Getter, each func(sds.CID, int64) error) error {
	record := u.Record
	if m := record.Manifest; m.Defined() {
		// Beside the root, not below it; not fatal, for it can be derived.
		if block, err := g.Get(ctx, m); err == nil && each(m, int64(len(block))) == nil {
			if err := manifestRest(ctx, g, m, each); err != nil && ctx.Err() != nil {
				return err
			}
		}
	}
	if len(record.Units) <= 1 {
		return sds.Walk(ctx, g, record.Root, each)
	}
	shard := sds.Shard{Index: u.Shard, Count: len(record.Units), Bytes: k.config.ShardSize, Size: sizes(ctx, g, &record)}
	return sds.WalkShard(ctx, g, record.Root, shard, each)
}

// manifestRest walks what hangs below a manifest of more than one slice.
func manifestRest(ctx context.Context, g sds.Getter, manifest sds.CID, each func(sds.CID, int64) error) error {
	if manifest.Codec == sds.Raw {
		return nil
	}
	return sds.Walk(ctx, g, manifest, each)
}

// completion is one run over a unit. As a Getter it pins the nodes it reads.
type completion struct {
	keeper *Keeper
	limit  *rate.Limiter
	want   peers.Want
	// leased blocks came under a grant, so they are pinned and were checked.
	leased map[sds.CID]bool
	failed atomic.Pointer[error]

	mu      sync.Mutex // guards without
	without map[sds.CID]bool
}

// Get reads a block from here or another edge, and pins it.
func (c *completion) Get(ctx context.Context, cid sds.CID) ([]byte, error) {
	store := c.keeper.config.Store
	c.keeper.sweep.spare(cid)
	block, err := store.Get(ctx, cid)
	switch {
	case err == nil && c.leased[cid]:
		return block, nil
	case err != nil && ctx.Err() != nil:
		return nil, err
	case err != nil:
		if why := c.keeper.config.Banned(cid); why != nil {
			c.mu.Lock()
			c.without[cid] = true
			c.mu.Unlock()
			return nil, fmt.Errorf("%w: %w", sds.ErrSkip, why)
		}
		if err := c.limit.WaitN(ctx, sds.SliceSize); err != nil {
			return nil, err
		}
		if block, err = c.fetch(ctx, cid); err != nil {
			return nil, err
		}
	}
	// Pinned and durable from here on; what was cached becomes pinned.
	_, err = sds.Receive(ctx, store, cid, bytes.NewReader(block), sds.Pinned)
	return block, err
}

// fetch asks other edges, and waits where they say that it is too much at once.
func (c *completion) fetch(ctx context.Context, cid sds.CID) ([]byte, error) {
	for {
		block, err := c.keeper.config.Fill.Fetch(ctx, cid, c.want)
		var told *slicehttp.StatusError
		if err == nil || !errors.As(err, &told) || told.Status != http.StatusTooManyRequests {
			return block, err
		}
		timer := time.NewTimer(max(told.RetryAfter, time.Second)/2 + rand.N(time.Second))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

// pin makes sure of a slice. One that came under a grant moments ago was
// checked and synced then.
func (c *completion) pin(ctx context.Context, cid sds.CID) error {
	if c.leased[cid] {
		if has, err := c.keeper.config.Store.Has(ctx, cid); err == nil && has {
			return nil
		}
	}
	_, err := c.Get(ctx, cid)
	return err
}

// leasedHere lists the blocks under open uploads.
func (k *Keeper) leasedHere() map[sds.CID]bool {
	leased := make(map[sds.CID]bool)
	err := k.config.State.EachLeased(func(_ [16]byte, cid sds.CID) error {
		leased[cid] = true
		return nil
	})
	if err != nil {
		return nil // then everything is read
	}
	return leased
}
