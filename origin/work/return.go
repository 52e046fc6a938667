package work

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Files are returned while the encoder goes on, a few at a time. The encoder
// waits when so many are on their way: the origin is slower than it, and a disk
// full of files that nobody has taken is no help.
const (
	returners  = 3
	maxWaiting = 32
)

// returner sends a task's files to the origin as they get their names.
type returner struct {
	ctx    context.Context // of the task: its goroutines end with it
	client *Client
	lease  string
	dir    string
	queue  chan string
	wait   sync.WaitGroup

	mu    sync.Mutex // guards following
	sent  map[string]bool
	files []File
	err   error
}

func newReturner(ctx context.Context, client *Client, lease, dir string) *returner {
	r := &returner{ctx: ctx, client: client, lease: lease, dir: dir, queue: make(chan string, maxWaiting), sent: map[string]bool{}}
	for range returners {
		r.wait.Go(func() {
			for p := range r.queue {
				r.note(r.send(p))
			}
		})
	}
	return r
}

// segment queues a segment, and before it what lies in its folder and was not
// queued yet: the initialization section, without which it is no use.
func (r *returner) segment(p string) {
	r.folder(path.Dir(p))
	r.add(p)
}

// add queues a file once.
func (r *returner) add(p string) {
	r.mu.Lock()
	known := r.sent[p]
	r.sent[p] = true
	r.mu.Unlock()
	if known {
		return
	}
	select {
	case r.queue <- p:
	case <-r.ctx.Done():
	}
}

// folder queues what has its name in a folder. What is being written has a name
// with a dot in front.
func (r *returner) folder(dir string) {
	entries, err := os.ReadDir(filepath.Join(r.dir, filepath.FromSlash(dir)))
	if err != nil {
		return // the segment's own reading says it
	}
	for _, e := range entries {
		if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
			r.add(path.Join(dir, e.Name()))
		}
	}
}

// finish queues all that is left when the encoder is done, waits, and tells
// what was returned.
func (r *returner) finish(all bool) ([]File, error) {
	if all {
		err := filepath.WalkDir(r.dir, func(p string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				var dir string
				if dir, err = filepath.Rel(r.dir, p); err == nil {
					r.folder(filepath.ToSlash(dir))
				}
			}
			return err
		})
		r.note(File{}, err)
	}
	close(r.queue)
	r.wait.Wait()
	if r.err == nil && r.ctx.Err() != nil {
		r.err = context.Cause(r.ctx)
	}
	slices.SortFunc(r.files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return r.files, r.err
}

func (r *returner) note(f File, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.err = errors.Join(r.err, err)
	} else if f.Path != "" {
		r.files = append(r.files, f)
	}
}

// send returns one file and removes it.
func (r *returner) send(p string) (File, error) {
	r.mu.Lock()
	broken := r.err
	r.mu.Unlock()
	if broken != nil {
		return File{}, nil // the task fails anyway
	}
	name := filepath.Join(r.dir, filepath.FromSlash(p))
	f, err := os.Open(name)
	if err != nil {
		return File{}, fmt.Errorf("worker: %w", err)
	}
	defer f.Close()
	hash := sha256.New()
	size, err := io.Copy(hash, f)
	if err != nil {
		return File{}, fmt.Errorf("worker: read %s: %w", p, err)
	}
	file := File{Path: p, Size: size, SHA256: hex.EncodeToString(hash.Sum(nil))}
	err = insist(r.ctx, func() error {
		// A reader for each attempt: the one before may still be read from.
		return r.client.Put(r.ctx, r.lease, file, io.NewSectionReader(f, 0, size))
	})
	if err != nil {
		return File{}, fmt.Errorf("return %s: %w", p, err)
	}
	return file, nil
}
