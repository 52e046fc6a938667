package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/index"
	"github.com/stratos-mesh/stratos/meta/journal"
)

// lockedNames serialises changes of a namespace, so that what was checked still
// holds when it is journalled. Namespaces share 64 locks.
type lockedNames struct {
	stripes [64]sync.Mutex
}

func (l *lockedNames) lock(namespaces ...string) (unlock func()) {
	var at []int
	for _, ns := range namespaces {
		h := uint32(2166136261)
		for _, b := range []byte(ns) {
			h = (h ^ uint32(b)) * 16777619
		}
		at = append(at, int(h%uint32(len(l.stripes))))
	}
	// One order for all who take two.
	slices.Sort(at)
	at = slices.Compact(at)
	for _, i := range at {
		l.stripes[i].Lock()
	}
	return func() {
		for _, i := range at {
			l.stripes[i].Unlock()
		}
	}
}

// clockSkew is how far an owner's clock may run ahead.
const clockSkew = 5 * time.Minute

func (n *Node) checkTime(what meta.Name, t time.Time) error {
	if t.After(n.cfg.Now().Add(clockSkew)) {
		return fmt.Errorf("%s: %w: signed at %s, which is yet to come; set the clock", what, meta.ErrInvalid, t.Format(time.RFC3339))
	}
	return nil
}

// Publish moves a name to a root whose slices are durable.
func (n *Node) Publish(ctx context.Context, p meta.Publication) (meta.Record, error) {
	if err := p.Verify(n.cfg.ChainID); err != nil {
		return meta.Record{}, err
	}
	if err := n.checkTime(p.Name, p.Time); err != nil {
		return meta.Record{}, err
	}
	defer n.names.lock(p.Name.Namespace())()
	err := n.readable(ctx, func() error { return n.publish(ctx, &p) })
	if err != nil {
		return meta.Record{}, fmt.Errorf("publish %s: %w", p.Name, err)
	}
	name, _, err := n.index.Name(ctx, p.Name)
	if err != nil {
		return meta.Record{}, err
	}
	if name == nil || name.Root != p.Root {
		return meta.Record{}, fmt.Errorf("publish %s: %w: another publication came first", p.Name, meta.ErrConflict)
	}
	n.growing.end(p.Name)
	return n.record(name), nil
}

func (n *Node) publish(ctx context.Context, p *meta.Publication) error {
	before, live, err := n.index.Name(ctx, p.Name)
	if err != nil {
		return err
	}
	var entries []journal.Entry
	owner, err := n.index.Owner(ctx, p.Name.Namespace())
	if err != nil {
		return err
	}
	if owner == nil {
		entries = append(entries, &journal.Claimed{Namespace: p.Name.Namespace(), Owner: p.Owner})
	}
	ban, banned, err := n.index.Ban(ctx, p.Root)
	if err != nil {
		return err
	}
	if banned && ban.Kind == meta.ByOwner {
		n.revoking.Lock()
		defer n.revoking.Unlock()
		lift, err := n.revocation(ctx, meta.Lifted, p.Root, nil, "published again")
		if err != nil {
			return err
		}
		entries = append(entries, &journal.Revoked{Revocation: *lift})
	}
	moved, err := n.draw(ctx, p.Name, p.Kind, p.Size, before)
	if err != nil {
		return err
	}
	moved.Publication = *p
	entries = append(entries, moved)
	if err := n.index.Check(ctx, n.cfg.Now(), entries...); err != nil {
		return err
	}
	if live && before.Same(p, moved.Units()) {
		return nil
	}
	if err := n.checkDurable(p.Replicas, p.Durable); err != nil {
		return err
	}
	_, err = n.append(ctx, entries...)
	return err
}

// checkDurable asks for every block on as many edges as are wanted and alive,
// and on two where two are wanted.
func (n *Node) checkDurable(replicas int, durable []meta.EdgeID) error {
	wanted := n.replicas(replicas)
	n.mu.Lock()
	defer n.mu.Unlock()
	// What can be written to decides how many are asked for; an edge that has it
	// all and missed a beat meanwhile still counts.
	live, there := n.fleet.inState(meta.Live), n.fleet.inState(meta.Live, meta.Suspect, meta.Draining)
	have := 0
	for i, id := range durable {
		if there[id] && !slices.Contains(durable[:i], id) {
			have++
		}
	}
	need := max(min(wanted, len(live)), min(wanted, 2))
	if have < need {
		return fmt.Errorf("%w: the slices are durable on %d live edges, want %d (%d replicas wanted, %d edges alive)",
			meta.ErrNoEdges, have, need, wanted, len(live))
	}
	return nil
}

