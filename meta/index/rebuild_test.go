package index_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/index"
	"github.com/stratos-mesh/stratos/meta/journal"
)

// model is the rules of names said once more, as simply as possible.
type model struct {
	live map[meta.Name]string // to its root
	was  map[meta.Name]bool
}

func (m *model) free(name, except meta.Name) bool {
	for other := range m.live {
		if other != except && other != name &&
			(strings.HasPrefix(string(other), string(name)+"/") || strings.HasPrefix(string(name), string(other)+"/")) {
			return false
		}
	}
	return true
}

// Random publications, renames and removals: the index agrees with the model
// about each, and in the end about every name and every root.
func TestNamesAgreeWithASimpleModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t)
			w.claim("acme", "owner")
			m := model{live: map[meta.Name]string{}, was: map[meta.Name]bool{}}
			pick := func() meta.Name {
				parts := []string{"acme"}
				for range 1 + random.IntN(3) {
					parts = append(parts, string(rune('a'+random.IntN(3))))
				}
				return meta.Name(strings.Join(parts, "/"))
			}
			for step := range 300 {
				switch random.IntN(4) {
				case 0, 1:
					name, root := pick(), fmt.Sprint(random.IntN(5))
					ok := m.free(name, "")
					e := w.bundle(name, root)
					w.keepUnits(e)
					if err := w.apply(e); (err == nil) != ok {
						t.Fatalf("step %d: publish %s: %v, model %v", step, name, err, ok)
					}
					if ok {
						m.live[name], m.was[name] = root, true
					}
				case 2:
					name := pick()
					if err := w.apply(w.remove(name)); (err == nil) != m.was[name] {
						t.Fatalf("step %d: remove %s: %v, model %v", step, name, err, m.was[name])
					}
					delete(m.live, name)
				case 3:
					from, to := pick(), pick()
					root, live := m.live[from]
					_, taken := m.live[to]
					ok := live && !taken && m.free(to, from)
					err := w.apply(w.rename(from, to))
					if (err == nil) != ok && !(err == nil && !live && taken) { // a repetition
						t.Fatalf("step %d: rename %s to %s: %v, model %v", step, from, to, err, ok)
					}
					if ok {
						delete(m.live, from)
						m.live[to], m.was[to] = root, true
					}
				}
			}
			page, err := w.x.List(t.Context(), "", "", 1000)
			if err != nil {
				t.Fatal(err)
			}
			var got []meta.Name
			for _, rec := range page.Records {
				got = append(got, rec.Name)
				if rec.Root != cid(m.live[rec.Name]) {
					t.Errorf("%s points to another root", rec.Name)
				}
			}
			if want := slices.Sorted(maps.Keys(m.live)); !slices.Equal(got, want) {
				t.Errorf("names %q, want %q", got, want)
			}
			kept := slices.Collect(maps.Values(m.live))
			for i := range 5 {
				if root := fmt.Sprint(i); slices.Contains(kept, root) != (w.root(root) == index.Kept) {
					t.Errorf("root %s: %v, model %v", root, w.root(root), slices.Contains(kept, root))
				}
			}
			if s, err := w.x.State(t.Context()); err != nil || int(s.Names) != len(m.live) || int(s.Roots) != len(slices.Compact(slices.Sorted(slices.Values(kept)))) {
				t.Errorf("state %+v, %v; want %d names", s, err, len(m.live))
			}
			rebuilt(t, w)
		})
	}
}

// keepUnits gives a publication the units that its name has.
func (w *world) keepUnits(e *journal.Moved) {
	n, _, err := w.x.Name(w.t.Context(), e.Publication.Name)
	if err != nil {
		w.t.Fatal(err)
	}
	if n != nil && len(n.Random) > 0 {
		e.Drawn, e.Random = n.Drawn, n.Random
	}
}

// rebuilt compares with indexes that were made of the same records in batches of
// all sizes, some twice.
func rebuilt(t *testing.T, w *world) {
	t.Helper()
	want := contents(t, w.store)
	for _, size := range []int{1, 7, len(w.records)} {
		other := newWorld(t)
		for chunk := range slices.Chunk(w.records, size) {
			for range 2 {
				if _, err := other.x.Apply(t.Context(), chunk, func(*journal.Record, error) {}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := contents(t, other.store); !maps.Equal(got, want) {
			t.Errorf("batches of %d make another index: %d keys, want %d", size, len(got), len(want))
		}
	}
}

func TestALargeBanFitsTheStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := meta.Revocation{Number: 1, Kind: meta.ByNetwork, Root: cid("root"), Time: w.now}
	for i := range meta.MaxRevokedObjects {
		v.Objects = append(v.Objects, cid(fmt.Sprint(i)))
	}
	v.Sign(key("authority"), chainID)
	w.must(&journal.Revoked{Revocation: v})
	w.must(&journal.Claimed{Namespace: "acme", Owner: public("owner")})
	if _, banned, err := w.x.Ban(t.Context(), cid("77")); err != nil || !banned {
		t.Errorf("object 77: %v, %v", banned, err)
	}
}

func TestRecordsMustFollowEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rec := &journal.Record{Height: 2, Time: time.Unix(1, 0), Entry: &journal.Claimed{Namespace: "acme", Owner: public("owner")}}
	if _, err := w.x.Apply(t.Context(), []*journal.Record{rec}, func(*journal.Record, error) {}); err == nil {
		t.Error("record 2 was applied before record 1")
	}
}

func BenchmarkResolve(b *testing.B) {
	w := benchWorld(b, bundles(10_000))
	b.ResetTimer()
	for i := range b.N {
		if _, _, err := w.Resolve(b.Context(), fmt.Sprintf("acme/dir/%d/index/page.html", i%10_000)); err != nil {
			b.Fatal(err)
		}
	}
}
