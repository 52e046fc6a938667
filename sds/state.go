package sds

import (
	"bytes"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"fmt"
	"hash"
)

// The state of a Splitter, version 1, integers big-endian:
//
//	4    "SDSs"
//	1    version, 1
//	8    number of full slices, n
//	32n  their digests
//	4    length of the tail, t, at most 1 MiB
//	t    the tail
//	2    length of the hash state, h
//	h    SHA-256 after the n slices, as crypto/sha256 marshals it
//	32   SHA-256 of everything above
const (
	stateMagic   = "SDSs"
	stateVersion = 1
	stateFixed   = len(stateMagic) + 1 + 8 + 4 + 2 + sha256.Size
)

// State is what ResumeSplitter goes on from. It is as long as 32 bytes for each
// slice and a tail of up to 1 MiB. The bytes are the caller's.
func (s *Splitter) State() ([]byte, error) {
	if s.closed != nil {
		return nil, errFinished
	}
	digest, err := s.hash.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("keep the state of a digest: %w", err)
	}
	out := make([]byte, 0, stateFixed+len(s.leaves)*sha256.Size+len(s.tail)+len(digest))
	out = append(out, stateMagic...)
	out = append(out, stateVersion)
	out = binary.BigEndian.AppendUint64(out, uint64(len(s.leaves)))
	for _, leaf := range s.leaves {
		out = append(out, leaf.Digest[:]...)
	}
	out = binary.BigEndian.AppendUint32(out, uint32(len(s.tail)))
	out = append(out, s.tail...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(digest)))
	out = append(out, digest...)
	sum := sha256.Sum256(out)
	return append(out, sum[:]...), nil
}

// ResumeSplitter goes on where State was taken. What is not such a state, whole
// and unchanged, is ErrMalformed.
func ResumeSplitter(state []byte, sink Sink) (*Splitter, error) {
	s := NewSplitter(sink)
	if err := s.resume(state); err != nil {
		return nil, fmt.Errorf("resume from a state of %d bytes: %w: %w", len(state), ErrMalformed, err)
	}
	return s, nil
}

func (s *Splitter) resume(state []byte) error {
	if len(state) < stateFixed {
		return fmt.Errorf("want at least %d bytes", stateFixed)
	}
	body, sum := state[:len(state)-sha256.Size], state[len(state)-sha256.Size:]
	if want := sha256.Sum256(body); !bytes.Equal(sum, want[:]) {
		return fmt.Errorf("its check sum is %x, want %x", sum, want)
	}
	if !bytes.HasPrefix(body, []byte(stateMagic)) {
		return fmt.Errorf("it begins with %q, want %q", body[:len(stateMagic)], stateMagic)
	}
	if version := body[len(stateMagic)]; version != stateVersion {
		return fmt.Errorf("version %d, want %d", version, stateVersion)
	}
	rest := body[len(stateMagic)+1:]

	count := binary.BigEndian.Uint64(rest)
	rest = rest[8:]
	if count > uint64(len(rest)/sha256.Size) {
		return fmt.Errorf("%d slices in %d bytes", count, len(rest))
	}
	s.leaves = make([]CID, count)
	for i := range s.leaves {
		s.leaves[i].Codec = Raw
		rest = rest[copy(s.leaves[i].Digest[:], rest):]
	}
	tail, rest, err := cutField(rest, 4)
	if err != nil {
		return fmt.Errorf("tail: %w", err)
	}
	if len(tail) > SliceSize {
		return fmt.Errorf("tail of %d bytes, at most %d", len(tail), SliceSize)
	}
	s.tail = bytes.Clone(tail)
	digest, rest, err := cutField(rest, 2)
	if err != nil {
		return fmt.Errorf("hash state: %w", err)
	}
	if len(rest) > 0 {
		return fmt.Errorf("%d bytes too many", len(rest))
	}
	return restoreHash(s.hash, digest, count*SliceSize)
}

// cutField takes a field that carries its length before it in width bytes.
func cutField(b []byte, width int) (field, rest []byte, err error) {
	if len(b) < width {
		return nil, nil, fmt.Errorf("%d bytes left, want %d for a length", len(b), width)
	}
	length := 0
	for _, c := range b[:width] {
		length = length<<8 | int(c)
	}
	if b = b[width:]; length > len(b) {
		return nil, nil, fmt.Errorf("%d bytes left, want %d", len(b), length)
	}
	return b[:length], b[length:], nil
}

// restoreHash checks that the state has hashed as many bytes as it should, which
// are its last eight bytes, and holds nothing besides.
func restoreHash(h hash.Hash, state []byte, hashed uint64) error {
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		return fmt.Errorf("hash state: %w", err)
	}
	if got := binary.BigEndian.Uint64(state[len(state)-8:]); got != hashed {
		return fmt.Errorf("hash state after %d bytes, want %d", got, hashed)
	}
	again, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return fmt.Errorf("hash state: %w", err)
	}
	if !bytes.Equal(again, state) {
		return fmt.Errorf("hash state with more in it than a state has")
	}
	return nil
}
