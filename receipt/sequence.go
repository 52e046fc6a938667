package receipt

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
)

// MaxSequence is the largest sequence number.
const MaxSequence = 1<<48 - 1

const sequenceRounds = 10

// SequenceCipher hides how many tickets an authority has signed in an epoch: it
// permutes the numbers of 48 bits under a key that the commitment reveals, so
// that anybody can then count.
//
// It is a balanced Feistel network of ten rounds (as many as FF1 of NIST
// SP 800-38G has), halves of 24 bits, left ‖ right big-endian. In round
// i = 0 … 9
//
//	left, right = right, left XOR F(i, right)
//	F(i, x)     = the first 24 bits of AES-256(key, "sequence" ‖ i ‖ 0 0 0 0 ‖ x)
//
// and after the last round the halves stand as they are.
type SequenceCipher struct{ block cipher.Block }

// NewSequenceCipher returns the cipher of a key. It is safe for concurrent use.
func NewSequenceCipher(key [32]byte) *SequenceCipher {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	return &SequenceCipher{block}
}

// Encrypt turns a number, at most MaxSequence, into the bytes of a ticket id.
func (c *SequenceCipher) Encrypt(number uint64) ([6]byte, error) {
	if number > MaxSequence {
		return [6]byte{}, fmt.Errorf("sequence %d: %w: more than 48 bits", number, ErrMalformed)
	}
	left, right := uint32(number>>24), uint32(number&0xffffff)
	for i := range sequenceRounds {
		left, right = right, left^c.round(byte(i), right)
	}
	return [6]byte{byte(left >> 16), byte(left >> 8), byte(left), byte(right >> 16), byte(right >> 8), byte(right)}, nil
}

// Decrypt is the number behind the bytes of a ticket id.
func (c *SequenceCipher) Decrypt(b [6]byte) uint64 {
	number := binary.BigEndian.Uint64([]byte{0, 0, b[0], b[1], b[2], b[3], b[4], b[5]})
	left, right := uint32(number>>24), uint32(number&0xffffff)
	for i := sequenceRounds - 1; i >= 0; i-- {
		left, right = right^c.round(byte(i), left), left
	}
	return uint64(left)<<24 | uint64(right)
}

func (c *SequenceCipher) round(i byte, x uint32) uint32 {
	in := [aes.BlockSize]byte{'s', 'e', 'q', 'u', 'e', 'n', 'c', 'e', i, 0, 0, 0, 0, byte(x >> 16), byte(x >> 8), byte(x)}
	c.block.Encrypt(in[:], in[:])
	return uint32(in[0])<<16 | uint32(in[1])<<8 | uint32(in[2])
}
