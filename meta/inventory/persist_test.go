package inventory

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/viewstore"
	"github.com/stratos-mesh/stratos/sds"
)

// oneEntry is a scope with one entry, whatever it may be.
type oneEntry struct {
	viewstore.Scope
	entry viewstore.Entry
}

func (oneEntry) Begin(context.Context) (bool, error) { return false, nil }
func (s oneEntry) Scan(context.Context, string, string, int) ([]viewstore.Entry, error) {
	return []viewstore.Entry{s.entry}, nil
}

// What another version, or a stranger in the same Redis, left in the scope is
// skipped, and what is believed can be written back as it was.
func FuzzLoad(f *testing.F) {
	h := meta.Holding{Unit: meta.UnitKey{1}, Root: sds.Sum(sds.Raw, nil), State: meta.Complete}
	f.Add([]byte(holdingKey(7, Version{h.Unit, h.Root})), []byte{2, 0, 0})
	f.Add([]byte(holdingKey(7, Version{h.Unit, sds.CID{}})), []byte{1, 3, 232})
	f.Add([]byte(filterKey(7)), EncodeFilter([]meta.UnitKey{{1}}))
	f.Add([]byte("c"), []byte{})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		v := New(Config{Scope: oneEntry{entry: viewstore.Entry{Key: string(key), Value: value}}})
		if err := v.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		for version, copies := range v.All() {
			if got := holdingKey(copies[0].Edge, version); got != string(key) {
				t.Errorf("believed %q of %q", got, key)
			}
		}
	})
}

// broken fails every write once it is told to.
type broken struct {
	viewstore.Scope
	err error
}

func (b *broken) Apply(ctx context.Context, batch *viewstore.Batch) error {
	if b.err != nil {
		return b.err
	}
	return b.Scope.Apply(ctx, batch)
}

func TestAFailingStoreIsToldAndMemoryStandsAll(t *testing.T) {
	t.Parallel()
	store, err := viewstore.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	scope := &broken{Scope: store.Scope("inventory")}
	v := New(Config{Scope: scope})
	if err := v.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := meta.Holding{Unit: meta.UnitKey{1}, State: meta.Complete}
	scope.err = viewstore.ErrUnavailable
	if err := v.Apply(t.Context(), 1, []meta.Holding{h}); !errors.Is(err, viewstore.ErrUnavailable) || errors.Is(err, meta.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	if got := v.Holders(h.Unit, h.Root); len(got) != 1 {
		t.Error("the beat was not believed")
	}
}

func TestMemoryOfAnEdge(t *testing.T) {
	if testing.Short() {
		t.Skip("measures memory")
	}
	const count = 100_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	v := New(Config{})
	for n := range count {
		var h meta.Holding
		h.Unit[0], h.Unit[1], h.Unit[2] = byte(n), byte(n>>8), byte(n>>16)
		h.Root, h.State = sds.Sum(sds.Raw, h.Unit[:]), meta.Complete
		v.Apply(t.Context(), 1, []meta.Holding{h})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := int64(after.HeapAlloc-before.HeapAlloc) / count
	t.Logf("%d bytes for each holding", each)
	if each > 800 {
		t.Errorf("%d bytes for each holding", each)
	}
	v.Diff(1, Digest{}, time.Time{}) // keeps it alive
}
