package index

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/journal"
)

func (c *change) claimed(ctx context.Context, e *journal.Claimed) error {
	owner, err := c.get(ctx, "o/"+e.Namespace)
	switch {
	case err != nil:
		return err
	case owner == nil:
		c.set("o/"+e.Namespace, e.Owner)
	case !bytes.Equal(owner, e.Owner):
		return refuse(meta.ErrForbidden, "namespace %s belongs to another key", e.Namespace)
	}
	return nil
}

func (c *change) owns(ctx context.Context, key ed25519.PublicKey, name meta.Name) error {
	owner, err := c.get(ctx, "o/"+name.Namespace())
	switch {
	case err != nil:
		return err
	case owner == nil:
		return refuse(meta.ErrForbidden, "namespace %s is not claimed", name.Namespace())
	case !bytes.Equal(owner, key):
		return refuse(meta.ErrForbidden, "namespace %s belongs to another key", name.Namespace())
	}
	return nil
}

func (c *change) name(ctx context.Context, prefix string, name meta.Name) (*Name, error) {
	b, err := c.get(ctx, prefix+string(name))
	if err != nil || b == nil {
		return nil, err
	}
	return decodeName(name, b)
}

// either is the name, live or removed; nil when it never was.
func (c *change) either(ctx context.Context, name meta.Name) (n *Name, live bool, err error) {
	if n, err = c.name(ctx, "n/", name); n != nil || err != nil {
		return n, true, err
	}
	n, err = c.name(ctx, "d/", name)
	return n, false, err
}

// free refuses a name that lies below or above a live one; except is a name that
// goes away in the same step.
func (c *change) free(ctx context.Context, name, except meta.Name) error {
	for _, above := range name.Ancestors() {
		if above == except {
			continue
		}
		taken, err := c.has(ctx, "n/"+string(above))
		if err != nil {
			return err
		}
		if taken {
			return refuse(meta.ErrConflict, "%s is a name, so nothing can be published below it", above)
		}
	}
	below, taken, err := c.first(ctx, "n/"+string(name)+"/", "n/"+string(except))
	if err != nil {
		return err
	}
	if taken {
		return refuse(meta.ErrConflict, "%s lies below %s, which therefore cannot be a name", strings.TrimPrefix(below, "n/"), name)
	}
	return nil
}

func (c *change) moved(ctx context.Context, rec *journal.Record, e *journal.Moved) error {
	p := &e.Publication
	if err := c.owns(ctx, p.Owner, p.Name); err != nil {
		return err
	}
	before, live, err := c.either(ctx, p.Name)
	if err != nil {
		return err
	}
	after := &Name{
		Record: meta.Record{
			Name: p.Name, Kind: p.Kind, Root: p.Root, Manifest: p.Manifest, Size: p.Size, Objects: p.Objects,
			Units: e.Units(), Replicas: p.Replicas, Height: rec.Height, Modified: rec.Time,
		},
		OwnerTime: p.Time, Drawn: e.Drawn, Shared: e.Shared, Random: e.Random, Durable: p.Durable,
	}
	if live && sameContent(&before.Record, &after.Record) {
		return nil
	}
	if before != nil && !p.Time.After(before.OwnerTime) {
		return refuse(meta.ErrConflict, "%s changed at %s, after this publication was signed",
			p.Name, before.OwnerTime.Format(time.RFC3339Nano))
	}
	if err := c.free(ctx, p.Name, ""); err != nil {
		return err
	}
	if err := c.served(ctx, p.Root); err != nil {
		return err
	}
	if err := c.units(ctx, before, after); err != nil {
		return err
	}
	if live {
		if err := c.drop(ctx, before, rec.Time); err != nil {
			return err
		}
	}
	return c.put(ctx, after)
}

func sameContent(a, b *meta.Record) bool {
	return a.Kind == b.Kind && a.Root == b.Root && a.Manifest == b.Manifest && a.Replicas == b.Replicas &&
		a.Size == b.Size && a.Objects == b.Objects && slices.Equal(a.Units, b.Units)
}

