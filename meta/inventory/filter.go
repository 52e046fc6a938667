package inventory

import (
	"encoding/binary"
	"fmt"

	"github.com/bits-and-blooms/bloom/v3"

	"github.com/stratos-mesh/stratos/meta"
)

// Bounds of an edge's Bloom filter.
const (
	// MaxFilterBytes of its bits: a wrong "maybe" in a hundred for 218,000
	// units, more of them beyond.
	MaxFilterBytes = 256 << 10
	maxFilterBits  = MaxFilterBytes * 8
	maxFilterHash  = 32
	filterHeader   = 3 * 8
	falsePositives = 0.01
)

// EncodeFilter makes what an edge sends in Beat.Cached: a Bloom filter over the
// keys of the units of which it has something cached, sized for them within
// MaxFilterBytes.
func EncodeFilter(units []meta.UnitKey) []byte {
	bits, hashes := bloom.EstimateParameters(uint(max(len(units), 64)), falsePositives)
	filter := bloom.New(min(bits, maxFilterBits), hashes)
	for _, unit := range units {
		filter.Add(unit[:])
	}
	out, err := filter.MarshalBinary()
	if err != nil {
		panic(err) // a bytes.Buffer does not fail
	}
	return out
}

// decodeFilter reads a filter in the library's binary form: bits, hashes and
// bits again (8 bytes each, big endian), then the words. The library believes
// these numbers, so they are checked before it allocates by them.
func decodeFilter(b []byte) (*bloom.BloomFilter, error) {
	if len(b) < filterHeader || len(b) > filterHeader+MaxFilterBytes {
		return nil, fmt.Errorf("%w: Bloom filter of %d bytes, want %d to %d", meta.ErrInvalid, len(b), filterHeader, filterHeader+MaxFilterBytes)
	}
	bits, hashes, length := binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:])
	if bits == 0 || bits > maxFilterBits || length != bits || hashes == 0 || hashes > maxFilterHash ||
		uint64(len(b)-filterHeader) != (bits+63)/64*8 {
		return nil, fmt.Errorf("%w: Bloom filter of %d bits, %d hashes, length %d in %d bytes", meta.ErrInvalid, bits, hashes, length, len(b))
	}
	filter := new(bloom.BloomFilter)
	if err := filter.UnmarshalBinary(b); err != nil {
		return nil, fmt.Errorf("%w: Bloom filter: %w", meta.ErrInvalid, err)
	}
	return filter, nil
}
