package inventory_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/inventory"
	"github.com/stratos-mesh/stratos/meta/viewstore"
	"github.com/stratos-mesh/stratos/sds"
)

func unit(n int) meta.UnitKey { return sha256.Sum256(fmt.Append(nil, "unit ", n)) }
func root(n int) sds.CID      { return sds.Sum(sds.DagPB, fmt.Append(nil, "root ", n)) }

func holding(u, r int, state meta.HoldingState) meta.Holding {
	return meta.Holding{Unit: unit(u), Root: root(r), State: state}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sorted(edges []meta.EdgeID) []meta.EdgeID { return slices.Sorted(slices.Values(edges)) }

// anEdge is the other side: it keeps holdings and a digest as an edge does.
type anEdge struct {
	id       meta.EdgeID
	holdings map[inventory.Version]meta.Holding
	digest   inventory.Digest
}

func newEdge(id meta.EdgeID) *anEdge {
	return &anEdge{id: id, holdings: map[inventory.Version]meta.Holding{}}
}

func (e *anEdge) set(h meta.Holding) {
	version := inventory.Version{Unit: h.Unit, Root: h.Root}
	if old, ok := e.holdings[version]; ok {
		e.digest.Remove(old)
		delete(e.holdings, version)
	}
	if h.State != meta.Gone {
		e.digest.Add(h)
		e.holdings[version] = h
	}
}

func (e *anEdge) in(buckets []uint8) (out []meta.Holding) {
	for _, h := range e.holdings {
		if slices.Contains(buckets, inventory.Bucket(h.Unit)) {
			out = append(out, h)
		}
	}
	return out
}

// reconcile runs digest and report and returns how many buckets differed.
func (e *anEdge) reconcile(t *testing.T, v *inventory.Inventory) int {
	t.Helper()
	buckets := v.Diff(e.id, e.digest, time.Unix(1000, 0))
	if len(buckets) > 0 {
		must(t, v.Report(t.Context(), e.id, buckets, e.in(buckets)))
	}
	return len(buckets)
}

func byVersion(a, b meta.Holding) int {
	return cmp.Or(bytes.Compare(a.Unit[:], b.Unit[:]), bytes.Compare(a.Root.Digest[:], b.Root.Digest[:]))
}

func wantSame(t *testing.T, e *anEdge, v *inventory.Inventory) {
	t.Helper()
	want := slices.SortedFunc(maps.Values(e.holdings), byVersion)
	got := v.Holdings(e.id)
	slices.SortFunc(got, byVersion)
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Fatalf("edge %d (-has +believed):\n%s", e.id, diff)
	}
}

