package peers

import (
	"slices"
	"testing"

	"github.com/stratos-mesh/stratos/meta"
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

func ids(list []*meta.Edge) []meta.EdgeID {
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
		{"who is asked as a parent asks holders alone", []meta.Edge{self, near, far}, Want{Asked: true, Holders: []meta.EdgeID{3}}, []meta.EdgeID{3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := ids(snapshot(c.edges...).Sources(c.want)); !slices.Equal(got, c.out) {
				t.Errorf("asked %v, want %v", got, c.out)
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
