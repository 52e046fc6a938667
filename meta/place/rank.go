package place

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/stratos-mesh/stratos/meta"
)

// A Scorer gives edges their numbers for one unit; the highest comes first.
// It is a value without state: copies and concurrent use are fine.
type Scorer struct{ seed uint64 }

// NewScorer prepares a unit's key.
func NewScorer(key meta.UnitKey) Scorer {
	var seed uint64
	for i := 0; i < len(key); i += 8 {
		seed = mix((seed ^ binary.BigEndian.Uint64(key[i:])) + gamma)
	}
	return Scorer{seed}
}

// Score is an edge's number at weight 1.
func (s Scorer) Score(edge meta.EdgeID) uint64 { return s.Hashed(Hash(edge)) }

// Hash is what Hashed wants of an edge, for who scores the same edges for many
// units.
func Hash(edge meta.EdgeID) uint64 { return mix(uint64(edge) + gamma) }

// Hashed is the Score of the edge with a Hash.
func (s Scorer) Hashed(hash uint64) uint64 { return mix(mix(s.seed^hash) + gamma) }

// Weighted is an edge's number at a weight, the highest of that many throws.
func (s Scorer) Weighted(edge meta.EdgeID, weight uint8) uint64 {
	state := mix(s.seed ^ Hash(edge))
	var best uint64
	for range weight {
		state += gamma
		best = max(best, mix(state))
	}
	return best
}

// gamma and mix are those of SplitMix64 (Steele, Lea, Flood: Fast Splittable
// Pseudorandom Number Generators, 2014).
const gamma = 0x9e3779b97f4a7c15

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Rank returns the edges in plain rendezvous order for a unit, all weights
// alike: the router takes a working set from its head, an edge takes the
// unit's parent in its region. Equal numbers are ordered by edge. The argument
// is not changed.
func Rank(key meta.UnitKey, edges ...meta.EdgeID) []meta.EdgeID {
	type scored struct {
		score uint64
		edge  meta.EdgeID
	}
	scorer := NewScorer(key)
	scores := make([]scored, len(edges))
	for i, edge := range edges {
		scores[i] = scored{scorer.Score(edge), edge}
	}
	slices.SortFunc(scores, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.edge, b.edge))
	})
	out := make([]meta.EdgeID, len(edges))
	for i, s := range scores {
		out[i] = s.edge
	}
	return out
}

// First is the head of Rank without sorting, and false when there are no edges.
func First(key meta.UnitKey, edges ...meta.EdgeID) (meta.EdgeID, bool) {
	scorer := NewScorer(key)
	var best meta.EdgeID
	var bestScore uint64
	for i, edge := range edges {
		if score := scorer.Score(edge); i == 0 || score > bestScore || (score == bestScore && edge < best) {
			best, bestScore = edge, score
		}
	}
	return best, len(edges) > 0
}
