package sds

import (
	"crypto/sha256"
	"fmt"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
)

// Codec says what the bytes under a CID are.
type Codec uint8

const (
	// Raw is the codec of plain bytes: a slice.
	Raw Codec = 0x55
	// DagPB is the codec of a node of a UnixFS file or directory.
	DagPB Codec = 0x70
)

// CID names a block: CIDv1, sha2-256, raw or dag-pb. It compares with == and
// works as the key of a map. The zero CID names nothing.
type CID struct {
	Codec  Codec
	Digest [sha256.Size]byte
}

// Sum names a block by its bytes.
func Sum(codec Codec, block []byte) CID {
	return CID{Codec: codec, Digest: sha256.Sum256(block)}
}

// maxCIDText is 36 bytes in base 2, the longest multibase, and its prefix.
const maxCIDText = 36*8 + 1

// Parse reads the text of a CID in any multibase, as people and other tools
// write it. Other versions, hashes and codecs than ours are ErrMalformed.
func Parse(text string) (CID, error) {
	if len(text) > maxCIDText {
		return CID{}, fmt.Errorf("CID of %d characters: %w: at most %d", len(text), ErrMalformed, maxCIDText)
	}
	c, err := cid.Decode(text)
	if err != nil {
		return CID{}, fmt.Errorf("CID %.80q: %w: %w", text, ErrMalformed, err)
	}
	return fromLibrary(c)
}

// ParseBytes reads the binary form that Bytes writes.
func ParseBytes(b []byte) (CID, error) {
	c, err := cid.Cast(b)
	if err != nil {
		return CID{}, fmt.Errorf("CID of %d bytes: %w: %w", len(b), ErrMalformed, err)
	}
	return fromLibrary(c)
}

// prefix is what the binary form of every CID here has before the digest.
func (c Codec) prefix() [4]byte {
	return [4]byte{0x01, byte(c), multihash.SHA2_256, sha256.Size}
}

func fromLibrary(c cid.Cid) (CID, error) {
	// The key string is the binary form without a copy.
	binary := c.KeyString()
	for _, codec := range [...]Codec{Raw, DagPB} {
		prefix := codec.prefix()
		if len(binary) == len(prefix)+sha256.Size && binary[:len(prefix)] == string(prefix[:]) {
			out := CID{Codec: codec}
			copy(out.Digest[:], binary[len(prefix):])
			return out, nil
		}
	}
	return CID{}, fmt.Errorf("CID %s: %w: want version 1, sha2-256, raw or dag-pb", c, ErrMalformed)
}

// library turns a CID into go-cid's.
func (c CID) library() cid.Cid {
	prefix := c.Codec.prefix()
	return cid.NewCidV1(uint64(c.Codec), append(prefix[2:], c.Digest[:]...))
}

// Defined tells a CID from the zero value.
func (c CID) Defined() bool { return c.Codec != 0 }

// Bytes is the binary form: version, codec, multihash; 36 bytes.
func (c CID) Bytes() []byte {
	prefix := c.Codec.prefix()
	return append(prefix[:], c.Digest[:]...)
}

// String is the text in base32, as Kubo prints it; empty for the zero CID.
func (c CID) String() string {
	if !c.Defined() {
		return ""
	}
	return c.library().String()
}

// MarshalText makes a CID a string in JSON.
func (c CID) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what MarshalText wrote; empty text is the zero CID.
func (c *CID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*c = CID{}
		return nil
	}
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*c = parsed
	return nil
}
