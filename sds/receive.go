package sds

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
)

// Receive is the one door into a store: it reads a block to its end, hashes it
// while reading, and puts it only when it is what cid names. It returns the
// bytes it read.
//
// More than MaxBlockSize bytes are ErrTooLarge, other bytes than the named ones
// ErrCorrupt; in both cases, and when reading fails or ctx ends, the store is
// left as it was. The block belongs to the store from Put on.
func Receive(ctx context.Context, store Store, cid CID, r io.Reader, class Class) (int64, error) {
	if !cid.Defined() {
		return 0, fmt.Errorf("receive a block without a name: %w", ErrMalformed)
	}
	block, sum, err := readBlock(ctx, r)
	if err != nil {
		return int64(len(block)), fmt.Errorf("receive %s: %w", cid, err)
	}
	if sum != cid.Digest {
		return int64(len(block)), fmt.Errorf("receive %s: %w: %d bytes of digest %x", cid, ErrCorrupt, len(block), sum)
	}
	if err := store.Put(ctx, cid, block, class); err != nil {
		return int64(len(block)), fmt.Errorf("receive %s: %w", cid, err)
	}
	return int64(len(block)), nil
}

// Into is a Sink that receives every block into a store.
func Into(store Store, class Class) Sink {
	return func(ctx context.Context, cid CID, block []byte) error {
		_, err := Receive(ctx, store, cid, bytes.NewReader(block), class)
		return err
	}
}

// firstRead is the buffer a block of unknown length starts with. It grows
// fourfold, so a full slice is copied three times and a small one wastes little.
const firstRead = 32 << 10

// readBlock reads all of r, at most MaxBlockSize, in a buffer of its own that
// is not much larger than what it holds.
func readBlock(ctx context.Context, r io.Reader) ([]byte, [sha256.Size]byte, error) {
	var sum [sha256.Size]byte
	room := firstRead
	if known, ok := r.(interface{ Len() int }); ok {
		room = min(known.Len()+1, MaxBlockSize+1)
	}
	hash := sha256.New()
	block := make([]byte, 0, room)
	for {
		if err := ctx.Err(); err != nil {
			return block, sum, err
		}
		n, err := r.Read(block[len(block):cap(block)])
		hash.Write(block[len(block) : len(block)+n])
		block = block[:len(block)+n]
		switch {
		case len(block) > MaxBlockSize:
			return block, sum, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, MaxBlockSize)
		case err == io.EOF:
			hash.Sum(sum[:0])
			if cap(block) > len(block)+len(block)/4+64 {
				block = bytes.Clone(block)
			}
			return block, sum, nil
		case err != nil:
			return block, sum, err
		case len(block) == cap(block):
			grown := make([]byte, len(block), nextRoom(cap(block)))
			copy(grown, block)
			block = grown
		}
	}
}

// nextRoom stops at one byte more than a slice, which sees the end of a full
// slice without growing again, and then at one more than any block.
func nextRoom(room int) int {
	switch next := 4 * room; {
	case next <= SliceSize:
		return next
	case room <= SliceSize:
		return SliceSize + 1
	default:
		return MaxBlockSize + 1
	}
}