func TestHolders(t *testing.T) {
	t.Parallel()
	ctx, v := t.Context(), inventory.New(inventory.Config{})
	must(t, v.Apply(ctx, 1, []meta.Holding{holding(1, 1, meta.Complete), holding(2, 2, meta.Complete)}))
	must(t, v.Apply(ctx, 2, []meta.Holding{holding(1, 1, meta.Partial), holding(1, 0, meta.Complete)}))
	must(t, v.Apply(ctx, 3, []meta.Holding{holding(1, 1, meta.Complete)}))
	if got := sorted(v.Holders(unit(1), root(1))); !slices.Equal(got, []meta.EdgeID{1, 3}) {
		t.Errorf("holders of the new version are %v", got)
	}
	if got := v.Holders(unit(1), root(0)); !slices.Equal(got, []meta.EdgeID{2}) {
		t.Errorf("holders of the old version are %v", got)
	}
	if got := v.Copies(unit(1), root(1)); len(got) != 3 {
		t.Errorf("copies are %v", got)
	}
	must(t, v.Apply(ctx, 1, []meta.Holding{holding(1, 1, meta.Gone), holding(7, 7, meta.Gone)}))
	must(t, v.Apply(ctx, 2, []meta.Holding{holding(1, 1, meta.Complete)}))
	if got := sorted(v.Holders(unit(1), root(1))); !slices.Equal(got, []meta.EdgeID{2, 3}) {
		t.Errorf("after one dropped and one completed it: %v", got)
	}
	if got := v.Count(2); got != 2 {
		t.Errorf("edge 2 has %d holdings", got)
	}
	must(t, v.Forget(ctx, 3))
	if got := v.Holders(unit(1), root(1)); !slices.Equal(got, []meta.EdgeID{2}) {
		t.Errorf("after edge 3 was forgotten: %v", got)
	}
	versions := 0
	for version, copies := range v.All() {
		versions++
		if len(copies) != 1 {
			t.Errorf("%v has copies %v", version, copies)
		}
	}
	if versions != 3 {
		t.Errorf("%d versions are held, want 3", versions)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	ctx, v := t.Context(), inventory.New(inventory.Config{PerEdge: 2})
	err := v.Apply(ctx, 1, []meta.Holding{holding(1, 1, meta.CachedUnit), holding(1, 1, 99), holding(2, 2, meta.Complete)})
	if !errors.Is(err, meta.ErrInvalid) {
		t.Errorf("states that are none: %v", err)
	}
	if got := v.Holders(unit(2), root(2)); len(got) != 1 {
		t.Error("a good change beside bad ones was lost")
	}
	err = v.Apply(ctx, 1, []meta.Holding{holding(3, 3, meta.Complete), holding(4, 4, meta.Complete)})
	if !errors.Is(err, inventory.ErrTooMany) || v.Count(1) != 2 {
		t.Errorf("one more than allowed: %v, holds %d", err, v.Count(1))
	}
	must(t, v.Apply(ctx, 1, []meta.Holding{holding(3, 3, meta.Partial)}))
	must(t, v.Apply(ctx, 2, []meta.Holding{holding(3, 3, meta.Complete)}))

	before := v.Holdings(1)
	other := inventory.Bucket(unit(3)) + 1
	if err := v.Report(ctx, 1, []uint8{other}, []meta.Holding{holding(3, 3, meta.Complete)}); !errors.Is(err, meta.ErrInvalid) {
		t.Errorf("a unit outside its bucket: %v", err)
	}
	if len(v.Holdings(1)) != len(before) {
		t.Error("a refused report changed something")
	}
}

// Beats get lost, arrive in part, edges reboot: after a digest and its report
// both sides agree, and only differing buckets travel.
func TestDigestsReconcile(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	v := inventory.New(inventory.Config{})
	edges := []*anEdge{newEdge(1), newEdge(2)}
	for range 60 {
		for _, e := range edges {
			var beat []meta.Holding
			for range random.IntN(20) {
				h := holding(random.IntN(300), random.IntN(2), meta.HoldingState(random.IntN(3)))
				h.Share = uint16(random.IntN(1000))
				e.set(h)
				beat = append(beat, h)
			}
			if random.IntN(3) > 0 { // else it is lost
				must(t, v.Apply(t.Context(), e.id, beat))
			}
		}
		if random.IntN(4) > 0 {
			continue
		}
		for _, e := range edges {
			e.reconcile(t, v)
			if n := e.reconcile(t, v); n != 0 {
				t.Fatalf("%d buckets differ after the report", n)
			}
			// Shares are outside the digest, so compare without them.
			for version, h := range e.holdings {
				h.Share = 0
				e.holdings[version] = h
			}
			got := v.Holdings(e.id)
			if len(got) != len(e.holdings) {
				t.Fatalf("edge %d has %d, believed %d", e.id, len(e.holdings), len(got))
			}
			for _, h := range got {
				if e.holdings[inventory.Version{Unit: h.Unit, Root: h.Root}].State != h.State {
					t.Fatalf("edge %d: %v is believed wrongly", e.id, h)
				}
			}
		}
	}
}

func TestOneLostChangeDrillsIntoOneBucket(t *testing.T) {
	t.Parallel()
	v, e := inventory.New(inventory.Config{}), newEdge(1)
	for n := range 10_000 {
		e.set(holding(n, n, meta.Complete))
	}
	if n := len(v.Diff(1, e.digest, time.Unix(1, 0))); n != 256 || v.Synced(1) {
		t.Errorf("%d buckets of an unknown edge differ, synced before the report came: %v", n, v.Synced(1))
	}
	e.reconcile(t, v)
	wantSame(t, e, v)
	e.set(holding(5, 5, meta.Gone))
	buckets := v.Diff(1, e.digest, time.Unix(1, 0))
	if len(buckets) != 1 || len(e.in(buckets)) > 100 {
		t.Fatalf("one lost change differs in %d buckets of %d units", len(buckets), len(e.in(buckets)))
	}
	must(t, v.Report(t.Context(), 1, buckets, e.in(buckets)))
	if !v.Synced(1) {
		t.Error("not synced after the report")
	}
	wantSame(t, e, v)
}

func TestDigestTellsHoldingsApart(t *testing.T) {
	t.Parallel()
	of := func(holdings ...meta.Holding) (d inventory.Digest) {
		for _, h := range holdings {
			d.Add(h)
		}
		return d
	}
	base := of(holding(1, 1, meta.Complete))
	noRoot := holding(1, 1, meta.Complete)
	noRoot.Root = sds.CID{}
	for name, other := range map[string]inventory.Digest{
		"nothing": {}, "another root": of(holding(1, 2, meta.Complete)), "another unit": of(holding(2, 1, meta.Complete)),
		"another state": of(holding(1, 1, meta.Partial)), "no root": of(noRoot),
		"twice": of(holding(1, 1, meta.Complete), holding(1, 1, meta.Complete)),
	} {
		if other == base {
			t.Errorf("%s has the same digest", name)
		}
	}
	share := holding(1, 1, meta.Complete)
	share.Share = 7
	if of(share) != base || of(holding(1, 1, meta.Complete), holding(3, 3, meta.Gone)) != base {
		t.Error("the share, or what is gone, counts")
	}
	base.Remove(holding(1, 1, meta.Complete))
	if base != (inventory.Digest{}) {
		t.Error("what was added and removed left something")
	}
}

// The numbers of docs/formats/inventory.md, for other implementations.
func TestDigestVector(t *testing.T) {
	t.Parallel()
	var d inventory.Digest
	h := meta.Holding{Unit: meta.UnitKey{1, 2, 3}, Root: sds.Sum(sds.Raw, nil), State: meta.Complete}
	d.Add(h)
	const bucket, sum = 26, uint64(0x3cc1c4267a306546)
	if got := inventory.Bucket(h.Unit); got != bucket || d[bucket] != sum {
		t.Errorf("bucket %d has %#x, want bucket %d and %#x", got, d[got], bucket, sum)
	}
}

func TestWantDigest(t *testing.T) {
	t.Parallel()
	v := inventory.New(inventory.Config{DigestEvery: time.Minute})
	now := time.Unix(1_000, 0)
	one, two := [8]byte{1}, [8]byte{2}
	want := func(what string, boot [8]byte, want bool) {
		t.Helper()
		if got := v.WantDigest(1, boot, now); got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	want("never compared", one, true)
	v.Diff(1, inventory.Digest{}, now)
	want("just compared", one, false)
	now = now.Add(time.Minute)
	want("a minute later", one, true)
	v.Diff(1, inventory.Digest{}, now)
	want("another boot", two, true)
	if !v.Synced(1) || v.Synced(2) {
		t.Error("a reboot of an edge that was compared, or an edge that never was")
	}
	v.Diff(1, inventory.Digest{7: 1}, now)
	want("with a report missing", two, true)
}

func TestFilter(t *testing.T) {
	t.Parallel()
	ctx, v := t.Context(), inventory.New(inventory.Config{})
	var cached []meta.UnitKey
	for n := range 5_000 {
		cached = append(cached, unit(n))
	}
	must(t, v.Cached(ctx, 1, inventory.EncodeFilter(cached)))
	must(t, v.Cached(ctx, 2, inventory.EncodeFilter(nil)))
	must(t, v.Cached(ctx, 1, nil)) // keeps the last
	among := []meta.EdgeID{1, 2, 3}
	wrong := 0
	for n := range 10_000 {
		got := v.Maybe(unit(n), among)
		switch {
		case n < 5_000 && !slices.Contains(got, 1):
			t.Fatalf("unit %d is cached and was denied", n)
		case n >= 5_000 && len(got) > 0:
			wrong++
		}
		if slices.Contains(got, 2) || slices.Contains(got, 3) {
			t.Fatalf("maybe on edges without anything: %v", got)
		}
	}
	if wrong > 100 {
		t.Errorf("%d of 5000 were wrongly thought to be cached", wrong)
	}
	many := make([]meta.UnitKey, 400_000)
	for n := range many {
		many[n] = unit(n)
	}
	if got := len(inventory.EncodeFilter(many)); got > inventory.MaxFilterBytes+24 {
		t.Errorf("the largest filter has %d bytes", got)
	}
	must(t, v.Cached(ctx, 3, inventory.EncodeFilter(many)))
}

func openScope(t *testing.T) (*viewstore.Embedded, viewstore.Scope) {
	t.Helper()
	store, err := viewstore.Open(t.TempDir())
	must(t, err)
	t.Cleanup(func() { store.Close() })
	return store, store.Scope("inventory")
}

func TestRestartIsWarm(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	store, scope := openScope(t)
	load := func() *inventory.Inventory {
		v := inventory.New(inventory.Config{Scope: scope})
		must(t, v.Load(ctx))
		return v
	}
	v, one, two := load(), newEdge(1), newEdge(0xffffffff)
	for n := range 300 {
		one.set(holding(n, n, meta.Complete))
		two.set(holding(n, n+1, meta.Partial))
	}
	one.reconcile(t, v)
	two.reconcile(t, v)
	noRoot := meta.Holding{Unit: unit(9999), State: meta.Partial, Share: 512}
	one.set(noRoot)
	must(t, v.Apply(ctx, 1, []meta.Holding{noRoot, holding(4, 4, meta.Gone)}))
	one.set(holding(4, 4, meta.Gone))
	must(t, v.Cached(ctx, 2, inventory.EncodeFilter([]meta.UnitKey{unit(1)})))

	v = load()
	wantSame(t, one, v)
	wantSame(t, two, v)
	if got := v.Maybe(unit(1), []meta.EdgeID{1, 2}); !slices.Equal(got, []meta.EdgeID{2}) {
		t.Errorf("maybe after a restart: %v", got)
	}
	if n := one.reconcile(t, v) + two.reconcile(t, v); n != 0 {
		t.Errorf("%d buckets differ after a restart", n)
	}
	if v.Synced(1) != true {
		t.Error("an equal digest does not count as synced")
	}

	// Wiped under way: the next change writes all of it again.
	must(t, store.Wipe(ctx))
	must(t, v.Apply(ctx, 1, []meta.Holding{holding(5, 5, meta.Gone)}))
	one.set(holding(5, 5, meta.Gone))
	v = load()
	wantSame(t, one, v)
	wantSame(t, two, v)
	if got := v.Maybe(unit(1), []meta.EdgeID{2}); len(got) != 1 {
		t.Error("the filter was not written again")
	}

	// Wiped while nobody ran: edges bring it back.
	must(t, store.Wipe(ctx))
	v = load()
	if v.Count(1) != 0 || v.Synced(1) {
		t.Error("something is believed after a wipe")
	}
	one.reconcile(t, v)
	wantSame(t, one, v)
	must(t, v.Forget(ctx, 1))
	if v = load(); v.Count(1) != 0 {
		t.Error("a forgotten edge came back")
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	_, scope := openScope(t)
	ctx, v := context.Background(), inventory.New(inventory.Config{Scope: scope})
	must(t, v.Load(ctx))
	var group sync.WaitGroup
	for id := range meta.EdgeID(4) {
		group.Go(func() {
			e := newEdge(id)
			for n := range 200 {
				h := holding(n%50, 0, meta.HoldingState(n%3))
				e.set(h)
				if err := v.Apply(ctx, id, []meta.Holding{h}); err != nil {
					t.Error(err)
				}
				v.Diff(id, e.digest, time.Now())
			}
			if buckets := v.Diff(id, e.digest, time.Now()); buckets != nil {
				t.Errorf("edge %d differs in %v", id, buckets)
			}
		})
		group.Go(func() {
			for n := range 2_000 {
				v.Holders(unit(n%50), root(0))
				v.Maybe(unit(n%50), []meta.EdgeID{id})
				for range v.All() {
					break
				}
			}
		})
	}
	group.Wait()
}

func FuzzCached(f *testing.F) {
	f.Add(inventory.EncodeFilter(nil))
	f.Add(inventory.EncodeFilter([]meta.UnitKey{unit(1), unit(2)}))
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		v := inventory.New(inventory.Config{})
		if err := v.Cached(t.Context(), 1, encoded); err != nil && !errors.Is(err, meta.ErrInvalid) {
			t.Fatalf("error of another kind: %v", err)
		}
		v.Maybe(unit(1), []meta.EdgeID{1})
	})
}

func BenchmarkHolders(b *testing.B) {
	v := inventory.New(inventory.Config{})
	for id := range meta.EdgeID(3) {
		for n := range 100_000 {
			v.Apply(b.Context(), id, []meta.Holding{holding(n, n, meta.Complete)})
		}
	}
	u, r := unit(77), root(77)
	b.ReportAllocs()
	for b.Loop() {
		v.Holders(u, r)
	}
}
