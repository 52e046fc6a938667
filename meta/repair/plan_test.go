package repair_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/health"
	"github.com/stratos-mesh/stratos/meta/inventory"
	"github.com/stratos-mesh/stratos/meta/place"
	"github.com/stratos-mesh/stratos/meta/repair"
	"github.com/stratos-mesh/stratos/meta/viewstore"
	"github.com/stratos-mesh/stratos/sds"
)

func item(n int) *repair.Item {
	unit := meta.UnitKey(sha256.Sum256(fmt.Append(nil, "unit ", n)))
	return repair.Items(meta.Record{
		Name: meta.Name(fmt.Sprint("test/", n)), Root: sds.Sum(sds.DagPB, unit[:]), Size: 1 << 20, Replicas: 3, Units: []meta.UnitKey{unit},
	}, nil)[0]
}

// still is a snapshot of five edges, in the given states, that hold one item as
// given.
func still(states [5]meta.EdgeState, held map[meta.EdgeID]meta.HoldingState) repair.Snapshot {
	s := repair.Snapshot{View: &place.View{}, Items: each(item(1))}
	var copies []inventory.Copy
	for n, state := range states {
		id := meta.EdgeID(n + 1)
		s.Edges = append(s.Edges, repair.Edge{ID: id, State: state, Synced: true})
		s.View.Edges = append(s.View.Edges, place.ViewEdge{ID: id, Weight: 1})
		if h, ok := held[id]; ok {
			copies = append(copies, inventory.Copy{Edge: id, State: h})
		}
	}
	s.Copies = func(inventory.Version) []inventory.Copy { return copies }
	return s
}

