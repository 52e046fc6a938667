package inventory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

// Apply believes the changes that came with a beat. An error that is
// meta.ErrInvalid names the first change that was refused, the others are in;
// any other is the view store's.
func (v *Inventory) Apply(ctx context.Context, id meta.EdgeID, changes []meta.Holding) error {
	if len(changes) == 0 {
		return nil
	}
	v.persist.Lock()
	defer v.persist.Unlock()
	v.mu.Lock()
	e := v.of(id)
	var refused error
	accepted := make([]meta.Holding, 0, len(changes))
	for _, h := range changes {
		if err := v.put(id, e, h); err != nil {
			refused = cmp.Or(refused, err)
			continue
		}
		accepted = append(accepted, h)
	}
	v.mu.Unlock()
	return errors.Join(refused, v.save(ctx, id, accepted))
}

// Cached believes an edge's Bloom filter over cached units; nil keeps the last
// one.
func (v *Inventory) Cached(ctx context.Context, id meta.EdgeID, encoded []byte) error {
	if encoded == nil {
		return nil
	}
	filter, err := decodeFilter(encoded)
	if err != nil {
		return fmt.Errorf("edge %d: %w", id, err)
	}
	v.persist.Lock()
	defer v.persist.Unlock()
	v.mu.Lock()
	v.of(id).filter = filter
	v.mu.Unlock()
	return v.saveFilter(ctx, id, encoded)
}

// WantDigest tells whether an edge should be asked for a digest: it booted
// anew, was never compared by this process, or not for a while.
func (v *Inventory) WantDigest(id meta.EdgeID, boot [8]byte, now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	e := v.of(id)
	if e.boot != boot {
		e.boot, e.digested, e.pending = boot, time.Time{}, nil
	}
	return e.digested.IsZero() || len(e.pending) > 0 || now.Sub(e.digested) >= v.config.DigestEvery
}

// Diff returns the buckets in which an edge's digest differs from what is
// believed; nil when it is all the same.
func (v *Inventory) Diff(id meta.EdgeID, theirs Digest, now time.Time) []uint8 {
	v.mu.Lock()
	defer v.mu.Unlock()
	e := v.of(id)
	e.digested, e.pending = now, nil
	var out []uint8
	for bucket, sum := range theirs {
		if sum != e.digest[bucket] {
			out = append(out, uint8(bucket))
			if e.pending == nil {
				e.pending = make(map[uint8]bool)
			}
			e.pending[uint8(bucket)] = true
		}
	}
	e.compared = e.compared || out == nil
	return out
}

// Report replaces what is believed of some buckets by what the edge says. A
// report with a holding outside the buckets it names is refused whole.
func (v *Inventory) Report(ctx context.Context, id meta.EdgeID, buckets []uint8, units []meta.Holding) error {
	var named [256]bool
	for _, bucket := range buckets {
		named[bucket] = true
	}
	reported := make(map[Version]bool, len(units))
	for _, h := range units {
		if !named[Bucket(h.Unit)] {
			return fmt.Errorf("%w: edge %d reports a unit of bucket %d, which it does not name", meta.ErrInvalid, id, Bucket(h.Unit))
		}
		if h.State != meta.Gone {
			reported[Version{h.Unit, h.Root}] = true
		}
	}
	v.persist.Lock()
	defer v.persist.Unlock()
	v.mu.Lock()
	e := v.of(id)
	var changes []meta.Holding
	for version, h := range e.holdings {
		if named[Bucket(h.Unit)] && !reported[version] {
			h.State = meta.Gone
			changes = append(changes, h)
			v.put(id, e, h) // forgetting is never refused
		}
	}
	var refused error
	for _, h := range units {
		if err := v.put(id, e, h); err != nil {
			refused = cmp.Or(refused, err)
		} else if h.State != meta.Gone {
			changes = append(changes, h)
		}
	}
	for _, bucket := range buckets {
		if delete(e.pending, bucket); e.pending != nil && len(e.pending) == 0 {
			e.compared = true
		}
	}
	v.mu.Unlock()
	return errors.Join(refused, v.save(ctx, id, changes))
}

// Forget drops all that is believed of an edge.
func (v *Inventory) Forget(ctx context.Context, id meta.EdgeID) error {
	v.persist.Lock()
	defer v.persist.Unlock()
	v.mu.Lock()
	e := v.of(id)
	var changes []meta.Holding
	for _, h := range e.holdings {
		h.State = meta.Gone
		changes = append(changes, h)
	}
	for _, h := range changes {
		v.put(id, e, h)
	}
	delete(v.edges, id)
	v.mu.Unlock()
	return errors.Join(v.save(ctx, id, changes), v.saveFilter(ctx, id, nil))
}
