package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/stratos-mesh/stratos/meta"
)

// Bounds of what an edge may send, and of what one reply carries.
const (
	maxChanges     = 10_000
	maxReported    = 1_000_000
	maxDone        = 10_000
	maxFilter      = 4 << 20
	maxVersion     = 100
	maxRevocations = 100
	maxWork        = 64
)

// Beat takes an edge's sign of life and hands out its work.
func (n *Node) Beat(ctx context.Context, edge meta.EdgeID, b meta.Beat) (meta.BeatReply, error) {
	if len(b.Changes) > maxChanges || len(b.Cached) > maxFilter || len(b.Done)+len(b.Failed) > maxDone || len(b.Version) > maxVersion {
		return meta.BeatReply{}, fmt.Errorf("beat of edge %d: %w: too long", edge, meta.ErrInvalid)
	}
	var revocations []meta.Revocation
	err := n.readable(ctx, func() (err error) {
		revocations, err = n.index.Revocations(ctx, b.Revocation, maxRevocations)
		return err
	})
	if err != nil {
		return meta.BeatReply{}, err
	}
	if !n.knownEdge(edge) {
		return meta.BeatReply{}, notAdmitted("beat", edge)
	}
	if err := errors.Join(n.inventory.Apply(ctx, edge, b.Changes), n.inventory.Cached(ctx, edge, b.Cached)); err != nil {
		return meta.BeatReply{}, fmt.Errorf("beat of edge %d: %w", edge, err)
	}
	now := n.cfg.Now()
	want := n.inventory.WantDigest(edge, b.Boot, now)
	n.mu.Lock()
	defer n.mu.Unlock()
	m := n.fleet.byID[edge]
	m.finish(&b, n.finished)
	if n.fleet.beat(m, &b) {
		n.bump()
	} else {
		n.network.loadDirty = true
	}
	return meta.BeatReply{
		Interval: n.fleet.interval, Revocations: revocations, WantDigest: want, Network: n.network.version,
		Work: append([]meta.Work(nil), m.work[:min(len(m.work), maxWork)]...),
	}, nil
}

// finished hears of work that is done, or has failed with a reason; the lock is
// held.
func (n *Node) finished(w meta.Work, failure string) {
	if w.Kind == meta.Dial {
		n.dialled(w, failure)
	}
}

func notAdmitted(what string, edge meta.EdgeID) error {
	return fmt.Errorf("%s of edge %d: %w: not admitted", what, edge, meta.ErrForbidden)
}

// Digest tells which buckets of an inventory differ from what is believed here.
func (n *Node) Digest(_ context.Context, edge meta.EdgeID, buckets [256]uint64) ([]uint8, error) {
	if !n.knownEdge(edge) {
		return nil, notAdmitted("digest", edge)
	}
	return n.inventory.Diff(edge, buckets, n.cfg.Now()), nil
}

// Report replaces what is believed of the given buckets.
func (n *Node) Report(ctx context.Context, edge meta.EdgeID, buckets []uint8, units []meta.Holding) error {
	if len(units) > maxReported || len(buckets) > 256 {
		return fmt.Errorf("report of edge %d: %w: too long", edge, meta.ErrInvalid)
	}
	if !n.knownEdge(edge) {
		return notAdmitted("report", edge)
	}
	if err := n.inventory.Report(ctx, edge, buckets, units); err != nil {
		return fmt.Errorf("report of edge %d: %w", edge, err)
	}
	return nil
}

// maxQueue bounds an edge's tasks. What finds no room is given later: whoever
// wants it done looks again.
const maxQueue = 10_000

// give puts a task into an edge's queue; the lock is held.
func (n *Node) give(edge meta.EdgeID, w meta.Work) {
	m, known := n.fleet.byID[edge]
	if !known || len(m.work) >= maxQueue {
		return
	}
	// Above all numbers of earlier runs, as long as they gave less than a million
	// in a millisecond.
	n.lastWork = max(n.lastWork+1, uint64(n.cfg.Now().UnixMilli())<<20)
	w.Number = n.lastWork
	m.work = append(m.work, w)
}

// giveOnce gives a task unless one like it waits already; the lock is held.
func (n *Node) giveOnce(edge meta.EdgeID, w meta.Work) {
	m, known := n.fleet.byID[edge]
	if !known {
		return
	}
	for _, other := range m.work {
		if other.Kind == w.Kind && other.Unit == w.Unit && other.Record.Root == w.Record.Root && other.Target == w.Target {
			return
		}
	}
	n.give(edge, w)
}
