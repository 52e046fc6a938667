package issue

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync"

	"github.com/stratos-mesh/stratos/receipt"
)

// sequence counts the tickets of an epoch. Numbers are reserved on disk in
// blocks before the first of a block is given away, so that after a crash none
// is used twice; those of the block that were not used stay void.
//
// The file: epoch 8 ‖ reserved 8 ‖ CRC32C of both 4.
type sequence struct {
	path string

	mu       sync.Mutex // guards what follows; held while a block is reserved
	epoch    uint64
	free     uint64 // next number
	reserved uint64 // numbers below are on disk
	closed   bool
}

// reserveBlock is how many numbers one synced write reserves: four seconds of
// the fastest issuer.
const reserveBlock = 1 << 16

func openSequence(dir string) (*sequence, error) {
	s := &sequence{path: filepath.Join(dir, "sequence")}
	b, err := os.ReadFile(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	if len(b) != 20 || crc32.Checksum(b[:16], castagnoli()) != binary.BigEndian.Uint32(b[16:]) {
		return nil, fmt.Errorf("issuer: %s is damaged. Numbers must not be used twice: wait for the end of the epoch, then delete it", s.path)
	}
	s.epoch = binary.BigEndian.Uint64(b)
	s.reserved = binary.BigEndian.Uint64(b[8:])
	s.free = s.reserved
	return s, nil
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// next returns a number of an epoch. An epoch before the newest is refused: a
// clock that went back must not use numbers again.
func (s *sequence) next(ctx context.Context, epoch uint64) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return 0, errClosed
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case epoch < s.epoch:
		return 0, fmt.Errorf("issuer: the clock says epoch %d, yet tickets of epoch %d were signed; set the clock", epoch, s.epoch)
	case epoch > s.epoch:
		if err := s.write(epoch, reserveBlock); err != nil {
			return 0, err
		}
		s.free = 0
	case s.free == s.reserved:
		if err := s.write(epoch, s.reserved+reserveBlock); err != nil {
			return 0, err
		}
	}
	if s.free > receipt.MaxSequence {
		return 0, fmt.Errorf("issuer: epoch %d has no numbers left", epoch)
	}
	s.free++
	return s.free - 1, nil
}

var errClosed = errors.New("issuer is closed")

// close gives the rest of the block back.
func (s *sequence) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.free == s.reserved {
		return nil
	}
	return s.write(s.epoch, s.free)
}

func (s *sequence) write(epoch, reserved uint64) error {
	b := binary.BigEndian.AppendUint64(nil, epoch)
	b = binary.BigEndian.AppendUint64(b, reserved)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli()))
	if err := replaceFile(s.path, b); err != nil {
		return fmt.Errorf("issuer: reserve numbers: %w", err)
	}
	s.epoch, s.reserved = epoch, reserved
	return nil
}

// replaceFile writes beside, syncs, and renames.
func replaceFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".sequence-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
