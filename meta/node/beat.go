package node

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/inventory"
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
	if len(b.Changes) > maxChanges || len(b.Cached) > maxFilter || len(b.Done)+len(b.Failed) > maxDone || len(b.Version) > maxVersion ||
		len(b.Dials) > meta.MaxDialReports {
		return meta.BeatReply{}, fmt.Errorf("beat of edge %d: %w: too long", edge, meta.ErrInvalid)
	}
	for i := range b.Dials {
		if err := b.Dials[i].Validate(); err != nil {
			return meta.BeatReply{}, fmt.Errorf("beat of edge %d: %w", edge, err)
		}
	}
	if !n.knownEdge(edge) {
		return meta.BeatReply{}, notAdmitted("beat", edge)
	}
	revocations, err := n.revocationsAfter(ctx, b.Revocation)
	if err != nil {
		return meta.BeatReply{}, err
	}
	// What is believed is in memory first; a view store that fails is behind, and
	// no reason to take an edge for dead.
	believed := errors.Join(n.inventory.Apply(ctx, edge, b.Changes), n.inventory.Cached(ctx, edge, b.Cached))
	if believed != nil && !errors.Is(believed, meta.ErrInvalid) {
		n.cfg.Logger.Warn("view store is behind what an edge reports", "edge", edge, "error", believed)
		believed = nil
	}
	n.countRecovered(edge, b.Done)
	n.repair.Finished(edge, b.Done, b.Failed)
	work := n.repair.Work(edge, maxWork)
	now := n.cfg.Now()
	want := n.inventory.WantDigest(edge, b.Boot, now)
	n.mu.Lock()
	defer n.mu.Unlock()
	m := n.fleet.byID[edge]
	for _, w := range m.finish(&b) {
		if w.Kind == meta.Dial {
			n.dialDone(edge, w, reportOf(&b, w))
		}
	}
	if n.fleet.beat(m, &b) {
		n.bump()
	} else {
		n.network.loadDirty = true
	}
	if believed != nil {
		return meta.BeatReply{}, fmt.Errorf("beat of edge %d: %w", edge, believed)
	}
	return meta.BeatReply{
		Interval: n.fleet.interval, Revocations: revocations, WantDigest: want, Network: n.network.version,
		Work: append(work, m.work[:min(len(m.work), maxWork)]...),
	}, nil
}

// revocationsAfter reads from the index only when there is something to read, so
// that beats do not wait for it.
func (n *Node) revocationsAfter(ctx context.Context, number uint64) (out []meta.Revocation, err error) {
	n.mu.Lock()
	newest := n.newestRevocation
	n.mu.Unlock()
	if number >= newest {
		return nil, nil
	}
	err = n.readable(ctx, func() error {
		out, err = n.index.Revocations(ctx, number, maxRevocations)
		return err
	})
	return out, err
}

// countRecovered counts replicas that repair brought to an edge.
func (n *Node) countRecovered(edge meta.EdgeID, done []uint64) {
	if len(done) == 0 {
		return
	}
	for _, w := range n.repair.Work(edge, maxDone) {
		if w.Kind == meta.Replicate && slices.Contains(done, w.Number) {
			n.mu.Lock()
			n.recovered++
			n.mu.Unlock()
		}
	}
}

func (n *Node) copies(v inventory.Version) []inventory.Copy {
	return n.inventory.Copies(v.Unit, v.Root)
}

// reportOf finds what a beat says of a dial that was asked for.
func reportOf(b *meta.Beat, w meta.Work) *meta.DialReport {
	for i := range b.Dials {
		if r := &b.Dials[i]; r.Number == w.Number && r.Target == w.Target {
			return r
		}
	}
	return nil
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
	w.Number = n.numbers.Next()
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
