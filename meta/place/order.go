package place

import "github.com/stratos-mesh/stratos/meta"

// order is a view's edges in the order of a unit, sorted only as far as it is
// asked for: of a thousand edges a placement looks at the first few.
type order struct {
	heap   []scored // what is not sorted yet, the first on top
	sorted []int    // places in the view
}

type scored struct {
	score uint64
	index int
}

// before: by falling score, then by rising number, in which order views are.
func (a scored) before(b scored) bool {
	return a.score > b.score || (a.score == b.score && a.index < b.index)
}

func newOrder(key meta.UnitKey, v *View) *order {
	scorer := NewScorer(key)
	o := &order{heap: make([]scored, len(v.Edges))}
	for i := range v.Edges {
		o.heap[i] = scored{scorer.Weighted(v.Edges[i].ID, v.Edges[i].Weight), i}
	}
	for i := len(o.heap)/2 - 1; i >= 0; i-- {
		o.sink(i)
	}
	return o
}

// at is the place in the view of the edge that is nth in the order, and false
// past the last.
func (o *order) at(n int) (int, bool) {
	for len(o.sorted) <= n {
		last := len(o.heap) - 1
		if last < 0 {
			return 0, false
		}
		o.sorted = append(o.sorted, o.heap[0].index)
		o.heap[0] = o.heap[last]
		o.heap = o.heap[:last]
		o.sink(0)
	}
	return o.sorted[n], true
}

// sink restores the heap below i. It is written out: container/heap calls
// through an interface and boxes what it moves.
func (o *order) sink(i int) {
	for {
		child := 2*i + 1
		if child >= len(o.heap) {
			return
		}
		if right := child + 1; right < len(o.heap) && o.heap[right].before(o.heap[child]) {
			child = right
		}
		if !o.heap[child].before(o.heap[i]) {
			return
		}
		o.heap[i], o.heap[child] = o.heap[child], o.heap[i]
		i = child
	}
}
