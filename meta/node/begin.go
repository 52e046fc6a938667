package node

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/index"
	"github.com/stratos-mesh/stratos/meta/journal"
	"github.com/stratos-mesh/stratos/meta/place"
)

// lease is how long a grant is good; a renewal begins it anew.
const lease = 24 * time.Hour

// Begin opens or renews an upload.
func (n *Node) Begin(ctx context.Context, u meta.Upload) (meta.Grant, error) {
	name, err := meta.ParseName(string(u.Name))
	switch {
	case err != nil:
		return meta.Grant{}, err
	case name != u.Name:
		return meta.Grant{}, fmt.Errorf("begin %s: %w: the name is not in form NFC", u.Name, meta.ErrInvalid)
	case u.Kind != meta.Object && u.Kind != meta.Bundle:
		return meta.Grant{}, fmt.Errorf("begin %s: %w: kind %d", u.Name, meta.ErrInvalid, u.Kind)
	case u.MaxBytes <= 0:
		return meta.Grant{}, fmt.Errorf("begin %s: %w: the bytes must be said", u.Name, meta.ErrInvalid)
	case u.Replicas < 0 || u.Replicas > meta.MaxReplicas:
		return meta.Grant{}, fmt.Errorf("begin %s: %w: %d replicas, at most %d", u.Name, meta.ErrInvalid, u.Replicas, meta.MaxReplicas)
	case len(u.Dead) > maxChanges:
		return meta.Grant{}, fmt.Errorf("begin %s: %w: too many dead edges", u.Name, meta.ErrInvalid)
	}
	var unit meta.UnitKey
	var before *index.Name
	err = n.readable(ctx, func() error {
		var live bool
		before, live, err = n.index.Name(ctx, u.Name)
		if err != nil {
			return err
		}
		if !live {
			if err := n.index.Free(ctx, u.Name); err != nil {
				return err
			}
		}
		// The grant names one unit; further shards of a large bundle are spread
		// after publishing.
		moved, err := n.draw(ctx, u.Name, u.Kind, 0, before)
		if err != nil {
			return err
		}
		unit = moved.Units()[0]
		return nil
	})
	if err != nil {
		return meta.Grant{}, fmt.Errorf("begin %s: %w", u.Name, err)
	}
	edges, err := n.edgesFor(unit, before, n.replicas(u.Replicas), u.Dead)
	if errors.Is(err, meta.ErrNoEdges) || len(edges) < n.replicas(u.Replicas) {
		// Edges may have come to life since the view was last looked at.
		if err := n.readable(ctx, func() error { return n.renewView(ctx) }); err != nil {
			return meta.Grant{}, fmt.Errorf("begin %s: %w", u.Name, err)
		}
		edges, err = n.edgesFor(unit, before, n.replicas(u.Replicas), u.Dead)
	}
	if err != nil {
		return meta.Grant{}, fmt.Errorf("begin %s: %w", u.Name, err)
	}
	g := meta.Grant{
		Authority: n.cfg.Authority, Upload: u.ID, Unit: unit, Edges: edges, MaxBytes: u.MaxBytes,
		Until: n.cfg.Now().Add(lease).UTC(),
	}
	g.Sign(n.cfg.Key, n.cfg.ChainID)
	return g, nil
}

// edgesFor are live edges for a unit: those that have it, then those that its
// placement adds.
func (n *Node) edgesFor(unit meta.UnitKey, before *index.Name, wanted int, dead []meta.EdgeID) ([]meta.EdgeID, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	live := n.fleet.inState(meta.Live)
	for _, id := range dead {
		delete(live, id)
	}
	view := n.view.Keep(func(id meta.EdgeID) bool { return live[id] })
	var have []meta.EdgeID
	if before != nil {
		have = slices.DeleteFunc(n.inventory.Holders(unit, before.Root), func(id meta.EdgeID) bool { return !live[id] })
		have = place.Rank(unit, have...)
		have = have[:min(len(have), wanted)]
	}
	edges := append(have, place.Extend(unit, view, have, wanted).Edges...)
	if need := min(wanted, 2); len(edges) < need {
		return nil, fmt.Errorf("%w: %d can be written to, want %d (%d replicas wanted, %d edges admitted, %d of them alive, %d said to be dead)",
			meta.ErrNoEdges, len(edges), need, wanted, len(n.fleet.byID), len(n.fleet.inState(meta.Live)), len(dead))
	}
	return edges, nil
}

// draw finds the units of a name: those that it has, those that its neighbours
// share, or new ones. New random bytes come from the authority's key and the
// name, so an upload that goes on after a crash still has the unit that its
// grant names, and nobody without the key can try names until his edges come out.
func (n *Node) draw(ctx context.Context, name meta.Name, kind meta.Kind, size int64, before *index.Name) (*journal.Moved, error) {
	e := &journal.Moved{Drawn: name, Shared: kind == meta.Object}
	keeps := before != nil && before.Kind == kind && len(before.Random) > 0
	if keeps {
		e.Drawn, e.Shared = before.Drawn, before.Shared
	}
	shards := 1
	if !e.Shared {
		shards = max(1, int((size+meta.ShardSize-1)/meta.ShardSize))
	}
	for shard := range shards {
		if keeps && shard < len(before.Random) {
			e.Random = append(e.Random, before.Random[shard])
			continue
		}
		what := fmt.Sprintf("name %s", e.Drawn)
		if e.Shared {
			shared, err := n.index.Shared(ctx, name)
			if err != nil {
				return nil, err
			}
			if shared != nil {
				e.Random = append(e.Random, [16]byte(shared))
				continue
			}
			what = fmt.Sprintf("bucket %d of %s", index.Bucket(name), name.Namespace())
		} else if before != nil && len(before.Random) == 0 {
			// It was renamed, and its units went with it.
			what = fmt.Sprintf("name %s after %d", e.Drawn, before.Height)
		}
		random, err := hkdf.Key(sha256.New, n.cfg.Key.Seed(), nil,
			fmt.Sprintf("stratos/unit/v1 %s %s shard %d", n.cfg.ChainID, what, shard), 16)
		if err != nil {
			return nil, fmt.Errorf("draw a unit: %w", err)
		}
		e.Random = append(e.Random, [16]byte(random))
	}
	return e, nil
}
