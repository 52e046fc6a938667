package router

import (
	"encoding/binary"

	"github.com/stratos-mesh/stratos/meta"
)

// unitSeed folds a unit's key, which is a hash, into a number.
func unitSeed(key *meta.UnitKey) uint64 { return binary.BigEndian.Uint64(key[:8]) }

// mixed spreads an edge's number, once for all rankings.
func mixed(id meta.EdgeID) uint64 { return mix(uint64(id) + 0x9e3779b97f4a7c15) }

// score is an edge's place in the rendezvous order of a unit: the largest comes
// first. Every router computes the same from key and number alone, so a unit's
// requests meet on the same edges without anybody remembering which.
func score(seed, edge uint64) uint64 { return mix(seed ^ edge) }
