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
		Revoked:  func(cid sds.CID) error { return revoked[cid] }, RootRevoked: func(sds.CID) error { return nil },
		ChainID: func() string { return "test-1" },
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

// contentless refuses slices of files: who reads them keeps a viewer waiting.
type contentless struct {
	*mem.Store
	slices map[sds.CID]bool
	t      *testing.T
}

func (c contentless) Get(ctx context.Context, cid sds.CID) ([]byte, error) {
	if c.slices[cid] {
		c.t.Errorf("slice %s was read", cid)
	}
	return c.Store.Get(ctx, cid)
}

func TestALostManifestIsMadeUpForWithoutReadingContent(t *testing.T) {
	t.Parallel()
	store, i := contentless{mem.New(), make(map[sds.CID]bool), t}, &index{records: make(map[[32]byte]meta.Record)}
	record := folder(t, store.Store, i, "acme/film", 2)
	large, err := sds.Import(t.Context(), bytes.NewReader(make([]byte, 3<<20)), sds.Into(store.Store, sds.Pinned))
	if err != nil {
		t.Fatal(err)
	}
	f := sds.NewFolder()
	for path, o := range map[string]sds.Object{
		"large.mp4": {CID: large.Root, Size: large.Size, SHA256: large.SHA256, First: large.First},
		"small.txt": {CID: sds.Sum(sds.Raw, []byte("acme/film0")), Size: 10, SHA256: sds.Sum(sds.Raw, []byte("acme/film0")).Digest},
	} {
		o.Path, o.Type = path, sds.MediaType(path)
		if o.CID.Codec == sds.Raw {
			o.First = o.CID
		}
		store.slices[o.First] = true
		if err := f.Add(o); err != nil {
			t.Fatal(err)
		}
	}
	m, err := f.Build(t.Context(), sds.Into(store.Store, sds.Pinned))
	if err != nil {
		t.Fatal(err)
	}
	record.Root, record.Manifest = m.Root, sds.Sum(sds.Raw, []byte("lost"))
	i.records[m.Root.Digest] = record
	c, err := New(Config{
		Index: i, Getter: func(peers.Want) sds.Getter { return store },
		Assigned: func([32]byte) []meta.Record { return nil }, Revoked: func(sds.CID) error { return nil },
		RootRevoked: func(sds.CID) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	root, err := c.Root(t.Context(), m.Root.Digest, nil)
	if err != nil {
		t.Fatal(err)
	}
	for path, known := range map[string]bool{"large.mp4": false, "small.txt": true} {
		o, err := root.Find("acme/film/" + path)
		if err != nil || (o.Digest != nil) != known {
			t.Errorf("%s: %v, digest known: %t, want %t", path, err, err == nil && o.Digest != nil, known)
		}
	}
}