func (n *Node) replicas(asked int) int {
	if asked == 0 {
		return n.cfg.Replicas
	}
	return asked
}

// record is a name as others see it.
func (n *Node) record(name *index.Name) meta.Record {
	rec := name.Record
	rec.Replicas = n.replicas(rec.Replicas)
	return rec
}

// Rename moves a name without touching content.
func (n *Node) Rename(ctx context.Context, m meta.Rename) (meta.Record, error) {
	if err := m.Verify(n.cfg.ChainID); err != nil {
		return meta.Record{}, err
	}
	if err := n.checkTime(m.From, m.Time); err != nil {
		return meta.Record{}, err
	}
	defer n.names.lock(m.From.Namespace(), m.To.Namespace())()
	var name *index.Name
	err := n.readable(ctx, func() error {
		entries, err := n.claim(ctx, m.To.Namespace(), m.Owner)
		if err != nil {
			return err
		}
		err = n.change(ctx, append(entries, &journal.Renamed{Rename: m})...)
		if err != nil {
			return err
		}
		name, _, err = n.index.Name(ctx, m.To)
		return err
	})
	if err != nil {
		return meta.Record{}, fmt.Errorf("rename %s to %s: %w", m.From, m.To, err)
	}
	if name == nil {
		return meta.Record{}, fmt.Errorf("rename %s to %s: %w", m.From, m.To, meta.ErrConflict)
	}
	return n.record(name), nil
}

func (n *Node) claim(ctx context.Context, namespace string, owner []byte) ([]journal.Entry, error) {
	has, err := n.index.Owner(ctx, namespace)
	if err != nil || has != nil {
		return nil, err
	}
	return []journal.Entry{&journal.Claimed{Namespace: namespace, Owner: owner}}, nil
}

// change checks entries against the index and journals them.
func (n *Node) change(ctx context.Context, entries ...journal.Entry) error {
	if err := n.index.Check(ctx, n.cfg.Now(), entries...); err != nil {
		return err
	}
	_, err := n.append(ctx, entries...)
	return err
}

// Remove takes a name away.
func (n *Node) Remove(ctx context.Context, m meta.Removal) error {
	if err := m.Verify(n.cfg.ChainID); err != nil {
		return err
	}
	if err := n.checkTime(m.Name, m.Time); err != nil {
		return err
	}
	defer n.names.lock(m.Name.Namespace())()
	err := n.readable(ctx, func() error { return n.remove(ctx, &m) })
	if grew := n.growing.remove(m.Name, m.Owner, n.cfg.Now()); grew && errors.Is(err, meta.ErrNotFound) {
		return nil // it was never published
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", m.Name, err)
	}
	return nil
}

func (n *Node) remove(ctx context.Context, m *meta.Removal) error {
	removed := &journal.Removed{Removal: *m}
	if err := n.index.Check(ctx, n.cfg.Now(), removed); err != nil {
		return err
	}
	before, live, err := n.index.Name(ctx, m.Name)
	if err != nil {
		return err
	}
	entries := []journal.Entry{}
	if live {
		entries = append(entries, removed)
	}
	if m.Now {
		n.revoking.Lock()
		defer n.revoking.Unlock()
		revoked, err := n.revokeRemoved(ctx, m.Name, before)
		if err != nil {
			return err
		}
		entries = append(entries, revoked...)
	}
	if len(entries) == 0 {
		return nil
	}
	return n.change(ctx, entries...)
}

// revokeRemoved revokes the root of a name that goes at once, unless it is
// revoked already or another name points to it: what one owner removes, another
// may still publish.
func (n *Node) revokeRemoved(ctx context.Context, name meta.Name, before *index.Name) ([]journal.Entry, error) {
	if !before.Root.Defined() {
		return nil, nil
	}
	if _, banned, err := n.index.Ban(ctx, before.Root); banned || err != nil {
		return nil, err
	}
	if others, err := n.index.Others(ctx, before.Root, name); others || err != nil {
		return nil, err
	}
	v, err := n.revocation(ctx, meta.ByOwner, before.Root, nil, "removed by its owner")
	if err != nil {
		return nil, err
	}
	return []journal.Entry{&journal.Revoked{Revocation: *v}}, nil
}
