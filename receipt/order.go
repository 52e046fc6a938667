package receipt

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// Order sorts the edges of a working set as the seed has it for one session:
// cheap at issue, unknown to edges and viewers, checkable afterwards. Edges are
// sorted by SHA-256(d ‖ edge number, 4 bytes), bytewise, where
//
//	d = SHA-256(seed ‖ viewer key, 33 bytes ‖ unit key)                  class A
//	d = SHA-256(seed ‖ viewer key ‖ unit key ‖ sequence number, 6 bytes) else
//
// The sequence number is the one before encryption. The order of the edges
// given does not matter; they are not changed.
func Order(seed Seed, class Class, viewerKey [33]byte, unit [32]byte, sequence uint64, edges []uint32) []uint32 {
	b := make([]byte, 0, len(seed)+len(viewerKey)+len(unit)+6)
	b = append(b, seed[:]...)
	b = append(b, viewerKey[:]...)
	b = append(b, unit[:]...)
	if class.kind() != ClassA {
		var number [8]byte
		binary.BigEndian.PutUint64(number[:], sequence)
		b = append(b, number[2:]...)
	}
	d := sha256.Sum256(b)
	rank := func(edge uint32) [32]byte {
		return sha256.Sum256(binary.BigEndian.AppendUint32(d[:], edge))
	}
	type ranked struct {
		edge uint32
		rank [32]byte
	}
	all := make([]ranked, len(edges))
	for i, edge := range edges {
		all[i] = ranked{edge, rank(edge)}
	}
	slices.SortFunc(all, func(a, b ranked) int { return bytes.Compare(a.rank[:], b.rank[:]) })
	sorted := make([]uint32, len(edges))
	for i, r := range all {
		sorted[i] = r.edge
	}
	return sorted
}
