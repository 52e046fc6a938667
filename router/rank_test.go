package router

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/place"
)

// byHand ranks without any of the short cuts: it weighs every edge and sorts.
func byHand(t *Table, q *Query) (working, rest []meta.EdgeID) {
	type edge struct {
		id       meta.EdgeID
		expected float32
		spare    float64
	}
	var all []edge
	order := t.geometry.build(cellKey(q.Lat, q.Lon)).order
	for _, entry := range order {
		i := entry & 0xffff
		e := &t.Edges[i]
		if t.reasonAgainst(e) != "" || e.ID == q.Avoid {
			continue
		}
		expected := float32(entry>>16)/perMs + t.fixed[i]
		if !slices.Contains(q.Holders, e.ID) {
			nearest := math.Inf(1)
			for _, h := range q.Holders {
				if holder, ok := t.Edge(h); ok && (holder.State == meta.Live || holder.State == meta.Draining) {
					nearest = min(nearest, vectorOf(e.Lat, e.Lon).chord2(vectorOf(holder.Lat, holder.Lon)))
				}
			}
			if !math.IsInf(nearest, 1) {
				fill := float32(math.Floor(float64(t.geometry.arcs.ms(nearest))*perMs)) / perMs
				expected += missOf(slices.Contains(q.Maybe, e.ID), q.Requests) * fill
			}
		}
		all = append(all, edge{e.ID, expected, float64(t.spare[i])})
	}
	slices.SortStableFunc(all, func(a, b edge) int { return cmp.Compare(a.expected, b.expected) })
	var group []meta.EdgeID
	var spare float64
	for _, e := range all {
		if e.expected <= all[0].expected+GroupMs {
			group = append(group, e.id)
			spare += e.spare
		}
	}
	if len(group) == 0 {
		return nil, nil
	}
	working = place.Rank(q.Unit, group...)
	working = working[:min(workingSize(q.Bits, spare/float64(len(group))), len(working))]
	for _, e := range all {
		if len(working)+len(rest) < TicketEdges && !slices.Contains(working, e.id) {
			rest = append(rest, e.id)
		}
	}
	return working, rest
}

func TestRankingChoosesWhatWeighingEveryEdgeChooses(t *testing.T) {
	t.Parallel()
	choice := new(Choice)
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		edges := fleet(rapid.IntRange(0, 200).Draw(t, "edges"), random)
		for i := range edges {
			switch rapid.IntRange(0, 12).Draw(t, "oddity") {
			case 0:
				edges[i].State = meta.EdgeState(random.IntN(6))
			case 1:
				edges[i].Capacity = 0
			case 2:
				edges[i].Load.Sending = 2e9
			case 3:
				edges[i].Load = meta.Load{Failures: 5000, Sending: -1}
			}
		}
		table := NewTable(edges, rapid.Bool().Draw(t, "development"), nil)
		if len(edges) == 0 {
			edges = []meta.Edge{{ID: 99}}
		}
		for _, q := range queries(5, edges, random, true) {
			if rapid.Bool().Draw(t, "avoid") {
				q.Avoid = edges[random.IntN(len(edges))].ID
			}
			for range rapid.IntRange(0, 4).Draw(t, "more holders") {
				q.Holders = append(q.Holders, edges[random.IntN(len(edges))].ID)
			}
			q.Holders = q.Holders[rapid.IntRange(0, 3).Draw(t, "fewer holders"):]
			q.Bits *= rapid.Float64Range(0, 100).Draw(t, "heat")
			Rank(table, &q, choice)
			working, rest := byHand(table, &q)
			if !slices.Equal(choice.Working, working) {
				t.Fatalf("got working set %v, want %v", choice.Working, working)
			}
			if len(choice.Rest) != len(rest) {
				t.Fatalf("got rest %v, want %v", choice.Rest, rest)
			}
			if slices.ContainsFunc(choice.flags, func(f uint8) bool { return f != 0 }) {
				t.Fatal("flags were left behind")
			}
		}
	})
}

func TestALargeNetworkIsRankedAsASmallOneIs(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	edges := fleet(mostRows+1, random)
	table, choice := NewTable(edges, true, nil), new(Choice)
	if table.geometry.rows != nil {
		t.Fatal("rows are remembered for more edges than they have room for")
	}
	for _, q := range queries(20, edges, random, true) {
		Rank(table, &q, choice)
		working, rest := byHand(table, &q)
		if !slices.Equal(choice.Working, working) || len(choice.Rest) != len(rest) {
			t.Errorf("got %v and %v, want %v and %v", choice.Working, choice.Rest, working, rest)
		}
	}
}

