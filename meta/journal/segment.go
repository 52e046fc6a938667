package journal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// segment is one file of a journal, named after its first height. marks holds
// the place of every markEvery-th record, so that reading need not begin at the
// file's start.
type segment struct {
	path  string
	first uint64
	next  uint64 // height of the record that would come next
	size  int64
	marks []int64
}

const (
	segmentSuffix = ".journal"
	markEvery     = 256
)

func segmentPath(dir string, first uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d%s", first, segmentSuffix))
}

// segmentNames lists the first heights of a folder's segments, ascending.
func segmentNames(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	var out []uint64
	for _, e := range entries {
		text, found := strings.CutSuffix(e.Name(), segmentSuffix)
		if !found {
			continue
		}
		first, err := strconv.ParseUint(text, 10, 64)
		if err != nil || first == 0 {
			return nil, fmt.Errorf("journal: %w: %s is not the name of a segment", ErrDamaged, e.Name())
		}
		out = append(out, first)
	}
	slices.Sort(out)
	return out, nil
}

// note counts a frame that stands at the segment's end.
func (s *segment) note(size int) {
	if (s.next-s.first)%markEvery == 0 {
		s.marks = append(s.marks, s.size)
	}
	s.next++
	s.size += int64(size)
}

// scanSegment reads a whole segment and checks every frame. In the last one a
// torn tail is cut off; anywhere else, and where synced records are unreadable,
// it is damage, and the error says what to do.
func scanSegment(path string, first uint64, last bool) (*segment, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	s := &segment{path: path, first: first, next: first, size: headerSize}
	header, err := parseHeader(data)
	if err != nil || header != first {
		if last && len(data) < headerSize {
			return nil, errTornHeader
		}
		return nil, damaged(path, first, 0, err)
	}
	rest := data[headerSize:]
	for len(rest) > 0 {
		_, size, ok := parseFrame(rest, s.next)
		if !ok {
			break
		}
		s.note(size)
		rest = rest[size:]
	}
	if len(rest) == 0 {
		return s, nil
	}
	if !last || syncedLater(rest[1:], s.next) {
		return nil, damaged(path, s.next, s.size, nil)
	}
	if err := cut(path, s.size); err != nil {
		return nil, err
	}
	return s, nil
}

// errTornHeader: the newest segment was being made when the process ended.
var errTornHeader = errors.New("segment without a whole header")

func damaged(path string, height uint64, offset int64, cause error) error {
	if cause == nil {
		cause = errors.New("its checksum differs")
	}
	return fmt.Errorf("journal: %w: record %d, at byte %d of %s: %w. It had been acknowledged. "+
		"Restore this file from a backup or from another copy of the journal; "+
		"if there is none, move it and all later segments away and what was journalled before them stays", ErrDamaged, height, offset, path, cause)
}

func cut(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("journal: cut the torn tail: %w", err)
	}
	err = errors.Join(f.Truncate(size), f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("journal: cut the torn tail: %w", err)
	}
	return nil
}

// read calls each for the records of the segment from one height to another,
// both included.
func (s *segment) read(from, to uint64, each func(height uint64, record []byte) error) error {
	f, err := os.Open(s.path)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	defer f.Close()
	mark := (from - s.first) / markEvery
	offset := s.marks[mark]
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	in := bufio.NewReaderSize(f, 64<<10)
	for height := s.first + mark*markEvery; height <= to; height++ {
		b, err := readFrame(in, height)
		if err != nil {
			return damaged(s.path, height, offset, err)
		}
		offset += int64(len(b))
		if height < from {
			continue
		}
		if err := each(height, b[frameSize:]); err != nil {
			return err
		}
	}
	return nil
}

func readFrame(in *bufio.Reader, height uint64) ([]byte, error) {
	head, err := in.Peek(4)
	if err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(head)
	if length > MaxRecord {
		return nil, fmt.Errorf("a record of %d bytes", length)
	}
	b := make([]byte, frameSize+int(length))
	if _, err := io.ReadFull(in, b); err != nil {
		return nil, err
	}
	if _, _, ok := parseFrame(b, height); !ok {
		return nil, errors.New("its checksum differs")
	}
	return b, nil
}
