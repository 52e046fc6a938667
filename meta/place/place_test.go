package place_test

import (
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/place"
)

func key(n int) meta.UnitKey { return sha256.Sum256(fmt.Append(nil, "unit ", n)) }

// world is a view of many edges in some regions, operators and networks.
func world(edges int) *place.View {
	v := &place.View{Epoch: 7}
	for i := range edges {
		v.Edges = append(v.Edges, place.ViewEdge{
			ID: meta.EdgeID(i + 1), Weight: uint8(i%place.MaxWeight + 1),
			Region: fmt.Sprint("region ", i%7), Operator: fmt.Sprint("operator ", i%11), ASN: uint32(64500 + i%13),
		})
	}
	return v
}

func without(v *place.View, gone meta.EdgeID) *place.View {
	return v.Keep(func(id meta.EdgeID) bool { return id != gone })
}

func TestUnitsSpreadByWeight(t *testing.T) {
	t.Parallel()
	v := world(20)
	const units = 200_000
	first, total := map[meta.EdgeID]float64{}, 0.0
	for n := range units {
		first[place.Order(key(n), v)[0]]++
	}
	for _, edge := range v.Edges {
		total += float64(edge.Weight)
	}
	var chi float64
	for _, edge := range v.Edges {
		want := units * float64(edge.Weight) / total
		chi += (first[edge.ID] - want) * (first[edge.ID] - want) / want
	}
	// 19 degrees of freedom: above 50 happens to a fair choice once in 7,000.
	if chi > 50 {
		t.Errorf("chi squared is %.1f; got %v", chi, first)
	}
}

func TestPlainRankIsFair(t *testing.T) {
	t.Parallel()
	const edges, units = 16, 100_000
	ids := make([]meta.EdgeID, edges)
	for i := range ids {
		ids[i] = meta.EdgeID(i)
	}
	var at [edges][edges]float64 // edge, position
	for n := range units {
		for position, id := range place.Rank(key(n), ids...) {
			at[id][position]++
		}
	}
	for id, positions := range at {
		for position, got := range positions {
			want := float64(units) / edges
			if math.Abs(got-want) > 6*math.Sqrt(want) {
				t.Errorf("edge %d is %.0f times at position %d, want about %.0f", id, got, position, want)
			}
		}
	}
}

func TestOnlyTheUnitsOfAnEdgeThatLeavesMove(t *testing.T) {
	t.Parallel()
	v := world(30)
	for n := range 2_000 {
		before := place.Place(key(n), v, 3).Edges
		gone := v.Edges[n%len(v.Edges)].ID
		after := place.Place(key(n), without(v, gone), 3).Edges
		if !slices.Contains(before, gone) {
			if diff := cmp.Diff(before, after); diff != "" {
				t.Fatalf("unit %d moved when edge %d left, which it was not on (-before +after):\n%s", n, gone, diff)
			}
			continue
		}
		// What was chosen before the edge that left stays as well.
		if i := slices.Index(before, gone); !slices.Equal(before[:i], after[:i]) {
			t.Fatalf("unit %d: %v became %v when edge %d left", n, before, after, gone)
		}
	}
}

func TestMoreWeightOnlyAttracts(t *testing.T) {
	t.Parallel()
	v, heavier := world(10), world(10)
	heavier.Edges[2].Weight++
	grown := heavier.Edges[2].ID
	moved := 0
	for n := range 5_000 {
		before, after := place.Order(key(n), v)[0], place.Order(key(n), heavier)[0]
		if before != after {
			moved++
			if after != grown {
				t.Fatalf("unit %d moved from %d to %d when %d grew", n, before, after, grown)
			}
		}
	}
	if moved == 0 {
		t.Error("nothing moved to the edge that grew")
	}
}

func TestOrderOfArgumentsDoesNotMatter(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	ids := []meta.EdgeID{0, 1, 2, 3, 7, 1000, math.MaxUint32}
	want := place.Rank(key(1), ids...)
	for range 50 {
		random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		if got := place.Rank(key(1), ids...); !slices.Equal(got, want) {
			t.Fatalf("Rank = %v, want %v", got, want)
		}
		if first, ok := place.First(key(1), ids...); !ok || first != want[0] {
			t.Fatalf("First = %v, want %v", first, want[0])
		}
	}
	if _, ok := place.First(key(1)); ok {
		t.Error("First of nothing found something")
	}
}

