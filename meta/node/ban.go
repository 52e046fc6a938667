package node

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/journal"
	"github.com/stratos-mesh/stratos/sds"
)

// Revoke stops a root or objects everywhere.
func (n *Node) Revoke(ctx context.Context, r meta.RevokeRequest) (meta.Revocation, error) {
	switch {
	case !r.Root.Defined():
		return meta.Revocation{}, fmt.Errorf("revoke: %w: no root", meta.ErrInvalid)
	case len(r.Objects) > meta.MaxRevokedObjects:
		return meta.Revocation{}, fmt.Errorf("revoke: %w: %d objects, at most %d at once", meta.ErrInvalid, len(r.Objects), meta.MaxRevokedObjects)
	case !r.Ban && len(r.Objects) > 0:
		return meta.Revocation{}, fmt.Errorf("revoke: %w: objects belong to a ban", meta.ErrInvalid)
	case len(r.Reason) > meta.MaxReason:
		return meta.Revocation{}, fmt.Errorf("revoke: %w: a reason of %d bytes, at most %d", meta.ErrInvalid, len(r.Reason), meta.MaxReason)
	}
	n.revoking.Lock()
	defer n.revoking.Unlock()
	var v *meta.Revocation
	err := n.readable(ctx, func() (err error) {
		if v, err = n.revocation(ctx, meta.ByNetwork, r.Root, r.Objects, r.Reason); err != nil {
			return err
		}
		return n.change(ctx, &journal.Revoked{Revocation: *v})
	})
	if err != nil {
		return meta.Revocation{}, fmt.Errorf("revoke: %w", err)
	}
	return *v, nil
}

// revocation makes the next one; revoking is held.
func (n *Node) revocation(ctx context.Context, kind meta.RevocationKind, root sds.CID, objects []sds.CID, reason string) (*meta.Revocation, error) {
	s, err := n.index.State(ctx)
	if err != nil {
		return nil, err
	}
	v := &meta.Revocation{Kind: kind, Root: root, Objects: append([]sds.CID(nil), objects...), Reason: reason}
	n.sign(v, s.Revocation+1)
	return v, nil
}

func (n *Node) sign(v *meta.Revocation, number uint64) {
	v.Number, v.Authority, v.Time = number, n.cfg.Authority, n.cfg.Now().UTC()
	v.Sign(n.cfg.Key, n.cfg.ChainID)
}

// maxBans bounds a page of Bans.
const maxBans = 1000