func TestWhatMovesARanking(t *testing.T) {
	t.Parallel()
	near, far := edgeAt(1, "a", 50, 8), edgeAt(2, "b", 40, -74)
	frankfurt := Query{Lat: 50, Lon: 8, Unit: meta.UnitKey{7}}
	with := func(edit func(q *Query)) Query { q := frankfurt; edit(&q); return q }
	edge := func(e meta.Edge, edit func(e *meta.Edge)) meta.Edge { edit(&e); return e }
	for name, test := range map[string]struct {
		edges   []meta.Edge
		q       Query
		first   []meta.EdgeID
		rest    []meta.EdgeID
		sources []meta.EdgeID
		dev     bool
	}{
		"the nearest is first, the next is kept in reserve": {edges: []meta.Edge{near, far}, q: frankfurt, first: []meta.EdgeID{1}, rest: []meta.EdgeID{2}},
		"a suspect edge is out":                             {edges: []meta.Edge{edge(near, func(e *meta.Edge) { e.State = meta.Suspect }), far}, q: frankfurt, first: []meta.EdgeID{2}},
		"a draining edge is out":                            {edges: []meta.Edge{edge(near, func(e *meta.Edge) { e.State = meta.Draining }), far}, q: frankfurt, first: []meta.EdgeID{2}},
		"an edge that sends all it can comes after one across the ocean": {
			edges: []meta.Edge{edge(near, func(e *meta.Edge) { e.Load.Sending = 2e9 }), far}, q: frankfurt, first: []meta.EdgeID{2}, rest: []meta.EdgeID{1},
		},
		"so does one that fails every fourth request": {
			edges: []meta.Edge{edge(near, func(e *meta.Edge) { e.Load.Failures = 250 }), far}, q: frankfurt, first: []meta.EdgeID{2}, rest: []meta.EdgeID{1},
		},
		"the only holder across the ocean loses to a near cache for a hot unit": {
			edges: []meta.Edge{near, far}, q: with(func(q *Query) { q.Holders = []meta.EdgeID{2}; q.Requests = 100 }),
			first: []meta.EdgeID{1}, rest: []meta.EdgeID{2}, sources: []meta.EdgeID{2},
		},
		"the edge that sent the client back is out": {
			edges: []meta.Edge{near, far}, q: with(func(q *Query) { q.Avoid = 1 }), first: []meta.EdgeID{2},
		},
		"no live edge at all": {edges: []meta.Edge{edge(near, func(e *meta.Edge) { e.State = meta.Down })}, q: frankfurt},
		"plain http is for development networks": {
			edges: []meta.Edge{edge(near, func(e *meta.Edge) { e.TLSURL = "" }), far}, q: frankfurt, first: []meta.EdgeID{2},
		},
		"and good there": {
			edges: []meta.Edge{edge(near, func(e *meta.Edge) { e.TLSURL = "" }), far}, q: frankfurt, first: []meta.EdgeID{1}, rest: []meta.EdgeID{2}, dev: true,
		},
		"holders are sources, nearest to the first edge first, a suspect one is none": {
			edges: []meta.Edge{near, far, edgeAt(3, "c", 51, 0), edge(edgeAt(4, "d", 50, 7), func(e *meta.Edge) { e.State = meta.Suspect })},
			q:     with(func(q *Query) { q.Holders = []meta.EdgeID{2, 3, 4, 9}; q.Requests = 1000 }),
			first: []meta.EdgeID{1, 3}, rest: []meta.EdgeID{2}, sources: []meta.EdgeID{3, 2},
		},
		"an address that is no number is somewhere": {
			edges: []meta.Edge{near}, q: Query{Lat: math.NaN(), Lon: math.Inf(1)}, first: []meta.EdgeID{1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			choice := new(Choice)
			Rank(NewTable(test.edges, test.dev, nil), &test.q, choice)
			working := slices.Sorted(slices.Values(choice.Working))
			if !slices.Equal(working, test.first) || !slices.Equal(choice.Rest, test.rest) || !slices.Equal(choice.Sources, test.sources) {
				t.Errorf("got working set %v, rest %v, sources %v; want %v, %v, %v",
					working, choice.Rest, choice.Sources, test.first, test.rest, test.sources)
			}
		})
	}
}

func TestAWorkingSetGrowsWithDemand(t *testing.T) {
	t.Parallel()
	var edges []meta.Edge
	for i := range 30 {
		edges = append(edges, edgeAt(meta.EdgeID(i+1), "a", 50, 8))
	}
	table := NewTable(edges, true, nil)
	for _, test := range []struct {
		bits float64
		want int
	}{{0, 2}, {9e8, 2}, {1.1e9, 3}, {5e9, 10}, {1e12, MostWorking}} {
		choice := new(Choice)
		Rank(table, &Query{Lat: 50, Lon: 8, Bits: test.bits}, choice)
		if len(choice.Working) != test.want || choice.Group != len(edges) {
			t.Errorf("demand of %g bit/s: got %d edges of a group of %d, want %d of 30", test.bits, len(choice.Working), choice.Group, test.want)
		}
	}
}