// units sees to it that a name keeps its units and that the loose objects of a
// bucket share one.
func (c *change) units(ctx context.Context, before, after *Name) error {
	if before != nil && before.Kind == after.Kind {
		n := min(len(before.Units), len(after.Units))
		if !slices.Equal(before.Units[:n], after.Units[:n]) {
			return refuse(meta.ErrConflict, "%s has another unit", after.Name)
		}
		return nil
	}
	if !after.Shared {
		return nil
	}
	key := sharedKey(after.Drawn)
	random, err := c.get(ctx, key)
	if err != nil {
		return err
	}
	if random != nil && !bytes.Equal(random, after.Random[0][:]) {
		return refuse(meta.ErrConflict, "loose objects beside %s share another unit", after.Name)
	}
	c.set(key, after.Random[0][:])
	return nil
}

func (c *change) renamed(ctx context.Context, rec *journal.Record, m *meta.Rename) error {
	for _, name := range []meta.Name{m.From, m.To} {
		if err := c.owns(ctx, m.Owner, name); err != nil {
			return err
		}
	}
	from, live, err := c.either(ctx, m.From)
	if err != nil {
		return err
	}
	to, taken, err := c.either(ctx, m.To)
	switch {
	case err != nil:
		return err
	case from == nil:
		return refuse(meta.ErrNotFound, "there is no %s", m.From)
	case !live && from.RenamedTo == m.To && taken:
		return nil
	case !live:
		return refuse(meta.ErrDeleted, "%s was removed", m.From)
	case taken:
		return refuse(meta.ErrConflict, "%s exists; remove it first", m.To)
	case !m.Time.After(from.OwnerTime) || to != nil && !m.Time.After(to.OwnerTime):
		return refuse(meta.ErrConflict, "a name changed after this order was signed")
	}
	if err := c.free(ctx, m.To, m.From); err != nil {
		return err
	}
	after := *from
	after.Name, after.OwnerTime, after.Height, after.Modified = m.To, m.Time, rec.Height, rec.Time
	if err := c.put(ctx, &after); err != nil {
		return err
	}
	// Its units live on under the other name: this one would draw new ones.
	gone := &Name{
		Record:    meta.Record{Name: m.From, Kind: from.Kind, Height: rec.Height, Modified: rec.Time},
		OwnerTime: m.Time, RenamedTo: m.To,
	}
	return c.bury(ctx, from, gone, rec.Time)
}

func (c *change) removed(ctx context.Context, rec *journal.Record, m *meta.Removal) error {
	if err := c.owns(ctx, m.Owner, m.Name); err != nil {
		return err
	}
	before, live, err := c.either(ctx, m.Name)
	switch {
	case err != nil:
		return err
	case before == nil:
		return refuse(meta.ErrNotFound, "there is no %s", m.Name)
	case !live:
		return nil
	case !m.Time.After(before.OwnerTime):
		return refuse(meta.ErrConflict, "%s changed after this removal was signed", m.Name)
	}
	gone := *before
	gone.Height, gone.Modified, gone.OwnerTime = rec.Height, rec.Time, m.Time
	return c.bury(ctx, before, &gone, rec.Time)
}

// bury makes a live name a removed one.
func (c *change) bury(ctx context.Context, live, gone *Name, now time.Time) error {
	if err := c.drop(ctx, live, now); err != nil {
		return err
	}
	c.delete("n/" + string(live.Name))
	c.set("d/"+string(live.Name), gone.encode())
	return nil
}

// sharedBuckets is how many units the loose objects of a namespace share.
const sharedBuckets = 64

// Bucket is which of them a name falls into.
func Bucket(name meta.Name) int {
	// FNV-1a over the path: part of the format, for every meta node must agree.
	h := uint64(14695981039346656037)
	for _, b := range []byte(name.Path()) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return int((h ^ h>>32) % sharedBuckets)
}

func sharedKey(name meta.Name) string {
	return fmt.Sprintf("s/%s/%02x", name.Namespace(), Bucket(name))
}
