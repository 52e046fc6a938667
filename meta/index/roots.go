package index

import (
	"context"
	"encoding/hex"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/journal"
	"github.com/stratos-mesh/stratos/meta/layout"
	"github.com/stratos-mesh/stratos/sds"
)

func rootKey(prefix string, root sds.CID) string { return hexKey(prefix, root.Digest[:]) }

// put makes a name live: it wakes the root it points to.
func (c *change) put(ctx context.Context, n *Name) error {
	s, err := c.state(ctx)
	if err != nil {
		return err
	}
	_, known, err := c.first(ctx, rootKey("r/", n.Root)+"/", "")
	if err != nil {
		return err
	}
	if !known {
		s.Roots++
	}
	s.Names++
	c.setState(s)
	c.set("n/"+string(n.Name), n.encode())
	c.delete("d/" + string(n.Name))
	c.delete(rootKey("g/", n.Root))
	c.set(rootKey("r/", n.Root)+"/"+string(n.Name), nil)
	c.set(rootKey("t/", n.Root), n.encodeNamed())
	if n.Kind == meta.Bundle {
		owner, err := c.get(ctx, "o/"+n.Name.Namespace())
		if err != nil {
			return err
		}
		bind := meta.GrowingBind(n.Name, owner)
		c.set(hexKey("y/", bind[:]), []byte(n.Name))
	}
	for _, unit := range n.Units {
		c.set(hexKey("u/", unit[:])+"/"+string(n.Name), nil)
		c.delete(abandonedKey(n.Root, unit))
	}
	return nil
}

// drop takes a live name off its root, which then rests if nothing else keeps it.
func (c *change) drop(ctx context.Context, n *Name, now time.Time) error {
	s, err := c.state(ctx)
	if err != nil {
		return err
	}
	key := rootKey("r/", n.Root) + "/" + string(n.Name)
	_, named, err := c.first(ctx, rootKey("r/", n.Root)+"/", key)
	if err != nil {
		return err
	}
	_, pinned, err := c.first(ctx, rootKey("p/", n.Root)+"/", "")
	if err != nil {
		return err
	}
	s.Names--
	if !named {
		s.Roots--
	}
	c.setState(s)
	c.delete(key)
	for _, unit := range n.Units {
		c.delete(hexKey("u/", unit[:]) + "/" + string(n.Name))
	}
	if !named && !pinned {
		c.rest(n.Root, now)
		return nil
	}
	return c.abandon(ctx, n, now)
}

// abandon notes the units in which nothing keeps a root any more that others
// keep elsewhere.
func (c *change) abandon(ctx context.Context, n *Name, now time.Time) error {
	kept := make(map[meta.UnitKey]bool)
	prefix := rootKey("r/", n.Root) + "/"
	others, err := c.keys(ctx, prefix, maxOthers)
	if err != nil {
		return err
	}
	for _, key := range others {
		name := meta.Name(strings.TrimPrefix(key, prefix))
		record, err := c.name(ctx, "n/", name)
		if err != nil {
			return err
		}
		if name == n.Name || record == nil {
			continue
		}
		for _, unit := range record.Units {
			kept[unit] = true
		}
	}
	var w layout.Writer
	w.Time(now)
	for _, unit := range n.Units {
		if !kept[unit] && len(others) < maxOthers {
			c.set(abandonedKey(n.Root, unit), w.Done())
		}
	}
	return nil
}

// maxOthers bounds how many names of one root are looked through. With more of
// them a unit is not found to be abandoned, and its copies stay.
const maxOthers = 100

func abandonedKey(root sds.CID, unit meta.UnitKey) string {
	return rootKey("w/", root) + "/" + hex.EncodeToString(unit[:])
}

// Abandoned tells since when no name keeps a root in a unit, while it is kept in
// another one.
func (x *Index) Abandoned(ctx context.Context, root sds.CID, unit meta.UnitKey) (since time.Time, abandoned bool, err error) {
	b, err := x.begin().get(ctx, abandonedKey(root, unit))
	if err != nil || b == nil {
		return time.Time{}, false, err
	}
	r := layout.NewReader(b)
	since = r.Time()
	return since, true, r.Done()
}

func (c *change) rest(root sds.CID, since time.Time) {
	g := Resting{Root: root, Since: since}
	c.set(rootKey("g/", root), g.encode())
}

func (c *change) pinned(ctx context.Context, e *journal.Pinned) error {
	if err := c.served(ctx, e.Root); err != nil {
		return err
	}
	known, err := c.has(ctx, rootKey("t/", e.Root))
	if err != nil {
		return err
	}
	if !known {
		return refuse(meta.ErrNotFound, "root %s was never published, or is forgotten", e.Root)
	}
	p := Pin{Root: e.Root, Payer: e.Payer, Replicas: int(e.Replicas), Until: e.Until}
	c.set(rootKey("p/", e.Root)+"/"+hex.EncodeToString(e.Payer[:]), p.encode())
	c.delete(rootKey("g/", e.Root))
	return nil
}

func (c *change) unpinned(ctx context.Context, rec *journal.Record, e *journal.Unpinned) error {
	key := rootKey("p/", e.Root) + "/" + hex.EncodeToString(e.Payer[:])
	there, err := c.has(ctx, key)
	if err != nil || !there {
		return err
	}
	_, others, err := c.first(ctx, rootKey("p/", e.Root)+"/", key)
	if err != nil {
		return err
	}
	_, named, err := c.first(ctx, rootKey("r/", e.Root)+"/", "")
	if err != nil {
		return err
	}
	c.delete(key)
	if !others && !named {
		c.rest(e.Root, rec.Time)
	}
	return nil
}

func (c *change) forgotten(ctx context.Context, e *journal.Forgotten) error {
	resting, err := c.has(ctx, rootKey("g/", e.Root))
	if err != nil {
		return err
	}
	if !resting {
		return refuse(meta.ErrConflict, "root %s does not rest", e.Root)
	}
	c.delete(rootKey("g/", e.Root))
	c.delete(rootKey("t/", e.Root))
	return nil
}