func TestMake(t *testing.T) {
	t.Parallel()
	const L, S, R, D, J = meta.Live, meta.Suspect, meta.Draining, meta.Down, meta.Joining
	const C, P = meta.Complete, meta.Partial
	type held = map[meta.EdgeID]meta.HoldingState
	for _, test := range []struct {
		name    string
		states  [5]meta.EdgeState
		held    held
		change  func(*repair.Snapshot)
		targets []meta.EdgeID // in any order; nil is no need
		kinds   []meta.WorkKind
		sources []meta.EdgeID
		drop    []meta.EdgeID
		lost    int
	}{
		{name: "enough", states: [5]meta.EdgeState{L, L, L, L, L}, held: held{1: C, 2: C, 3: C}},
		{name: "a suspect copy counts", states: [5]meta.EdgeState{S, L, L, L, L}, held: held{1: C, 2: C, 3: C}},
		{
			name: "a down copy does not", states: [5]meta.EdgeState{D, L, L, D, L}, held: held{1: C, 2: C, 3: C},
			targets: []meta.EdgeID{5}, sources: []meta.EdgeID{2, 3},
		},
		{
			name: "a joining edge is neither holder nor target", states: [5]meta.EdgeState{J, L, L, J, L}, held: held{1: C, 2: C, 3: C},
			targets: []meta.EdgeID{5}, sources: []meta.EdgeID{2, 3},
		},
		{name: "suspect and draining edges are no targets", states: [5]meta.EdgeState{D, L, L, S, R}, held: held{1: C, 2: C, 3: C}},
		{
			name: "a draining copy is handed over, and the last source", states: [5]meta.EdgeState{R, S, L, D, L}, held: held{1: C, 2: C, 3: C},
			targets: []meta.EdgeID{5}, sources: []meta.EdgeID{3, 2, 1},
		},
		{
			name: "a partial copy is completed first", states: [5]meta.EdgeState{L, L, L, L, L}, held: held{1: C, 2: C, 4: P},
			targets: []meta.EdgeID{4}, sources: []meta.EdgeID{1, 2},
		},
		{name: "nobody has it", states: [5]meta.EdgeState{D, L, L, L, L}, held: held{1: C, 2: P}, lost: 1},
		{name: "nobody is left to take it", states: [5]meta.EdgeState{D, L, L, D, D}, held: held{1: C, 2: C, 3: C}},
		{name: "one too many", states: [5]meta.EdgeState{L, L, L, L, D}, held: held{1: C, 2: C, 3: C, 4: C}, drop: []meta.EdgeID{0}},
		{name: "one too many, but one is suspect", states: [5]meta.EdgeState{L, L, L, S, L}, held: held{1: C, 2: C, 3: C, 4: C}},
		{
			name: "one too many, but one is outside the view", states: [5]meta.EdgeState{L, L, L, L, L}, held: held{1: C, 2: C, 3: C, 4: C},
			change: func(s *repair.Snapshot) { s.View.Edges = s.View.Edges[:2] },
		},
		{
			name: "a full edge is no target", states: [5]meta.EdgeState{D, L, L, L, L}, held: held{1: C, 2: C, 3: C},
			change:  func(s *repair.Snapshot) { s.Edges[3].PinnedFree = 1000 },
			targets: []meta.EdgeID{5}, sources: []meta.EdgeID{2, 3},
		},
		{
			name: "an edge that failed lately is no target", states: [5]meta.EdgeState{D, L, L, L, L}, held: held{1: C, 2: C, 3: C},
			change: func(s *repair.Snapshot) {
				s.Avoid = func(_ inventory.Version, id meta.EdgeID) bool { return id == 5 }
			},
			targets: []meta.EdgeID{4}, sources: []meta.EdgeID{2, 3},
		},
		{
			name: "what is under way counts", states: [5]meta.EdgeState{D, L, L, L, L}, held: held{1: C, 2: C, 3: C},
			change: func(s *repair.Snapshot) {
				s.Underway = func(inventory.Version) []meta.EdgeID { return []meta.EdgeID{4} }
			},
		},
		{
			name: "what is under way to an edge that went down does not", states: [5]meta.EdgeState{D, L, L, D, L}, held: held{1: C, 2: C, 3: C},
			change: func(s *repair.Snapshot) {
				s.Underway = func(inventory.Version) []meta.EdgeID { return []meta.EdgeID{4} }
			},
			targets: []meta.EdgeID{5}, sources: []meta.EdgeID{2, 3},
		},
		{
			name: "halted with two replicas", states: [5]meta.EdgeState{D, D, L, L, L}, held: held{1: C, 3: C, 4: C},
			change: func(s *repair.Snapshot) { s.Halt = health.Halt{Active: true, Calm: true} },
		},
		{
			name: "halted with one replica and calm", states: [5]meta.EdgeState{D, D, L, L, D}, held: held{1: C, 2: C, 3: C},
			change:  func(s *repair.Snapshot) { s.Halt = health.Halt{Active: true, Calm: true} },
			targets: []meta.EdgeID{4}, sources: []meta.EdgeID{3},
		},
		{
			name: "halted with one replica and not calm", states: [5]meta.EdgeState{D, D, L, L, D}, held: held{1: C, 2: C, 3: C},
			change: func(s *repair.Snapshot) { s.Halt = health.Halt{Active: true} },
		},
		{
			name: "waiting for an inventory", states: [5]meta.EdgeState{D, D, L, L, D}, held: held{1: C, 2: C, 3: C},
			change: func(s *repair.Snapshot) { s.Waiting = "for somebody" },
		},
		{
			name: "just published, nobody said complete", states: [5]meta.EdgeState{L, L, L, L, L}, held: held{2: P},
			change: func(s *repair.Snapshot) {
				i := item(1)
				i.Durable = []meta.EdgeID{1, 2, 3}
				s.Items = each(i)
			},
			targets: []meta.EdgeID{1, 2, 3}, kinds: []meta.WorkKind{meta.Check, meta.Check, meta.Check}, sources: []meta.EdgeID{1, 2, 3},
		},
		{
			name: "just published, in a halt", states: [5]meta.EdgeState{L, L, L, D, D}, held: held{},
			change: func(s *repair.Snapshot) {
				i := item(1)
				i.Durable = []meta.EdgeID{1, 2}
				s.Items, s.Halt = each(i), health.Halt{Active: true, Calm: true}
			},
			targets: []meta.EdgeID{1, 2}, kinds: []meta.WorkKind{meta.Check, meta.Check}, sources: []meta.EdgeID{1, 2},
		},
		{
			name: "just published on too few", states: [5]meta.EdgeState{L, L, L, D, D}, held: held{},
			change: func(s *repair.Snapshot) {
				i := item(1)
				i.Durable = []meta.EdgeID{1, 2}
				s.Items = each(i)
			},
			targets: []meta.EdgeID{1, 2, 3}, kinds: []meta.WorkKind{meta.Check, meta.Check, meta.Replicate}, sources: []meta.EdgeID{1, 2},
		},
		{
			name: "published long ago, and its edges dropped it since", states: [5]meta.EdgeState{L, L, L, D, D}, held: held{4: C},
			change: func(s *repair.Snapshot) {
				i := item(1)
				i.Durable = []meta.EdgeID{1, 2}
				s.Items, s.Now = each(i), i.Record.Modified.Add(time.Hour)
			}, lost: 1,
		},
		{
			name: "published long ago, and nobody ever said that he has it", states: [5]meta.EdgeState{L, L, D, D, D}, held: held{1: P},
			change: func(s *repair.Snapshot) {
				i := item(1)
				i.Durable = []meta.EdgeID{1, 2}
				s.Items, s.Now = each(i), i.Record.Modified.Add(time.Hour)
			},
			targets: []meta.EdgeID{1, 2}, kinds: []meta.WorkKind{meta.Check, meta.Check}, sources: []meta.EdgeID{1, 2},
		},
		{
			name: "more edges are wanted than exist", states: [5]meta.EdgeState{L, L, D, D, D}, held: held{1: C, 2: C},
			change: func(s *repair.Snapshot) { s.Heat = func(meta.UnitKey) int { return 20 } },
		},
		{
			name: "no view yet", states: [5]meta.EdgeState{L, L, L, L, L}, held: held{1: C},
			change: func(s *repair.Snapshot) { s.View = &place.View{} },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := still(test.states, test.held)
			if test.change != nil {
				test.change(&s)
			}
			plan := repair.Make(&s)
			var targets, sources []meta.EdgeID
			var kinds []meta.WorkKind
			for _, n := range plan.Needs {
				sources = n.Sources
				for _, target := range n.Targets {
					targets, kinds = append(targets, target.Edge), append(kinds, target.Kind)
				}
			}
			slices.Sort(targets)
			if diff := cmp.Diff(test.targets, targets); diff != "" {
				t.Error("targets (-want +got):\n" + diff)
			}
			if test.kinds != nil {
				if diff := cmp.Diff(test.kinds, kinds); diff != "" {
					t.Error("kinds (-want +got):\n" + diff)
				}
			}
			if test.targets != nil {
				if diff := cmp.Diff(test.sources, sources); diff != "" {
					t.Error("sources (-want +got):\n" + diff)
				}
			}
			if got := len(plan.Extras); got != len(test.drop) {
				t.Errorf("%d extras, want %d", got, len(test.drop))
			}
			if plan.Lost != test.lost {
				t.Errorf("%d lost, want %d", plan.Lost, test.lost)
			}
		})
	}
}

