package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// Config of a File.
type Config struct {
	// Dir holds the segments; it is made when it is not there.
	Dir string
	// SegmentBytes after which a new file is begun; 0 is 64 MiB.
	SegmentBytes int64
}

// File is the journal of one meta node, in segment files of a folder. Records
// that wait at the same time are written and synced together.
type File struct {
	dir          string
	segmentBytes int64
	lock         *os.File

	queue chan *appending
	stop  chan struct{}
	gone  chan struct{} // closed when the writer has ended
	done  sync.WaitGroup
	once  sync.Once

	mu       sync.Mutex // guards what follows
	segments []*segment
	base     uint64        // the snapshot's height
	height   uint64        // newest synced
	changed  chan struct{} // closed and replaced when height grows
	failed   error         // why nothing can be appended any more

	snapshotSize int64

	out *os.File // newest segment; the writer's alone
}

var _ Journal = (*File)(nil)

type appending struct {
	records [][]byte
	height  uint64
	err     error
	done    chan struct{}
}

// Appends that may wait for the writer, and bytes that it writes in one go.
const (
	queueLength = 1024
	batchBytes  = 4 << 20
)

// OpenFile opens or begins a journal. It reads all of it, cuts off what a crash
// left half written, and refuses one that is damaged or open elsewhere.
func OpenFile(cfg Config) (*File, error) {
	if cfg.SegmentBytes == 0 {
		cfg.SegmentBytes = 64 << 20
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(cfg.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("journal: %s is open in another process: %w", cfg.Dir, err)
	}
	f := &File{
		dir: cfg.Dir, segmentBytes: cfg.SegmentBytes, lock: lock,
		queue: make(chan *appending, queueLength), stop: make(chan struct{}), gone: make(chan struct{}), changed: make(chan struct{}),
	}
	if err := f.load(); err != nil {
		return nil, errors.Join(err, unlock(lock))
	}
	f.done.Go(f.write)
	return f, nil
}

// unlock gives the lock up at once: closing alone would leave it to a child
// process that is just being started and has not closed its copy yet.
func unlock(lock *os.File) error {
	return errors.Join(syscall.Flock(int(lock.Fd()), syscall.LOCK_UN), lock.Close())
}

func (f *File) load() error {
	if err := f.loadSnapshot(); err != nil {
		return err
	}
	names, err := segmentNames(f.dir)
	if err != nil {
		return err
	}
	if len(names) > 0 && names[0] <= f.base+1 {
		f.height = names[0] - 1
	} else {
		f.height = f.base
	}
	for i, first := range names {
		if first != f.height+1 {
			return fmt.Errorf("journal: %w: the file that begins with record %d is missing in %s; restore it from a backup",
				ErrDamaged, f.height+1, f.dir)
		}
		s, err := scanSegment(segmentPath(f.dir, first), first, i == len(names)-1)
		if errors.Is(err, errTornHeader) {
			if err := os.Remove(segmentPath(f.dir, first)); err != nil {
				return fmt.Errorf("journal: %w", err)
			}
			break
		}
		if err != nil {
			return err
		}
		f.segments = append(f.segments, s)
		f.height = s.next - 1
	}
	if f.height < f.base {
		return fmt.Errorf("journal: %w: records %d to %d are missing in %s; restore them from a backup", ErrDamaged, f.height+1, f.base, f.dir)
	}
	if len(f.segments) == 0 {
		return f.begin()
	}
	f.out, err = os.OpenFile(f.segments[len(f.segments)-1].path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	// What was read may still be in memory alone, when the process that wrote it
	// died between write and sync.
	if err := f.out.Sync(); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// begin makes the next segment file.
func (f *File) begin() error {
	first := f.Height() + 1
	path := segmentPath(f.dir, first)
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	_, err = out.Write(appendHeader(nil, first))
	if err = errors.Join(err, out.Sync(), syncDir(f.dir)); err != nil {
		out.Close()
		return fmt.Errorf("journal: begin %s: %w", path, err)
	}
	if f.out != nil {
		if err := f.out.Close(); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	f.out = out
	f.mu.Lock()
	f.segments = append(f.segments, &segment{path: path, first: first, next: first, size: headerSize})
	f.mu.Unlock()
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Height is that of the newest record.
func (f *File) Height() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.height
}

// Wait returns the newest height as soon as it is above after.
func (f *File) Wait(ctx context.Context, after uint64) (uint64, error) {
	for {
		f.mu.Lock()
		height, changed := f.height, f.changed
		f.mu.Unlock()
		if height > after {
			return height, nil
		}
		select {
		case <-changed:
		case <-f.stop:
			return 0, ErrClosed
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// Read calls each with the records above a height.
func (f *File) Read(ctx context.Context, after uint64, each func(*Record) error) error {
	f.mu.Lock()
	newest, oldest := f.height, f.segments[0].first
	segments := make([]segment, len(f.segments))
	for i, s := range f.segments {
		segments[i] = *s
	}
	f.mu.Unlock()
	if after+1 < oldest {
		return fmt.Errorf("journal: records from %d on: %w", after+1, ErrCompacted)
	}
	for i := range segments {
		s := &segments[i]
		from, to := max(after+1, s.first), min(newest, s.next-1)
		if from > to {
			continue
		}
		err := s.read(from, to, func(height uint64, b []byte) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			rec, err := Decode(b)
			if err != nil {
				return fmt.Errorf("record %d in %s: %w", height, s.path, err)
			}
			rec.Height = height
			return each(rec)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Close writes what waits and closes the files.
func (f *File) Close() error {
	f.once.Do(func() { close(f.stop) })
	f.done.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lock == nil {
		return nil
	}
	err := errors.Join(f.out.Close(), unlock(f.lock))
	f.lock = nil
	return err
}