// Bans lists what operators revoked and did not take back.
func (n *Node) Bans(ctx context.Context, after uint64) ([]meta.Ban, error) {
	var out []meta.Ban
	err := n.readable(ctx, func() error {
		bans := make(map[sds.CID]*meta.Ban)
		err := n.eachRevocation(ctx, func(v *meta.Revocation) {
			switch b := bans[v.Root]; {
			case v.Kind == meta.Unbanned:
				delete(bans, v.Root)
			case v.Kind == meta.ByNetwork && b != nil:
				b.Objects += int64(len(v.Objects))
			case v.Kind == meta.ByNetwork:
				bans[v.Root] = &meta.Ban{
					Number: v.Number, Root: v.Root, Objects: int64(len(v.Objects)), Reason: v.Reason, Time: v.Time, Authority: v.Authority,
				}
			}
		})
		if err != nil {
			return err
		}
		maps.DeleteFunc(bans, func(_ sds.CID, b *meta.Ban) bool { return b.Number <= after })
		sorted := slices.SortedFunc(maps.Values(bans), func(a, b *meta.Ban) int { return cmp.Compare(a.Number, b.Number) })
		out = nil
		for _, b := range sorted[:min(len(sorted), maxBans)] {
			last, err := n.index.Last(ctx, b.Root)
			if err != nil {
				return err
			}
			if last != nil {
				b.Name = last.Name
			}
			out = append(out, *b)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("bans: %w", err)
	}
	return out, nil
}

// eachRevocation calls each for all there ever were, in order.
func (n *Node) eachRevocation(ctx context.Context, each func(*meta.Revocation)) error {
	after := uint64(0)
	for {
		list, err := n.index.Revocations(ctx, after, maxRevocations)
		if err != nil || len(list) == 0 {
			return err
		}
		for i := range list {
			each(&list[i])
		}
		after = list[len(list)-1].Number
	}
}

// Unban takes back what operators revoked as a root.
func (n *Node) Unban(ctx context.Context, root sds.CID) (meta.Revocation, error) {
	n.revoking.Lock()
	defer n.revoking.Unlock()
	var last meta.Revocation
	err := n.readable(ctx, func() error {
		orders, err := n.unban(ctx, root)
		if err != nil {
			return err
		}
		entries := make([]journal.Entry, len(orders))
		for i := range orders {
			entries[i], last = &journal.Revoked{Revocation: *orders[i]}, *orders[i]
		}
		return n.change(ctx, entries...)
	})
	if err != nil {
		return meta.Revocation{}, fmt.Errorf("unban %s: %w", root, err)
	}
	return last, nil
}

// unban makes the orders: all of the root's bans are taken back, then what other
// bans hold of it, and what its owner removed, is revoked again.
func (n *Node) unban(ctx context.Context, root sds.CID) ([]*meta.Revocation, error) {
	lifted, banned := make(map[sds.CID]bool), false
	err := n.eachRevocation(ctx, func(v *meta.Revocation) {
		switch {
		case v.Root != root:
		case v.Kind == meta.Unbanned:
			banned = false
			clear(lifted)
		case v.Kind == meta.ByNetwork:
			banned = true
			for _, object := range v.Objects {
				lifted[object] = true
			}
		}
	})
	if err != nil {
		return nil, err
	}
	if !banned {
		return nil, fmt.Errorf("%w: it is not banned", meta.ErrNotFound)
	}
	held := held{of: lifted, root: root, bans: make(map[sds.CID]*meta.Revocation), removed: make(map[sds.CID]bool)}
	if err := n.eachRevocation(ctx, held.add); err != nil {
		return nil, err
	}
	s, err := n.index.State(ctx)
	if err != nil {
		return nil, err
	}
	orders := split(meta.Revocation{Kind: meta.Unbanned, Root: root, Reason: "ban taken back"}, slices.Collect(maps.Keys(lifted)))
	for _, other := range slices.SortedFunc(maps.Keys(held.bans), meta.CompareCIDs) {
		v := held.bans[other]
		orders = append(orders, split(*v, v.Objects)...)
	}
	for _, cid := range slices.SortedFunc(maps.Keys(held.removed), meta.CompareCIDs) {
		orders = append(orders, &meta.Revocation{Kind: meta.ByOwner, Root: cid, Reason: "removed by its owner"})
	}
	for i, v := range orders {
		n.sign(v, s.Revocation+1+uint64(i))
	}
	return orders, nil
}

// held finds out what of a root's bans is held by other orders.
type held struct {
	root sds.CID
	of   map[sds.CID]bool
	// bans by root, with those of their objects that are held.
	bans    map[sds.CID]*meta.Revocation
	removed map[sds.CID]bool
}

func (h *held) concerns(cid sds.CID) bool { return cid == h.root || h.of[cid] }

func (h *held) add(v *meta.Revocation) {
	switch v.Kind {
	case meta.ByOwner:
		if h.concerns(v.Root) {
			h.removed[v.Root] = true
		}
	case meta.Lifted:
		delete(h.removed, v.Root)
	case meta.Unbanned:
		delete(h.bans, v.Root)
	case meta.ByNetwork:
		var objects []sds.CID
		for _, object := range v.Objects {
			if h.concerns(object) {
				objects = append(objects, object)
			}
		}
		if v.Root == h.root || len(objects) == 0 && !h.concerns(v.Root) {
			return
		}
		if before := h.bans[v.Root]; before != nil {
			before.Objects = append(before.Objects, objects...)
			return
		}
		h.bans[v.Root] = &meta.Revocation{Kind: meta.ByNetwork, Root: v.Root, Objects: objects, Reason: v.Reason}
	}
}

// split makes as many orders as the objects need, one at least.
func split(v meta.Revocation, objects []sds.CID) []*meta.Revocation {
	slices.SortFunc(objects, meta.CompareCIDs)
	objects = slices.Compact(objects)
	var out []*meta.Revocation
	for len(out) == 0 || len(objects) > 0 {
		n := min(len(objects), meta.MaxRevokedObjects)
		one := v
		one.Objects, objects = objects[:n:n], objects[n:]
		out = append(out, &one)
	}
	return out
}
