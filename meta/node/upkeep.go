package node

import (
	"context"
	"errors"
	"time"

	"github.com/stratos-mesh/stratos/meta/repair"
)

// tick does what time brings: judges edges, publishes views, repairs, ends
// graces.
func (n *Node) tick(ctx context.Context) {
	every := time.Second
	if n.cfg.Development {
		every = 200 * time.Millisecond
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var last upkeep
	for {
		soon := false
		select {
		case <-ticker.C:
		case <-n.repairSoon:
			soon = true
		case <-ctx.Done():
			return
		}
		if err := n.upkeep(ctx, &last, soon); err != nil && ctx.Err() == nil {
			n.cfg.Logger.Error("meta node's upkeep failed; it is tried again", "error", err)
		}
	}
}

// upkeep remembers when things were last done, and how long a plan took.
type upkeep struct {
	repaired, swept time.Time
	planning        time.Duration
}

func (n *Node) upkeep(ctx context.Context, last *upkeep, soon bool) error {
	now := n.cfg.Now()
	n.judge()
	err := n.readable(ctx, func() error { return n.renewView(ctx) })
	// What was just published is looked at soon, but planning takes a twentieth
	// of the time at most.
	rest := n.fleet.interval
	if soon {
		rest = max(100*time.Millisecond, 20*last.planning)
	}
	if now.Sub(last.repaired) >= rest {
		last.repaired = now
		n.planRepair()
		last.planning = n.cfg.Now().Sub(now)
		err = errors.Join(err, n.numbers.Reserve(ctx))
	}
	sweepEvery := min(max(n.cfg.Grace/100, 200*time.Millisecond), time.Minute)
	if now.Sub(last.swept) >= sweepEvery {
		last.swept = now
		err = errors.Join(err, n.readable(ctx, func() error { return n.sweep(ctx) }))
	}
	return err
}

// judge finds out which edges fell silent. Loads alone make a new version at
// most once a second.
func (n *Node) judge() {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.cfg.Now()
	n.askToDial()
	if n.fleet.pass() || n.network.loadDirty && now.Sub(n.network.loads) >= time.Second {
		n.network.loads = now
		n.bump()
	}
}

// planRepair shows the scheduler what there is and what should be.
func (n *Node) planRepair() {
	n.mu.Lock()
	snapshot := repair.Snapshot{View: n.view, Items: n.wanted.all()}
	for id, m := range n.fleet.byID {
		snapshot.Edges = append(snapshot.Edges, repair.Edge{
			ID: id, State: m.edge.State, Region: m.edge.Region, Capacity: m.edge.Capacity, PinnedFree: m.edge.Load.PinnedFree,
		})
	}
	n.mu.Unlock()
	for i := range snapshot.Edges {
		snapshot.Edges[i].Synced = n.inventory.Synced(snapshot.Edges[i].ID)
	}
	snapshot.Copies = n.copies
	snapshot.Halt = n.fleet.tracker.Halt()
	snapshot.Heat = n.heat.Extra
	n.repair.Tick(snapshot)
}
