package origin

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/stratos-mesh/stratos/origin/pipeline"
	"github.com/stratos-mesh/stratos/sds"
)

// feeders are how many files of one asset go to the edges at a time.
const feeders = 4

// feed brings files of the tree to the edges as they arrive, and shows those
// that are durable there in the folder from which growing states are made.
type feed struct {
	asset  *asset
	bundle *bundle

	mu      sync.Mutex // guards following
	waiting []string   // paths below the tree; each at most once
	known   map[string]bool
	shown   int // files in the folder
	wake    chan struct{}
	closed  bool
}

func newFeed(a *asset, b *bundle) *feed {
	return &feed{asset: a, bundle: b, known: map[string]bool{}, wake: make(chan struct{}, 1)}
}

// add takes a path that has its name in the tree.
func (f *feed) add(path string) {
	f.mu.Lock()
	if !f.known[path] {
		f.known[path] = true
		f.waiting = append(f.waiting, path)
	}
	f.mu.Unlock()
	f.signal()
}

func (f *feed) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// close ends run when nothing waits.
func (f *feed) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.signal()
}

// addTree adds what is there from before a restart. Playlists are the origin's
// own and come at the end.
func (f *feed) addTree() {
	root := f.asset.tree()
	_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		name := filepath.ToSlash(rel)
		if err == nil && strings.Contains(name, "/") && !strings.HasPrefix(e.Name(), ".") && !strings.HasSuffix(name, ".m3u8") {
			f.add(name)
		}
		return nil
	})
}

// run sends files until close was called and none waits.
func (f *feed) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(feeders)
	for {
		f.mu.Lock()
		path, closed := "", f.closed
		if len(f.waiting) > 0 {
			path, f.waiting = f.waiting[0], f.waiting[1:]
		}
		f.mu.Unlock()
		switch {
		case path != "":
			group.Go(func() error { return f.send(ctx, path) })
			continue
		case closed:
			return group.Wait()
		}
		select {
		case <-f.wake:
		case <-ctx.Done():
			if err := group.Wait(); err != nil {
				return err
			}
			return context.Cause(ctx)
		}
	}
}

// send brings one file to the edges, unless it is there, and shows it.
func (f *feed) send(ctx context.Context, path string) error {
	if !f.bundle.has(path) {
		err := f.asset.patiently(ctx, func() error { return f.asset.importFile(ctx, f.bundle, path) })
		if err != nil {
			return err
		}
	}
	from, to := filepath.Join(f.asset.tree(), filepath.FromSlash(path)), filepath.Join(f.asset.shown(), filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return fmt.Errorf("asset %s: %w", f.asset.id, err)
	}
	if err := os.Link(from, to); err != nil && !os.IsExist(err) {
		return fmt.Errorf("asset %s: %w", f.asset.id, err)
	}
	f.mu.Lock()
	f.shown++
	f.mu.Unlock()
	return nil
}

// count is how many files are shown.
func (f *feed) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.shown
}

// importFile cuts a file of the tree, and writes it down in the bundle when its
// slices are durable.
func (a *asset) importFile(ctx context.Context, b *bundle, path string) error {
	r, err := os.Open(filepath.Join(a.tree(), filepath.FromSlash(path)))
	if err != nil {
		return fmt.Errorf("asset %s: %w", a.id, err)
	}
	defer r.Close()
	session, err := b.session(ctx)
	if err != nil {
		return err
	}
	batch := session.Batch(ctx, pipeline.Tally{})
	defer batch.Close()
	built, err := sds.Import(ctx, r, session.Sink(batch))
	if err != nil {
		return err
	}
	tally, err := batch.Wait()
	if err != nil {
		return err
	}
	return b.add(ctx, sds.Object{Path: path, CID: built.Root, Size: built.Size, SHA256: built.SHA256, Type: sds.MediaType(path), First: built.First}, tally)
}

// has tells whether a file is in the bundle.
func (b *bundle) has(path string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.files[path]
	return ok
}