func TestItemSizes(t *testing.T) {
	t.Parallel()
	record := meta.Record{Size: 2*meta.ShardSize + 5, Units: make([]meta.UnitKey, 3)}
	var got []int64
	for _, i := range repair.Items(record, nil) {
		got = append(got, i.Size())
	}
	if diff := cmp.Diff([]int64{meta.ShardSize, meta.ShardSize, 5}, got); diff != "" {
		t.Error(diff)
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	store, err := viewstore.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	now := time.Unix(1_800_000_000, 0)
	open := func() *repair.Numbers {
		n, err := repair.OpenNumbers(ctx, store.Scope("work"), func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	seen, last := map[uint64]bool{}, uint64(0)
	take := func(n *repair.Numbers) {
		t.Helper()
		var mu sync.Mutex
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for range 500 {
					number := n.Next()
					mu.Lock()
					if seen[number] {
						t.Errorf("number %d again", number)
					}
					seen[number], last = true, max(last, number)
					mu.Unlock()
				}
			})
		}
		group.Wait()
	}
	n := open()
	take(n)
	now = now.Add(50 * time.Second)
	if err := n.Reserve(ctx); err != nil {
		t.Fatal(err)
	}
	take(n)
	now = now.Add(-time.Hour) // the clock is set back
	take(n)
	take(open())
	now = now.Add(2 * time.Hour)
	before := last
	if err := errors.Join(store.Wipe(ctx), open().Reserve(ctx)); err != nil {
		t.Fatal(err)
	}
	n = open()
	take(n)
	if n.Next() <= before {
		t.Error("numbers went back after a wipe")
	}
	if err := errors.Join(store.Wipe(ctx)); err != nil { // under way
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	if err := n.Reserve(ctx); err != nil {
		t.Error(err)
	}
}

func TestHeat(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	h := repair.NewHeat(repair.HeatConfig{Step: 100, MaxUnits: 50, Now: func() time.Time { return now }})
	unit := item(1).Unit
	minutes := func(n, perMinute int) {
		for range n * 6 {
			now = now.Add(10 * time.Second)
			h.Note(unit, perMinute/6)
		}
	}
	want := func(what string, want int) {
		t.Helper()
		if got := h.Extra(unit); got != want {
			t.Errorf("%s: %d extra, want %d", what, got, want)
		}
	}
	want("never asked for", 0)
	minutes(60, 60)
	want("below the step", 0)
	minutes(60, 120)
	want("above it", 1)
	minutes(60, 60)
	want("a little cooler", 1)
	minutes(60, 36)
	want("below half the step", 0)
	minutes(60, 1200)
	want("twelve times the step", 4)
	minutes(60, 1_000_000)
	want("at most", 8)
	now = now.Add(24 * time.Hour)
	want("a day later", 0)
	for n := range 200 {
		h.Note(item(n).Unit, 100)
	}
	if h.Ignored() == 0 {
		t.Error("more units are watched than allowed")
	}
	now = now.Add(time.Hour)
	ignored := h.Ignored()
	h.Note(item(1000).Unit, 1)
	if h.Ignored() != ignored {
		t.Error("cold units were not forgotten for a new one")
	}
}

// large is a snapshot with units on three of many edges each, a tenth of which
// are down.
func large(units, edges int) repair.Snapshot {
	random := rand.New(rand.NewPCG(1, 2))
	s := repair.Snapshot{View: &place.View{}}
	for n := range edges {
		id, state := meta.EdgeID(n+1), meta.Live
		if n%10 == 0 {
			state = meta.Down
		}
		s.Edges = append(s.Edges, repair.Edge{ID: id, State: state, Synced: true, Capacity: capacity})
		s.View.Edges = append(s.View.Edges, place.ViewEdge{ID: id, Weight: 4, Region: fmt.Sprint(n % 7), Operator: fmt.Sprint(n % 50)})
	}
	held := make(map[inventory.Version][]inventory.Copy, units)
	var items []*repair.Item
	for n := range units {
		i := item(n)
		items = append(items, i)
		for _, at := range random.Perm(edges)[:3] {
			held[i.Version()] = append(held[i.Version()], inventory.Copy{Edge: meta.EdgeID(at + 1), State: meta.Complete})
		}
	}
	s.Items = slices.Values(items)
	s.Copies = func(v inventory.Version) []inventory.Copy { return held[v] }
	return s
}

func BenchmarkMake(b *testing.B) {
	for _, edges := range []int{10, 100, 1000} {
		s := large(10_000, edges)
		b.Run(fmt.Sprintf("10000 units, %d edges", edges), func(b *testing.B) {
			for b.Loop() {
				repair.Make(&s)
			}
		})
	}
}

// BenchmarkMakeHealthy is what every beat costs when nothing is wrong.
func BenchmarkMakeHealthy(b *testing.B) {
	s := large(100_000, 100)
	for i := range s.Edges {
		s.Edges[i].State = meta.Live
	}
	b.ReportAllocs()
	for b.Loop() {
		repair.Make(&s)
	}
}

func BenchmarkTick(b *testing.B) {
	s := large(10_000, 100)
	number := uint64(0)
	config := repair.Defaults(false)
	config.Number = func() uint64 { number++; return number }
	scheduler := repair.New(config)
	for b.Loop() {
		scheduler.Tick(s)
	}
}
