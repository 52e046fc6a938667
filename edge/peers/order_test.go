package peers

import (
	"slices"
	"testing"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

func snapshot(edges ...meta.Edge) *Snapshot {
	for i := range edges {
		edges[i].Key = []byte{byte(edges[i].ID)}
		if edges[i].URL == "" {
			edges[i].URL = "http://edge"
		}
	}
	return newSnapshot(&meta.Network{Edges: edges, Development: true}, []byte{1})
}

func ids(list []Source) []meta.EdgeID {
	var out []meta.EdgeID
	for _, e := range list {
		out = append(out, e.ID)
	}
	return out
}

func TestSources(t *testing.T) {
	t.Parallel()
	self := meta.Edge{ID: 1, Region: "eu", State: meta.Live, Lat: 50, Lon: 8}
	near := meta.Edge{ID: 2, Region: "us", State: meta.Live, Lat: 40, Lon: -74}
	far := meta.Edge{ID: 3, Region: "ap", State: meta.Live, Lat: -33, Lon: 151}
	other := meta.Edge{ID: 4, Region: "ap", State: meta.Live, Lat: -33, Lon: 151}
	for _, c := range []struct {
		name  string
		edges []meta.Edge
		want  Want
		out   []meta.EdgeID
	}{
		{"holders come by distance", []meta.Edge{self, near, far}, Want{Holders: []meta.EdgeID{3, 2}}, []meta.EdgeID{2, 3}},
		{"an edge does not ask itself", []meta.Edge{self, near}, Want{Holders: []meta.EdgeID{1, 2}}, []meta.EdgeID{2}},
		{"an unknown holder is passed over", []meta.Edge{self, near}, Want{Holders: []meta.EdgeID{9, 2}}, []meta.EdgeID{2}},
		{"one that is down is not asked", []meta.Edge{self, near, {ID: 3, State: meta.Down}}, Want{Holders: []meta.EdgeID{3, 2}}, []meta.EdgeID{2}},
		{"a draining one is", []meta.Edge{self, {ID: 3, State: meta.Draining}}, Want{Holders: []meta.EdgeID{3}}, []meta.EdgeID{3}},
		{"without holders any edge is asked", []meta.Edge{self, near}, Want{}, []meta.EdgeID{2}},
		{"who is asked as a gate asks holders alone", []meta.Edge{self, near, far}, Want{Step: LastStep, Holders: []meta.EdgeID{3}}, []meta.EdgeID{3}},
		{"who is asked as a parent asks the gate, then holders", []meta.Edge{self, near, far, other}, Want{Step: 1, Holders: []meta.EdgeID{3}}, []meta.EdgeID{4, 3}},
		{"what is kept here is asked of holders", []meta.Edge{self, near, far, other}, Want{Class: sds.Pinned, Holders: []meta.EdgeID{3}}, []meta.EdgeID{3, 2, 4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, want := ids(snapshot(c.edges...).Sources(c.want)), slices.Clone(c.out)
			if c.want.Class == sds.Pinned { // after the holders, any edge in the unit's own order
				slices.Sort(got[1:])
				slices.Sort(want[1:])
			}
			if !slices.Equal(got, want) {
				t.Errorf("asked %v, want %v", got, want)
			}
		})
	}
}

func TestAllEdgesOfARegionHaveOneParentForAUnit(t *testing.T) {
	t.Parallel()
	var edges []meta.Edge
	for id := meta.EdgeID(1); id <= 6; id++ {
		edges = append(edges, meta.Edge{ID: id, Region: "eu", State: meta.Live})
	}
	edges = append(edges, meta.Edge{ID: 7, Region: "us", State: meta.Live})
	parents := make(map[meta.EdgeID]bool)
	for unit := byte(0); unit < 40; unit++ {
		w := Want{Unit: meta.UnitKey{unit}, Holders: []meta.EdgeID{7}}
		first := make(map[meta.EdgeID]int)
		for self := byte(1); self <= 6; self++ {
			s := newSnapshot(snapshot(slices.Clone(edges)...).Network, []byte{self})
			first[s.Sources(w)[0].ID]++
		}
		// Five ask the parent, and the parent asks the holder.
		if len(first) != 2 || first[7] != 1 {
			t.Fatalf("unit %d: first asked %v", unit, first)
		}
		for id := range first {
			parents[id] = true
		}
	}
	if len(parents) < 6 {
		t.Errorf("only %d edges are ever asked first", len(parents))
	}
}

func TestWhereverTheyAreAtMostTwoEdgesReadFromHolders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		regions []string // of edges 1 to n
		holders []meta.EdgeID
	}{
		{"five regions beside one holder", []string{"a", "b", "c", "d", "e", "f"}, []meta.EdgeID{6}},
		{"five regions beside three holders of their own", []string{"a", "b", "c", "d", "e", "f", "g", "h"}, []meta.EdgeID{6, 7, 8}},
		{"five regions with a holder in each", []string{"a", "b", "c", "d", "e", "a", "b", "c", "d", "e"}, []meta.EdgeID{6, 7, 8, 9, 10}},
		{"one region whose first edges are holders", []string{"a", "a", "a", "a", "a", "a", "a", "a"}, []meta.EdgeID{6, 7, 8}},
		{"a crowd here and a crowd there", []string{"a", "a", "a", "b", "b", "b", "c", "a"}, []meta.EdgeID{7, 8}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for unit := byte(0); unit < 50; unit++ {
				var edges []meta.Edge
				for i, region := range c.regions {
					edges = append(edges, meta.Edge{ID: meta.EdgeID(i + 1), Region: region, State: meta.Live, Lat: float64(region[0]) - 'a', Lon: float64(i)})
				}
				readers := make(map[meta.EdgeID]bool)
				for self := range meta.EdgeID(len(edges)) {
					if slices.Contains(c.holders, self+1) {
						continue
					}
					// Everybody asks his first source, until a holder is asked.
					at, w := self+1, Want{Unit: meta.UnitKey{unit}, Holders: c.holders}
					for {
						first := newSnapshot(snapshot(slices.Clone(edges)...).Network, []byte{byte(at)}).Sources(w)[0]
						if slices.Contains(c.holders, first.ID) {
							readers[at] = true
							break
						}
						if first.Step <= w.Step {
							t.Fatalf("unit %d: edge %d at step %d asks %d at step %d", unit, at, w.Step, first.ID, first.Step)
						}
						at, w.Step = first.ID, first.Step
					}
				}
				if len(readers) > maxGates || len(readers) == 0 {
					t.Fatalf("unit %d: %v read from holders", unit, readers)
				}
			}
		})
	}
}

func TestOnlyDevelopmentUsesPlainHTTP(t *testing.T) {
	t.Parallel()
	e := &meta.Edge{URL: "http://e", TLSURL: "https://e"}
	for development, want := range map[bool]string{true: "http://e", false: "https://e"} {
		s := newSnapshot(&meta.Network{Development: development}, nil)
		if got := s.Base(e); got != want {
			t.Errorf("development %t: %s", development, got)
		}
	}
}
