package router

import (
	"cmp"
	"slices"

	"github.com/stratos-mesh/stratos/meta"
)

// A Table is a network made ready for ranking: everything that does not depend
// on the request, worked out once for each version. It never changes.
type Table struct {
	// Edges of the network by number, whatever their state, at most 65,536.
	Edges []meta.Edge
	// index of an edge in Edges.
	index    map[meta.EdgeID]int32
	geometry *geometry
	// fixed and spare are those of the edges' terms, by themselves: ranking
	// reads all of them.
	fixed, spare []float32
	// regions of the edges in byte order.
	regions     []string
	development bool
	// signers are the operators of the authorities that sign this router's
	// tickets, and own their edges, which no ticket names.
	signers []string
	own     []meta.EdgeID
}

// terms are the parts of an edge's cost that no request changes.
type terms struct {
	// fixed is queueing + penalty in ms, infinite for an edge that must not be
	// routed to.
	fixed             float32
	queueing, penalty float32
	// spare capacity in bits per second.
	spare float32
}

// NewTable makes a network ready. Plain http addresses count in a development
// network only. The table before it, or nil, lends what it has worked out
// already as far as the edges still stand where they stood. Signers are the
// operators of the authorities that sign tickets, as far as they are told.
func NewTable(edges []meta.Edge, development bool, before *Table, signers ...string) *Table {
	t := &Table{Edges: slices.Clone(edges), index: make(map[meta.EdgeID]int32, len(edges)), development: development, signers: signers}
	slices.SortFunc(t.Edges, func(a, b meta.Edge) int { return cmp.Compare(a.ID, b.ID) })
	t.Edges = slices.CompactFunc(t.Edges, func(a, b meta.Edge) bool { return a.ID == b.ID })
	t.Edges = t.Edges[:min(len(t.Edges), maxRanked)]
	t.fixed, t.spare = make([]float32, len(t.Edges)), make([]float32, len(t.Edges))
	for i := range t.Edges {
		t.index[t.Edges[i].ID] = int32(i)
		terms := t.termsOf(&t.Edges[i])
		t.fixed[i], t.spare[i] = terms.fixed, terms.spare
		if t.signs(&t.Edges[i]) {
			t.own = append(t.own, t.Edges[i].ID)
		}
	}
	for i := range t.Edges {
		if region := t.Edges[i].Region; region != "" {
			t.regions = append(t.regions, region)
		}
	}
	slices.Sort(t.regions)
	t.regions = slices.Compact(t.regions)
	if before != nil && before.geometry.fits(t.Edges) {
		t.geometry = before.geometry
	} else {
		t.geometry = newGeometry(t.Edges)
	}
	return t
}

// Edge finds an edge by its number.
func (t *Table) Edge(id meta.EdgeID) (*meta.Edge, bool) {
	i, ok := t.index[id]
	if !ok {
		return nil, false
	}
	return &t.Edges[i], true
}

// Routable tells whether viewers may be sent to an edge now.
func (t *Table) Routable(id meta.EdgeID) bool {
	i, ok := t.index[id]
	return ok && t.fixed[i] < infinite
}

// region is a region's number in tickets: its place among those of the edges,
// counted from 1, and 0 for one where no edge is.
func (t *Table) region(name string) uint16 {
	i, found := slices.BinarySearch(t.regions, name)
	if !found {
		return 0
	}
	return uint16(i + 1)
}
