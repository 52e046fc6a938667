package origin

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stratos-mesh/stratos/origin/apikey"
)

// uploads are the tus uploads of this origin: a folder each, with the state in
// one file, and for a partial upload its bytes in another.
type uploads struct {
	origin *Origin
	dir    string
	locks  *tusLocks
	tus    *tusDoor
	parts  atomic.Int64 // bytes that partial uploads may take here

	mu        sync.Mutex // guards following
	open      map[string]int
	rooms     map[string]*reservation // of unfinished uploads, by id
	finishing map[string]*finish
}

// finish is the work between an upload's last byte and its name's move. It goes
// on when the request that began it ends.
type finish struct {
	done chan struct{}
	err  error
}

// openUploads reads what is there and sets up the door.
func openUploads(o *Origin) (*uploads, error) {
	u := &uploads{
		origin: o, dir: filepath.Join(o.config().Dir, "uploads"), locks: &tusLocks{},
		open: map[string]int{}, rooms: map[string]*reservation{}, finishing: map[string]*finish{},
	}
	if err := os.MkdirAll(u.dir, 0o700); err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	if err := u.tidy(); err != nil {
		return nil, err
	}
	err := u.each(func(s *upload) {
		u.parts.Add(s.partBytes())
		if s.unfinished() && s.Final {
			// A crash interrupted the concatenation before its POST was answered, so
			// nobody knows of this upload: the client concatenates the parts again.
			if err := os.RemoveAll(u.folder(s.ID)); err != nil {
				o.config().Logger.Warn("an interrupted concatenation stays until it expires", "id", s.ID, "error", err)
			}
			return
		}
		if s.unfinished() {
			u.count(s.Key, 1)
			if !s.Partial { // it was let in before: no limit refuses it now
				u.rooms[s.ID], _ = o.ledger.reserve(s.Key, 0, u.namespace(s), 0, s.Size)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	u.tus, err = newTusDoor(u)
	return u, err
}

// tidy removes folders that a crash left without a state: nobody was told of
// them. Later such a folder may be one that is just being made.
func (u *uploads) tidy() error {
	entries, err := os.ReadDir(u.dir)
	if err != nil {
		return fmt.Errorf("origin: %w", err)
	}
	for _, e := range entries {
		if _, err := os.Stat(u.state(e.Name())); errors.Is(err, fs.ErrNotExist) {
			_ = os.RemoveAll(filepath.Join(u.dir, e.Name()))
		}
	}
	return nil
}

// each calls f for every upload whose state can be read.
func (u *uploads) each(f func(*upload)) error {
	entries, err := os.ReadDir(u.dir)
	if err != nil {
		return fmt.Errorf("origin: %w", err)
	}
	for _, e := range entries {
		s, err := u.load(e.Name())
		switch {
		case err == nil:
			f(s)
		case errors.Is(err, fs.ErrNotExist): // just being made, or gone meanwhile
		default:
			u.origin.config().Logger.Error("upload cannot be read; it is left as it is", "id", e.Name(), "error", err)
		}
	}
	return nil
}

// count changes the number of a key's unfinished uploads.
func (u *uploads) count(key string, by int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.open[key] += by
	u.origin.counters.OpenUploads.Add(int64(by))
}

// release gives back an upload's room in the quotas.
func (u *uploads) release(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if room := u.rooms[id]; room != nil {
		room.release()
		delete(u.rooms, id)
	}
}

// namespace in which an upload publishes; empty for a partial one.
func (u *uploads) namespace(s *upload) string {
	if a := u.origin.assets.get(s.Asset); a != nil {
		return a.name.Namespace()
	}
	if s.Bundle == "" {
		return s.Name.Namespace()
	}
	if b := u.origin.bundles.get(s.Bundle); b != nil {
		return b.info.Name.Namespace()
	}
	return ""
}

// admit refuses a key's upload that is one too many.
func (u *uploads) admit(key *apikey.Key) error {
	u.mu.Lock()
	open := u.open[key.ID]
	u.mu.Unlock()
	return u.origin.admitOpen(open)
}

// validID tells an upload's id, which is the name of a folder, from anything
// else that stands in a URL.
func validID(id string) bool {
	b, err := hex.DecodeString(id)
	return err == nil && len(b) == 16 && hex.EncodeToString(b) == id
}

// finish publishes a complete upload and waits for it, or joins who does.
func (u *uploads) finish(ctx context.Context, id string) error {
	u.mu.Lock()
	f := u.finishing[id]
	if f == nil {
		f = &finish{done: make(chan struct{})}
		u.finishing[id] = f
		u.origin.tasks.Go(func() {
			f.err = u.complete(u.origin.ctx, id)
			u.mu.Lock()
			delete(u.finishing, id)
			u.mu.Unlock()
			close(f.done)
		})
	}
	u.mu.Unlock()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return unavailable(fmt.Errorf("upload %s is still being published: %w", id, context.Cause(ctx)))
	}
}

// goOn publishes what is complete and was not published: after a restart, and
// when edges or the meta node were away.
func (u *uploads) goOn() {
	var left []string
	err := u.each(func(s *upload) {
		if s.complete() && !s.Partial && s.Result == nil {
			left = append(left, s.ID)
		}
	})
	for _, id := range left {
		if failed := u.finish(u.origin.ctx, id); failed != nil && u.origin.ctx.Err() == nil {
			u.origin.config().Logger.Warn("a complete upload could not be published yet", "id", id, "error", failed)
		}
	}
	if err != nil {
		u.origin.config().Logger.Error("uploads cannot be listed", "error", err)
	}
}

// sweep removes uploads that expired.
func (u *uploads) sweep(now time.Time) {
	_ = u.each(func(s *upload) {
		if now.Before(s.Expires) {
			return
		}
		lock, _ := u.locks.NewLock(s.ID)
		ctx, cancel := context.WithCancel(u.origin.ctx)
		cancel() // a locked upload is in use: the next sweep looks again
		if lock.Lock(ctx, func() {}) != nil {
			return
		}
		defer lock.Unlock()
		if s, err := u.load(s.ID); err == nil && !now.Before(s.Expires) && u.remove(s) == nil {
			u.origin.counters.Expired.Add(1)
		}
	})
}
