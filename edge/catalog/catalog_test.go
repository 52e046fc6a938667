package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/mem"
)

// index knows records by digest and counts the questions.
type index struct {
	records map[[32]byte]meta.Record
	asked   atomic.Int64
}

func (i *index) Locate(_ context.Context, digest [32]byte) (meta.Resolution, error) {
	i.asked.Add(1)
	r, ok := i.records[digest]
	if !ok {
		return meta.Resolution{}, meta.ErrNotFound
	}
	return meta.Resolution{Record: r}, nil
}

func (i *index) Resolve(context.Context, string) (meta.Resolution, error) {
	return meta.Resolution{}, meta.ErrNotFound
}

// folder publishes n files and returns the record.
func folder(t *testing.T, store sds.Store, i *index, name string, n int) meta.Record {
	t.Helper()
	sink := sds.Into(store, sds.Pinned)
	f := sds.NewFolder()
	for k := range n {
		built, err := sds.Import(t.Context(), bytes.NewReader(fmt.Append(nil, name, k)), sink)
		if err != nil {
			t.Fatal(err)
		}
		o := sds.Object{Path: fmt.Sprintf("d/%d.txt", k), CID: built.Root, Size: built.Size, SHA256: built.SHA256, Type: "text/plain", First: built.First}
		if err := f.Add(o); err != nil {
			t.Fatal(err)
		}
	}
	m, err := f.Build(t.Context(), sink)
	if err != nil {
		t.Fatal(err)
	}
	cid, err := m.Encode(t.Context(), sink)
	if err != nil {
		t.Fatal(err)
	}
	r := meta.Record{Name: meta.Name(name), Kind: meta.Bundle, Root: m.Root, Manifest: cid, Units: []meta.UnitKey{{1}}}
	i.records[m.Root.Digest] = r
	return r
}

func newCatalog(t *testing.T, budget int64) (*Catalog, *mem.Store, *index, map[sds.CID]error) {
	t.Helper()
	store, i, revoked := mem.New(), &index{records: make(map[[32]byte]meta.Record)}, make(map[sds.CID]error)
	c, err := New(Config{
		Index: i, Getter: func(peers.Want) sds.Getter { return store }, Budget: budget,
		Assigned: func([32]byte) []meta.Record { return nil },
		Revoked:  func(cid sds.CID) error { return revoked[cid] },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, store, i, revoked
}

func TestARootIsAskedForOnceAndAFolderBeyondTheBudgetIsServed(t *testing.T) {
	t.Parallel()
	c, store, i, _ := newCatalog(t, 100_000)
	record := folder(t, store, i, "acme/large", 1000) // half a megabyte of entries
	for range 3 {
		root, err := c.Root(t.Context(), record.Root.Digest, nil)
		if err != nil {
			t.Fatal(err)
		}
		if o, err := root.Find("acme/large/d/999.txt"); err != nil || o.Path != "d/999.txt" {
			t.Fatalf("%v, %v", o, err)
		}
	}
	if n := i.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestTablesBeyondTheBudgetAreDroppedAndRebuilt(t *testing.T) {
	t.Parallel()
	c, store, i, _ := newCatalog(t, 200_000)
	var records []meta.Record
	for n := range 40 {
		records = append(records, folder(t, store, i, fmt.Sprintf("acme/f%d", n), 20))
	}
	var roots []*Root
	for _, r := range records {
		root, err := c.Root(t.Context(), r.Root.Digest, nil)
		if err != nil {
			t.Fatal(err)
		}
		roots = append(roots, root)
	}
	c.roots.CleanUp()
	dropped := 0
	for n, root := range roots {
		if !root.Dropped() {
			continue
		}
		dropped++
		again, err := c.Root(t.Context(), records[n].Root.Digest, nil)
		if err != nil || again == root {
			t.Fatalf("%v, the same root: %t", err, again == root)
		}
	}
	if dropped == 0 {
		t.Error("nothing was dropped")
	}
}

func TestARevocationFindsObjectsThatWereAskedForAndOthers(t *testing.T) {
	t.Parallel()
	c, store, i, revoked := newCatalog(t, 0)
	record := folder(t, store, i, "acme/f", 3)
	root, err := c.Root(t.Context(), record.Root.Digest, nil)
	if err != nil {
		t.Fatal(err)
	}
	find := func(n int) *Object {
		o, err := root.Find(fmt.Sprintf("acme/f/d/%d.txt", n))
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	asked := find(0)
	banned := errors.New("banned")
	revoked[asked.CID] = banned
	revoked[root.table.Load().entries["d/1.txt"].CID] = banned
	c.Revoke()
	for n, want := range []error{banned, banned, nil} {
		if got := find(n).Revoked(); !errors.Is(got, want) {
			t.Errorf("object %d: %v, want %v", n, got, want)
		}
	}
	clear(revoked)
	c.Revoke()
	if asked.Revoked() != nil {
		t.Error("still revoked after it was lifted")
	}
}

func TestARootThatIsNotThereIsNotAskedForAgainAtOnce(t *testing.T) {
	t.Parallel()
	c, _, i, _ := newCatalog(t, 0)
	for range 5 {
		if _, err := c.Root(t.Context(), [32]byte{1}, nil); !errors.Is(err, meta.ErrNotFound) {
			t.Fatal(err)
		}
	}
	if n := i.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}
