package work

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// sources are the files that tasks read: fetched once for all pieces of a
// video, and kept until others need the room.
type sources struct {
	client *Client
	dir    string
	limit  int64

	mu  sync.Mutex // guards all
	all map[string]*source
}

// source is a fetched file. ready is closed when it is whole, or err says why
// not.
type source struct {
	size  int64
	users int
	used  time.Time
	ready chan struct{}
	err   error
}

func newSources(client *Client, dir string, limit int64) *sources {
	return &sources{client: client, dir: dir, limit: limit, all: map[string]*source{}}
}

// get returns the path of a task's source, and what to call when it is no longer
// read. Several tasks of one source fetch it once.
func (s *sources) get(ctx context.Context, task *Task) (path string, release func(), err error) {
	if s.client.local && task.Source.Path != "" {
		return task.Source.Path, func() {}, nil
	}
	sum := task.Source.SHA256
	if b, err := hex.DecodeString(sum); err != nil || len(b) != sha256.Size {
		return "", nil, fmt.Errorf("worker: the task's source has no SHA-256: %.80q", sum)
	}
	path = filepath.Join(s.dir, sum)
	s.mu.Lock()
	f := s.all[sum]
	if f != nil && isClosed(f.ready) && f.err != nil {
		f = nil // the fetch before failed
	}
	fetch := f == nil
	if fetch {
		if err := s.makeRoom(task.Source.Size); err != nil {
			s.mu.Unlock()
			return "", nil, err
		}
		f = &source{size: task.Source.Size, ready: make(chan struct{})}
		s.all[sum] = f
	}
	f.users++
	s.mu.Unlock()
	release = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		f.users--
		f.used = time.Now()
	}
	if fetch {
		f.err = s.fetch(ctx, task, path)
		close(f.ready)
	}
	select {
	case <-f.ready:
		err = f.err
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		release()
		return "", nil, err
	}
	return path, release, nil
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// makeRoom removes sources that nobody reads, the longest unused first, until
// one of a size fits; mu is held.
func (s *sources) makeRoom(size int64) error {
	for {
		total, oldest := size, ""
		for sum, f := range s.all {
			if isClosed(f.ready) && f.err != nil {
				continue
			}
			total += f.size
			if f.users == 0 && (oldest == "" || f.used.Before(s.all[oldest].used)) {
				oldest = sum
			}
		}
		if total <= s.limit {
			return nil
		}
		if oldest == "" {
			return fmt.Errorf("worker: a source of %d bytes does not fit into the cache of %d: raise its bound", size, s.limit)
		}
		delete(s.all, oldest)
		if err := os.Remove(filepath.Join(s.dir, oldest)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("worker: %w", err)
		}
	}
}

// fetch reads the source from the origin, going on where a connection broke.
func (s *sources) fetch(ctx context.Context, task *Task, path string) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	hash, done := sha256.New(), int64(0)
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			os.Remove(path)
		}
	}()
	err = insist(ctx, func() error {
		body, err := s.client.Source(ctx, task.ID, done)
		if err != nil {
			return err
		}
		defer body.Close()
		n, err := io.Copy(io.MultiWriter(f, hash), io.LimitReader(body, task.Source.Size-done))
		if done += n; err == nil && done < task.Source.Size {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("worker: source: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != task.Source.SHA256 {
		return fmt.Errorf("worker: the source has SHA-256 %s, want %s", got, task.Source.SHA256)
	}
	return nil
}
