package edge

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/stratos-mesh/stratos/edge/peers"
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

// heal puts pinned blocks back that were corrupt.
func (n *node) heal(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
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
			n.recheck(ctx)
		}
	}
}

// recheck looks through all units, where it is not known whose a block is.
func (n *node) recheck(ctx context.Context) {
	for _, u := range n.keeper.Units() {
		if ctx.Err() != nil {
			return
		}
		w := meta.Work{Unit: u.Unit, Shard: u.Shard, Record: u.Record, Sources: u.Sources}
		if err := n.keeper.Replicate(ctx, w); err != nil && !errors.Is(err, context.Canceled) {
			n.log.Warn("a unit is not complete", "name", u.Record.Name, "error", err)
		}
	}
}

// scrub reads every block again within the store's period.
func (n *node) scrub(ctx context.Context) {
	if err := n.disk.Scrub(ctx); err != nil && ctx.Err() == nil {
		n.log.Error("scrubbing stopped", "error", err)
	}
}
