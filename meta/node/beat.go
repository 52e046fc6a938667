package node

import (
	"context"
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
	n.mu.Lock()
	defer n.mu.Unlock()
	m, known := n.fleet.byID[edge]
	if !known {
		return meta.BeatReply{}, fmt.Errorf("beat of edge %d: %w: not admitted", edge, meta.ErrForbidden)
	}
	if n.fleet.beat(m, &b, n.cfg.Now()) {
		n.bump()
	} else {
		n.network.loadDirty = true
	}
	reply := meta.BeatReply{
		Interval: n.fleet.interval, Revocations: revocations, WantDigest: m.wantDigest, Network: n.network.version,
		Work: append([]meta.Work(nil), m.work[:min(len(m.work), maxWork)]...),
	}
	return reply, nil
}

// Digest tells which buckets of an inventory differ from what is believed here.
func (n *Node) Digest(_ context.Context, edge meta.EdgeID, _ [256]uint64) ([]uint8, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	m, known := n.fleet.byID[edge]
	if !known {
		return nil, fmt.Errorf("digest of edge %d: %w: not admitted", edge, meta.ErrForbidden)
	}
	m.wantDigest = false
	all := make([]uint8, 256)
	for i := range all {
		all[i] = uint8(i)
	}
	return all, nil
}

// Report replaces what is believed of the given buckets.
func (n *Node) Report(_ context.Context, edge meta.EdgeID, buckets []uint8, units []meta.Holding) error {
	if len(units) > maxReported || len(buckets) > 256 {
		return fmt.Errorf("report of edge %d: %w: too long", edge, meta.ErrInvalid)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	m, known := n.fleet.byID[edge]
	if !known {
		return fmt.Errorf("report of edge %d: %w: not admitted", edge, meta.ErrForbidden)
	}
	reported := [256]bool{}
	for _, bucket := range buckets {
		reported[bucket] = true
	}
	for key := range m.holdings {
		if reported[key.unit[0]] {
			delete(m.holdings, key)
		}
	}
	for _, h := range units {
		m.hold(h)
	}
	return nil
}

// give puts a task into an edge's queue; the lock is held.
func (n *Node) give(edge meta.EdgeID, w meta.Work) {
	m, known := n.fleet.byID[edge]
	if !known {
		return
	}
	n.lastWork = max(n.lastWork+1, uint64(n.cfg.Now().UnixMilli())<<20)
	w.Number = n.lastWork
	m.work = append(m.work, w)
}
