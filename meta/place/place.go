// Package place says which edges a unit belongs on: pure functions of the
// unit's key and a view, in integers alone, so that anyone can compute them
// again in any language. docs/formats/view.md is the same in prose, and
// testdata/vectors.json has cases for other implementations.
//
// Ranking is weighted rendezvous hashing. Key and edge seed a SplitMix64
// generator; an edge of weight w throws it w times and keeps the highest
// number. The highest of w throws wins against the highest of v with
// probability w/(w+v), which is all that a weight should mean, and no edge's
// number depends on another edge: when one leaves, only its units move.
//
//	View       the edges that placement knows, published once per epoch
//	Place      the edges of a unit, and which preferences had to be given up
//	Extend     more edges for a unit that some already hold
//	Rank       edges in plain rendezvous order: working sets, parents
package place

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/stratos-mesh/stratos/meta"
)

// Placement is the edges that a unit belongs on, best first.
type Placement struct {
	Edges []meta.EdgeID
	// Shortfall says which preferences were given up, for people; empty when
	// none was.
	Shortfall string
}

// Place chooses edges for a unit: as many different ones as replicas are
// wanted, or all there are.
//
// The first is the first in Order. Each further one is the first in Order of
// those edges that share the fewest regions with the edges chosen so far, of
// these the fewest operators, of these the fewest networks. So a preference is
// given up only when no edge is left that meets it, networks first, then
// operators, then regions: a network that fails hides copies for some hours, an
// operator may take his away on purpose but is known only by what he calls
// himself, a region is where floods, courts and viewers are and is measured
// from outside. What an edge does not say (empty, or network 0) is shared with
// nobody.
func Place(key meta.UnitKey, v *View, replicas int) Placement {
	return Extend(key, v, nil, replicas)
}

// Extend chooses further edges for a unit that the edges in have hold: as many
// as bring them to the replicas wanted, by the rule of Place as if have had
// been chosen first. Only the new ones are returned; Shortfall counts all.
// Edges in have that the view lacks count as replicas and meet every
// preference.
func Extend(key meta.UnitKey, v *View, have []meta.EdgeID, replicas int) Placement {
	chosen := make([]*ViewEdge, 0, max(replicas, len(have)))
	taken := make([]bool, len(v.Edges))
	for _, id := range have {
		if i, ok := v.find(id); ok && !taken[i] {
			taken[i] = true
			chosen = append(chosen, &v.Edges[i])
		} else if !ok {
			chosen = append(chosen, &ViewEdge{ID: id})
		}
	}
	held := len(chosen)
	order := newOrder(key, v)
	for len(chosen) < replicas {
		best, bestShared := -1, shared{}
		for n := 0; ; n++ {
			i, ok := order.at(n)
			if !ok {
				break
			}
			if taken[i] {
				continue
			}
			s := sharedBy(&v.Edges[i], chosen)
			if best < 0 || s.less(bestShared) {
				best, bestShared = i, s
			}
			if s == (shared{}) {
				break
			}
		}
		if best < 0 {
			break
		}
		taken[best] = true
		chosen = append(chosen, &v.Edges[best])
	}
	p := Placement{Shortfall: shortfall(chosen, replicas)}
	for _, edge := range chosen[held:] {
		p.Edges = append(p.Edges, edge.ID)
	}
	return p
}

// Order is all edges of a view in weighted rendezvous order for a unit.
func Order(key meta.UnitKey, v *View) []meta.EdgeID {
	out := make([]meta.EdgeID, len(v.Edges))
	order := newOrder(key, v)
	for n := range out {
		i, _ := order.at(n)
		out[n] = v.Edges[i].ID
	}
	return out
}

// shared counts what an edge has in common with edges chosen before.
type shared struct{ region, operator, network int }

func (s shared) less(t shared) bool {
	return cmp.Or(cmp.Compare(s.region, t.region), cmp.Compare(s.operator, t.operator), cmp.Compare(s.network, t.network)) < 0
}

func sharedBy(edge *ViewEdge, chosen []*ViewEdge) (s shared) {
	for _, c := range chosen {
		if edge.Region != "" && edge.Region == c.Region {
			s.region++
		}
		if edge.Operator != "" && edge.Operator == c.Operator {
			s.operator++
		}
		if edge.ASN != 0 && edge.ASN == c.ASN {
			s.network++
		}
	}
	return s
}

// Shortfall says which preferences a unit on these edges does without, as a
// Placement does; empty when none. Edges outside the view meet all.
func Shortfall(v *View, edges []meta.EdgeID, replicas int) string {
	chosen := make([]*ViewEdge, len(edges))
	for n, id := range edges {
		if i, ok := v.find(id); ok {
			chosen[n] = &v.Edges[i]
		} else {
			chosen[n] = &ViewEdge{ID: id}
		}
	}
	return shortfall(chosen, replicas)
}

// shortfall tells what a choice lacks, in the order of importance.
func shortfall(chosen []*ViewEdge, replicas int) string {
	var lacks []string
	if len(chosen) < replicas {
		lacks = append(lacks, fmt.Sprintf("%d of %d replicas", len(chosen), replicas))
	}
	var edges shared // how many edges bring nothing new
	for i, edge := range chosen {
		s := sharedBy(edge, chosen[:i])
		edges.region += min(s.region, 1)
		edges.operator += min(s.operator, 1)
		edges.network += min(s.network, 1)
	}
	for _, part := range []struct {
		again int
		what  string
	}{{edges.region, "regions"}, {edges.operator, "operators"}, {edges.network, "networks"}} {
		if part.again > 0 {
			lacks = append(lacks, fmt.Sprintf("%d of %d %s", len(chosen)-part.again, len(chosen), part.what))
		}
	}
	return strings.Join(lacks, ", ")
}
