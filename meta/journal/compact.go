package journal

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ErrCompacted: the records asked for are gone; the snapshot has what followed
// from them.
var ErrCompacted = errors.New("journal records were compacted: begin with the snapshot")

// A snapshot stands for all records up to a height, in the words of whoever
// reads the journal.
//
//	file     header as of a segment, magic "stratoss" ‖ content ‖ trailer
//	trailer  length of the content 8 ‖ CRC32C of the content 4 ‖ CRC32C of length and CRC 4
//
// It is written aside, synced and renamed, and only then segments go.
const (
	snapshotSuffix = ".snapshot"
	snapshotMagic  = "stratoss"
	trailerSize    = 16
)

func snapshotPath(dir string, height uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d%s", height, snapshotSuffix))
}

// Base is the height that the snapshot stands for, 0 when there is none. Records
// at or below it may be gone.
func (f *File) Base() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.base
}

// Sizes are the bytes of all segments and of the snapshot.
func (f *File) Sizes() (segments, snapshot int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.segments {
		segments += s.size
	}
	return segments, f.snapshotSize
}

// Compact replaces the records up to a height by what write writes, which must
// hold every fact that followed from them. Segments that reach beyond stay as
// they are.
func (f *File) Compact(ctx context.Context, height uint64, write func(io.Writer) error) error {
	if height > f.Height() || height <= f.Base() {
		return fmt.Errorf("journal: compact to %d of %d to %d: nothing to do", height, f.Base(), f.Height())
	}
	size, err := f.writeSnapshot(ctx, height, write)
	if err != nil {
		return fmt.Errorf("journal: compact: %w", err)
	}
	f.mu.Lock()
	before := f.base
	f.base, f.snapshotSize = height, size
	var gone []*segment
	for len(f.segments) > 1 && f.segments[0].next <= height+1 {
		gone, f.segments = append(gone, f.segments[0]), f.segments[1:]
	}
	f.mu.Unlock()
	var errs []error
	for _, s := range gone {
		errs = append(errs, os.Remove(s.path))
	}
	if before > 0 {
		errs = append(errs, os.Remove(snapshotPath(f.dir, before)))
	}
	if err := errors.Join(append(errs, syncDir(f.dir))...); err != nil {
		return fmt.Errorf("journal: compact: %w", err) // the next open removes the rest
	}
	return nil
}

func (f *File) writeSnapshot(ctx context.Context, height uint64, write func(io.Writer) error) (size int64, err error) {
	path := snapshotPath(f.dir, height)
	out, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	buffer := bufio.NewWriterSize(out, 256<<10)
	sum := &summing{w: buffer, crc: crc32.New(crc32.MakeTable(crc32.Castagnoli))}
	if _, err := buffer.Write(appendHeaderAs(nil, snapshotMagic, height)); err != nil {
		return 0, err
	}
	if err := write(sum); err != nil {
		return 0, err
	}
	trailer := binary.BigEndian.AppendUint64(nil, uint64(sum.n))
	trailer = binary.BigEndian.AppendUint32(trailer, sum.crc.Sum32())
	trailer = binary.BigEndian.AppendUint32(trailer, castagnoli(trailer))
	if _, err := buffer.Write(trailer); err != nil {
		return 0, err
	}
	if err := errors.Join(buffer.Flush(), out.Sync(), ctx.Err()); err != nil {
		return 0, err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return 0, err
	}
	return headerSize + sum.n + trailerSize, syncDir(f.dir)
}

// summing counts and sums what goes through.
type summing struct {
	w   io.Writer
	crc hash.Hash32
	n   int64
}

func (s *summing) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.crc.Write(p[:n])
	s.n += int64(n)
	return n, err
}

// Snapshot has read read the newest snapshot's content, which was checked first.
func (f *File) Snapshot(read func(io.Reader) error) error {
	base := f.Base()
	if base == 0 {
		return fmt.Errorf("journal: there is no snapshot")
	}
	length, err := checkSnapshot(snapshotPath(f.dir, base), base)
	if err != nil {
		return err
	}
	in, err := os.Open(snapshotPath(f.dir, base))
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	defer in.Close()
	return read(bufio.NewReaderSize(io.NewSectionReader(in, headerSize, length), 256<<10))
}

// checkSnapshot reads all of a snapshot. One with its final name was synced, so
// whatever is wrong with it is damage.
func checkSnapshot(path string, height uint64) (length int64, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("journal: %w: %s: %w. Restore it from a backup or from another copy of the journal", ErrDamaged, path, err)
		}
	}()
	in, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return 0, err
	}
	length = info.Size() - headerSize - trailerSize
	if length < 0 {
		return 0, io.ErrUnexpectedEOF
	}
	var header [headerSize]byte
	var trailer [trailerSize]byte
	if _, err := in.ReadAt(header[:], 0); err != nil {
		return 0, err
	}
	if _, err := in.ReadAt(trailer[:], headerSize+length); err != nil {
		return 0, err
	}
	got, err := parseHeaderAs(header[:], snapshotMagic)
	if err != nil {
		return 0, err
	}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	if _, err := io.Copy(sum, io.NewSectionReader(in, headerSize, length)); err != nil {
		return 0, err
	}
	if got != height || binary.BigEndian.Uint64(trailer[:]) != uint64(length) ||
		binary.BigEndian.Uint32(trailer[8:]) != sum.Sum32() || binary.BigEndian.Uint32(trailer[12:]) != castagnoli(trailer[:12]) {
		return 0, errors.New("its checksum differs")
	}
	return length, nil
}

// loadSnapshot finds the newest snapshot, and clears away what a crash left:
// older ones, unfinished ones.
func (f *File) loadSnapshot() error {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	var old []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), snapshotSuffix+".new") {
			old = append(old, e.Name())
			continue
		}
		text, found := strings.CutSuffix(e.Name(), snapshotSuffix)
		if !found {
			continue
		}
		height, err := strconv.ParseUint(text, 10, 64)
		if err != nil || height == 0 {
			return fmt.Errorf("journal: %w: %s is not the name of a snapshot", ErrDamaged, e.Name())
		}
		if f.base > 0 { // in order of their names
			old = append(old, filepath.Base(snapshotPath(f.dir, f.base)))
		}
		f.base = height
	}
	if f.base > 0 {
		length, err := checkSnapshot(snapshotPath(f.dir, f.base), f.base)
		if err != nil {
			return err
		}
		f.snapshotSize = headerSize + length + trailerSize
	}
	for _, name := range old {
		if err := os.Remove(filepath.Join(f.dir, name)); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	return nil
}
