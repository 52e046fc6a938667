package edge

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/edge/state"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

const (
	tidyEvery  = time.Minute
	sweepEvery = time.Hour
)

// tidy forgets sessions and leases that are over, and sweeps now and then.
func (n *node) tidy(ctx context.Context) {
	ticker := time.NewTicker(tidyEvery)
	defer ticker.Stop()
	swept := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			n.sessions.Sweep(now)
			gone, err := n.leases.Expired()
			if err != nil {
				n.log.Error("leases of uploads could not be tidied", "error", err)
			}
			if gone == 0 && now.Sub(swept) < sweepEvery {
				continue
			}
			swept = now
			blocks, err := n.keeper.Sweep(ctx)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				n.log.Warn("the sweep stopped; nothing is lost, it is tried again", "error", err)
			case blocks > 0:
				n.log.Info("swept blocks that nothing needs", "blocks", blocks)
			}
		}
	}
}

// corrupt is called by the store for each block whose bytes had changed. The
// store has put it aside; a cached one is fetched again when somebody asks.
func (n *node) corrupt(cid sds.CID, class sds.Class) {
	n.log.Warn("a block was corrupt and put aside", "cid", cid.String(), "pinned", class == sds.Pinned)
	if n.fill != nil {
		n.fill.Memory().Forget(cid)
	}
	if class != sds.Pinned {
		return
	}
	select {
	case n.healing <- cid:
	default: // the next check of its unit finds it
	}
}

// revoked is called when revocations are newly in force, among them perhaps one
// that takes a ban back.
func (n *node) revoked() {
	n.catalog.Revoke()
	select {
	case n.unbanned <- struct{}{}:
	default:
	}
}

// heal puts pinned blocks back that were corrupt, and those that were banned
// once.
func (n *node) heal(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.unbanned:
			n.restore(ctx)
		case cid := <-n.healing:
			block, _, err := n.fill.Get(ctx, cid, peers.Want{Class: sds.Pinned})
			if err == nil {
				// A viewer may have been faster, whose fill lies in memory or as
				// cached: the copy must be pinned again.
				_, err = sds.Receive(ctx, n.disk, cid, bytes.NewReader(block), sds.Pinned)
			}
			if err == nil {
				n.log.Info("a corrupt block was replaced", "cid", cid.String())
				continue
			}
			// It is not known whose the block is.
			n.replicate(ctx, n.keeper.Units())
		}
	}
}

// restore completes units that were so without something that is banned no
// longer. Others may hear of that later and refuse it until then; for longer
// than this the meta node cares, who is told that they are partial.
func (n *node) restore(ctx context.Context) {
	units := n.keeper.Lacking()
	for wait := time.Second; wait <= 32*time.Second; wait *= 2 {
		if units = n.replicate(ctx, units); len(units) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// replicate looks through units, fetches what is missing of them, and returns
// those of which something still is.
func (n *node) replicate(ctx context.Context, units []state.Unit) (partial []state.Unit) {
	for _, u := range units {
		if ctx.Err() != nil {
			return partial
		}
		w := meta.Work{Unit: u.Unit, Shard: u.Shard, Record: u.Record, Sources: u.Sources}
		if err := n.keeper.Replicate(ctx, w); err != nil && !errors.Is(err, context.Canceled) {
			n.log.Warn("a unit is not complete", "name", u.Record.Name, "error", err)
			partial = append(partial, u)
		}
	}
	return partial
}

// scrub reads every block again within the store's period.
func (n *node) scrub(ctx context.Context) {
	if err := n.disk.Scrub(ctx); err != nil && ctx.Err() == nil {
		n.log.Error("scrubbing stopped", "error", err)
	}
}