func TestAUnitKeepsItsEdgesWhenOthersComeAndGo(t *testing.T) {
	t.Parallel()
	var edges []meta.Edge
	for i := range 20 {
		edges = append(edges, edgeAt(meta.EdgeID(i+1), "a", 50, 8))
	}
	before, after := NewTable(edges, true, nil), NewTable(edges[1:], true, nil)
	moved := 0
	a, b := new(Choice), new(Choice)
	for i := range 1000 {
		q := Query{Lat: 50, Lon: 8, Unit: meta.UnitKey{byte(i), byte(i >> 8), 1}}
		Rank(before, &q, a)
		Rank(after, &q, b)
		switch {
		case slices.Contains(a.Working, 1):
			moved++
		case !slices.Equal(a.Working, b.Working):
			t.Fatalf("unit %d moved from %v to %v, though edge 1 was none of them", i, a.Working, b.Working)
		}
	}
	if moved < 60 || moved > 140 {
		t.Errorf("%d of 1,000 units lost an edge, want about 100", moved)
	}
}

func TestRoundTripsAreThoseOfTheGlobe(t *testing.T) {
	t.Parallel()
	table := newArcs()
	random := rand.New(rand.NewPCG(1, 2))
	for range 10000 {
		a, b := vectorOf(random.Float64()*180-90, random.Float64()*360-180), vectorOf(random.Float64()*180-90, random.Float64()*360-180)
		want := roundTripMs(km(a, b))
		if got := float64(table.ms(a.chord2(b))); km(a, b) < 19600 && math.Abs(got-want) > 0.1 {
			t.Fatalf("%.0f km: got %.3f ms, want %.3f", km(a, b), got, want)
		}
	}
	for _, test := range []struct {
		name       string
		a, b       vector
		ms, within float64
	}{
		{"Frankfurt to New York", vectorOf(50.11, 8.68), vectorOf(40.71, -74.01), 91, 1},
		{"Frankfurt to Singapore", vectorOf(50.11, 8.68), vectorOf(1.35, 103.82), 149, 1},
		{"to oneself", vectorOf(50.11, 8.68), vectorOf(50.11, 8.68), RoundTripBase, 0.001},
		{"across the date line", vectorOf(0, 179.9), vectorOf(0, -179.9), 2.3, 0.1},
		{"pole to pole", vectorOf(90, 0), vectorOf(-90, 77), 288, 1},
	} {
		if got := float64(table.ms(test.a.chord2(test.b))); math.Abs(got-test.ms) > test.within {
			t.Errorf("%s: got %.2f ms, want %.2f", test.name, got, test.ms)
		}
	}
}

func TestATableKeepsItsGeometryWhileEdgesStandStill(t *testing.T) {
	t.Parallel()
	edges := fleet(100, rand.New(rand.NewPCG(1, 2)))
	first := NewTable(edges, true, nil)
	edges[3].State, edges[4].Load.Sending = meta.Draining, 5
	second := NewTable(edges, true, first)
	if second.geometry != first.geometry {
		t.Error("a change of state threw the geometry away")
	}
	edges[5].Lat++
	if NewTable(edges, true, second).geometry == first.geometry {
		t.Error("an edge moved, and the geometry did not see it")
	}
	if NewTable(edges[1:], true, second).geometry == first.geometry {
		t.Error("an edge went, and the geometry did not see it")
	}
}

func TestRankingAllocatesNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	edges := fleet(1000, random)
	table, choice := NewTable(edges, true, nil), new(Choice)
	q := queries(1, edges, random, false)[0]
	Rank(table, &q, choice)
	if n := testing.AllocsPerRun(100, func() { Rank(table, &q, choice) }); n != 0 {
		t.Errorf("%g allocations for a ranking", n)
	}
}

func TestEveryEdgeIsExplained(t *testing.T) {
	t.Parallel()
	edges := append(world(), edgeAt(6, "eu-central", 50.2, 8.6), edgeAt(7, "eu-central", 50.0, 8.5), edgeAt(8, "x", 0, 0), edgeAt(9, "eu", 50, 8))
	edges[7].State, edges[8].URL, edges[8].TLSURL = meta.Suspect, "", ""
	table := NewTable(edges, true, nil)
	q := Query{Lat: 50.11, Lon: 8.68, Holders: []meta.EdgeID{3}, Avoid: 7}
	choice := new(Choice)
	Rank(table, &q, choice)
	d := Explain(table, &q, choice)
	if len(d.Candidates)+len(d.Rejected) != len(edges) {
		t.Fatalf("%d candidates and %d rejected of %d edges", len(d.Candidates), len(d.Rejected), len(edges))
	}
	why := map[meta.EdgeID]string{}
	for _, c := range d.Candidates {
		why[c.Edge] = c.Reason
		if sum := c.RoundTrip + c.Miss*c.FillMs + c.QueueMs + c.PenaltyMs; math.Abs(sum-c.ExpectedMs) > 0.3 {
			t.Errorf("edge %d: the parts make %.2f ms, the whole is %.2f", c.Edge, sum, c.ExpectedMs)
		}
	}
	for _, e := range d.Rejected {
		why[e.Edge] = e.Reason
	}
	for id, want := range map[meta.EdgeID]string{
		7: "came back from it", 8: "suspect", 9: "no address", 5: "later than the best",
	} {
		if !strings.Contains(why[id], want) && !strings.Contains(why[id], "round trip alone") {
			t.Errorf("edge %d: got %q, want something about %q", id, why[id], want)
		}
	}
}