func TestPlacePreferences(t *testing.T) {
	t.Parallel()
	e := func(id meta.EdgeID, region, operator string, asn uint32) place.ViewEdge {
		return place.ViewEdge{ID: id, Weight: 1, Region: region, Operator: operator, ASN: asn}
	}
	for _, test := range []struct {
		name      string
		edges     []place.ViewEdge
		replicas  int
		count     int
		shortfall string
	}{
		{"nothing lives", nil, 3, 0, "0 of 3 replicas"},
		{"no replica is wanted", []place.ViewEdge{e(1, "a", "a", 1)}, 0, 0, ""},
		{"one edge for three", []place.ViewEdge{e(1, "a", "a", 1)}, 3, 1, "1 of 3 replicas"},
		{"all differ", []place.ViewEdge{e(1, "a", "a", 1), e(2, "b", "b", 2), e(3, "c", "c", 3), e(4, "a", "d", 4), e(5, "a", "e", 5)}, 3, 3, ""},
		{"the network is given up first", []place.ViewEdge{e(1, "a", "a", 1), e(2, "b", "b", 1), e(3, "a", "a", 2)}, 2, 2, ""},
		{"one network", []place.ViewEdge{e(1, "a", "a", 1), e(2, "b", "b", 1)}, 2, 2, "1 of 2 networks"},
		{"one operator", []place.ViewEdge{e(1, "a", "a", 1), e(2, "b", "a", 2)}, 2, 2, "1 of 2 operators"},
		{"one region", []place.ViewEdge{e(1, "a", "a", 1), e(2, "a", "b", 2)}, 2, 2, "1 of 2 regions"},
		{"one of everything", []place.ViewEdge{e(1, "a", "a", 1), e(2, "a", "a", 1), e(3, "a", "a", 1)}, 3, 3, "1 of 3 regions, 1 of 3 operators, 1 of 3 networks"},
		{"nobody says anything", []place.ViewEdge{e(1, "", "", 0), e(2, "", "", 0), e(3, "", "", 0)}, 3, 3, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for n := range 50 {
				got := place.Place(key(n), &place.View{Edges: test.edges}, test.replicas)
				distinct := slices.Compact(slices.Sorted(slices.Values(got.Edges)))
				if len(got.Edges) != test.count || len(distinct) != test.count {
					t.Fatalf("unit %d is on %v, want %d different edges", n, got.Edges, test.count)
				}
				if test.name == "the network is given up first" {
					continue // which one depends on who comes first
				}
				if got.Shortfall != test.shortfall {
					t.Fatalf("unit %d falls short by %q, want %q", n, got.Shortfall, test.shortfall)
				}
			}
		})
	}
}

// Two regions for four replicas: two each, not three and one; and of the
// preferences left the stronger one decides.
func TestPreferencesAreGivenUpOneByOne(t *testing.T) {
	t.Parallel()
	v := &place.View{}
	for i := range 12 {
		v.Edges = append(v.Edges, place.ViewEdge{ID: meta.EdgeID(i), Weight: 1, Region: fmt.Sprint(i % 2), Operator: fmt.Sprint(i % 3), ASN: 1})
	}
	for n := range 200 {
		got := place.Place(key(n), v, 4)
		regions, operators := map[meta.EdgeID]int{}, map[meta.EdgeID]int{}
		for _, id := range got.Edges {
			regions[id%2]++
			operators[id%3]++
		}
		if regions[0] != 2 || regions[1] != 2 || len(operators) != 3 {
			t.Fatalf("unit %d is on %v: regions %v, operators %v", n, got.Edges, regions, operators)
		}
		if want := "2 of 4 regions, 3 of 4 operators, 1 of 4 networks"; got.Shortfall != want {
			t.Fatalf("shortfall %q, want %q", got.Shortfall, want)
		}
	}
}

func TestExtendKeepsClearOfWhatIsHeld(t *testing.T) {
	t.Parallel()
	v := world(30)
	for n := range 500 {
		placed := place.Place(key(n), v, 3).Edges
		if got := place.Extend(key(n), v, placed, 3); got.Edges != nil || got.Shortfall != "" {
			t.Fatalf("a full unit was extended by %v, %q", got.Edges, got.Shortfall)
		}
		got := place.Extend(key(n), without(v, placed[2]), placed[:2], 3)
		if want := place.Place(key(n), without(v, placed[2]), 3).Edges[2:]; !slices.Equal(got.Edges, want) {
			t.Fatalf("extended by %v, want %v", got.Edges, want)
		}
		// A holder that the view lacks counts, twice named once.
		got = place.Extend(key(n), v, []meta.EdgeID{9999, placed[0], placed[0]}, 3)
		if len(got.Edges) != 1 || got.Edges[0] == placed[0] {
			t.Fatalf("extended by %v", got.Edges)
		}
	}
}

func BenchmarkRank1000(b *testing.B) {
	ids := make([]meta.EdgeID, 1000)
	for i := range ids {
		ids[i] = meta.EdgeID(i)
	}
	k := key(1)
	b.Run("whole order", func(b *testing.B) {
		for b.Loop() {
			place.Rank(k, ids...)
		}
	})
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			place.First(k, ids...)
		}
	})
	b.Run("scores", func(b *testing.B) {
		for b.Loop() {
			scorer := place.NewScorer(k)
			for _, id := range ids {
				scorer.Score(id)
			}
		}
	})
}

func BenchmarkPlace(b *testing.B) {
	for _, edges := range []int{5, 100, 1000} {
		v := world(edges)
		b.Run(fmt.Sprint(edges), func(b *testing.B) {
			for n := 0; b.Loop(); n++ {
				place.Place(key(n), v, 3)
			}
		})
	}
}
