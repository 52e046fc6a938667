package sds_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/mem"
)

func TestPartsOfABundleAreTheWhole(t *testing.T) {
	t.Parallel()
	store := mem.New()
	files := map[string]int64{"empty": -1, "z/last": 10}
	for i, path := range []string{"a/1", "a/2", "b.txt", "b/1", "b/2/3", "c"} {
		files[path] = int64(i+1) * 700_000
	}
	m := bundle(t, store, files)
	whole := make(map[sds.CID]int64)
	if err := sds.Walk(t.Context(), store, m.Root, func(cid sds.CID, size int64) error { whole[cid] = size; return nil }); err != nil {
		t.Fatal(err)
	}
	const part = 4_000_000
	// They begin at 0, 0.7, 2.1, 4.2, 7.0, 10.5 and 14.7 MB.
	want := map[string]int{"a/1": 0, "a/2": 0, "b.txt": 0, "b/1": 1, "b/2/3": 1, "c": 2, "z/last": 3}
	union := make(map[sds.CID]int64)
	for i := range 4 {
		met := make(map[sds.CID]int64)
		err := sds.WalkShard(t.Context(), store, m.Root, sds.Shard{Index: i, Count: 4, Bytes: part}, func(cid sds.CID, size int64) error {
			met[cid] = size
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for path, in := range want {
			o, _ := m.Find(path)
			if _, got := met[o.CID]; got != (in == i) {
				t.Errorf("%s in part %d: got %v, want it in part %d", path, i, got, in)
			}
		}
		if _, ok := met[m.Root]; !ok {
			t.Errorf("part %d is without the directory", i)
		}
		maps.Copy(union, met)
	}
	if diff := cmp.Diff(whole, union); diff != "" {
		t.Errorf("all parts together (-whole +parts):\n%s", diff)
	}
}

// contentless fails when a slice is asked for.
type contentless struct{ sds.Getter }

func (c contentless) Get(ctx context.Context, cid sds.CID) ([]byte, error) {
	if cid.Codec == sds.Raw {
		return nil, errors.New("a slice was read")
	}
	return c.Getter.Get(ctx, cid)
}

func TestWalksReadNoContent(t *testing.T) {
	t.Parallel()
	store := mem.New()
	m := bundle(t, store, demo())
	none := func(sds.CID, int64) error { return nil }
	if err := sds.Walk(t.Context(), contentless{store}, m.Root, none); err != nil {
		t.Errorf("walk: %v", err)
	}
	if err := sds.WalkShard(t.Context(), contentless{store}, m.Root, sds.Shard{Index: 0, Count: 2, Bytes: 1 << 20}, none); err != nil {
		t.Errorf("walk a part: %v", err)
	}
}

func TestAPartThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []sds.Shard{{}, {Index: 1, Count: 1, Bytes: 1}, {Index: -1, Count: 1, Bytes: 1}, {Index: 0, Count: 1}} {
		if err := sds.WalkShard(t.Context(), mem.New(), sds.Sum(sds.DagPB, nil), s, nil); !errors.Is(err, sds.ErrMalformed) {
			t.Errorf("%+v: got %v, want ErrMalformed", s, err)
		}
	}
}

// leaving is a store that leaves one node out.
type leaving struct {
	sds.Getter
	without sds.CID
}

func (g leaving) Get(ctx context.Context, cid sds.CID) ([]byte, error) {
	if cid == g.without {
		return nil, fmt.Errorf("banned: %w", sds.ErrSkip)
	}
	return g.Getter.Get(ctx, cid)
}

// What a Getter leaves out is passed over with all below it, and moves no other
// object to another part.
func TestAWalkPassesOverWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	store := mem.New()
	m := bundle(t, store, map[string]int64{"a": 700_000, "b/1": 3_500_000, "b/2": 1_400_000, "c": 2_100_000, "d": 10})
	var big sds.Object
	for _, o := range m.Objects {
		if o.Size > big.Size {
			big = o
		}
	}
	below := map[sds.CID]bool{}
	if err := sds.Walk(t.Context(), store, big.CID, func(cid sds.CID, _ int64) error { below[cid] = true; return nil }); err != nil {
		t.Fatal(err)
	}
	collect := func(g sds.Getter, walk func(g sds.Getter, each func(sds.CID, int64) error) error) []sds.CID {
		var out []sds.CID
		if err := walk(g, func(cid sds.CID, _ int64) error {
			out = append(out, cid)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return out
	}
	walks := map[string]func(sds.Getter, func(sds.CID, int64) error) error{
		"the whole": func(g sds.Getter, each func(sds.CID, int64) error) error {
			return sds.Walk(t.Context(), g, m.Root, each)
		},
	}
	for i := range 3 {
		shard := sds.Shard{Index: i, Count: 3, Bytes: m.Size() / 3, Size: func(cid sds.CID) (int64, error) {
			if cid != big.CID {
				t.Errorf("asked for the size of %s", cid)
			}
			return big.Size, nil
		}}
		walks[fmt.Sprint("part ", i)] = func(g sds.Getter, each func(sds.CID, int64) error) error {
			return sds.WalkShard(t.Context(), g, m.Root, shard, each)
		}
	}
	for name, walk := range walks {
		// Other files may have slices in common with it: those stay.
		others := func(list []sds.CID) []sds.CID {
			return slices.DeleteFunc(slices.Clone(list), func(cid sds.CID) bool { return below[cid] })
		}
		all, got := collect(store, walk), collect(leaving{store, big.CID}, walk)
		if !slices.Equal(others(got), others(all)) || slices.Contains(got, big.CID) {
			t.Errorf("%s: %d blocks of %d", name, len(got), len(all))
		}
	}
	lost := sds.Shard{Index: 0, Count: 2, Bytes: 1 << 20, Size: func(sds.CID) (int64, error) { return 0, sds.ErrMalformed }}
	if err := sds.WalkShard(t.Context(), leaving{store, big.CID}, m.Root, lost, func(sds.CID, int64) error { return nil }); !errors.Is(err, sds.ErrMalformed) {
		t.Errorf("a size that nobody knows: %v", err)
	}
	lost.Size = nil
	if err := sds.WalkShard(t.Context(), leaving{store, big.CID}, m.Root, lost, func(sds.CID, int64) error { return nil }); !errors.Is(err, sds.ErrSkip) {
		t.Errorf("nothing may be left out: %v", err)
	}
}
