package inventory

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/stratos-mesh/stratos/meta"
)

// Digest sums up an inventory in 256 buckets. Edges and meta nodes keep one
// each, by the same changes; equal buckets mean equal holdings. The zero value
// is the digest of nothing.
//
// A holding's bucket is the first byte of SHA-256(unit). Its number is the
// first eight bytes, big endian, of SHA-256(unit ‖ root ‖ state), root being the
// 36 bytes of the binary CID (or 36 zeros) and state one byte. A bucket is the
// sum of its holdings' numbers, modulo 2^64. The share of a partial holding does
// not count: it changes too often to be worth a report.
type Digest [256]uint64

// Add counts a holding in; only Partial and Complete ones are ever counted.
func (d *Digest) Add(h meta.Holding) { d[Bucket(h.Unit)] += number(h) }

// Remove counts a holding out that was counted in with this state.
func (d *Digest) Remove(h meta.Holding) { d[Bucket(h.Unit)] -= number(h) }

// Bucket is where a unit's holdings are counted.
func Bucket(unit meta.UnitKey) uint8 { return sha256.Sum256(unit[:])[0] }

func number(h meta.Holding) uint64 {
	if h.State != meta.Partial && h.State != meta.Complete {
		return 0
	}
	var in [32 + 36 + 1]byte
	copy(in[:], h.Unit[:])
	if h.Root.Defined() {
		copy(in[32:], h.Root.Bytes())
	}
	in[68] = byte(h.State)
	sum := sha256.Sum256(in[:])
	return binary.BigEndian.Uint64(sum[:])
}
