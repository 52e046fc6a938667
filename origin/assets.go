package origin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/origin/apikey"
	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

const (
	// assetKept is how long an asset that failed or was replaced can be asked for.
	assetKept = 7 * 24 * time.Hour
	// probes at a time: each reads all of a file's end.
	probes = 2
)

// assets are the videos of this origin: a folder each.
type assets struct {
	origin *Origin
	dir    string
	jobs   *jobs
	hooks  *hooks
	probes chan struct{}
	opened sync.Mutex // held while the box is opened
	box    *sandbox.Box

	mu   sync.Mutex // guards following
	all  map[string]*asset
	disk int64 // bytes of sources and trees
}

func openAssets(o *Origin) (*assets, error) {
	s := &assets{origin: o, dir: filepath.Join(o.config().Dir, "assets"), all: map[string]*asset{}, probes: make(chan struct{}, probes)}
	s.jobs, s.hooks = newJobs(s), newHooks(o)
	o.assets = s
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	for _, e := range entries {
		a, err := s.load(e.Name())
		switch {
		case err == nil:
			s.enlist(a)
		case errors.Is(err, fs.ErrNotExist):
			_ = os.RemoveAll(filepath.Join(s.dir, e.Name())) // never acknowledged, or half deleted
		default:
			o.config().Logger.Error("asset cannot be read; it is left as it is", "id", e.Name(), "error", err)
		}
	}
	s.adopt()
	return s, nil
}

// enlist makes an asset known and counts what it has on disk.
func (s *assets) enlist(a *asset) {
	info := a.state()
	if info.Size > 0 { // it was let in before: no limit refuses it now
		a.room, _ = s.origin.ledger.reserve(info.Key, 0, info.Name.Namespace(), 0, info.Size)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[a.id] = a
	s.disk += folderSize(a.folder)
}

// folderSize is the sum of the files in a folder.
func folderSize(dir string) (sum int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if stat, err := e.Info(); err == nil {
				sum += stat.Size()
			}
		}
		return nil
	})
	return sum
}

// adopt removes bundles of assets that are no more.
func (s *assets) adopt() {
	for _, b := range s.origin.bundles.list() {
		if b.info.Asset == "" {
			continue
		}
		if a := s.get(b.info.Asset); a != nil {
			if info := a.state(); info.Bundle == b.id && !info.settled() {
				continue
			}
		}
		_ = s.origin.bundles.remove(b)
	}
}

// goOn takes up every asset that a restart interrupted.
func (s *assets) goOn() {
	for _, a := range s.list() {
		s.hooks.resume(a)
		switch info := a.state(); {
		case info.settled():
			a.clearWork()
		case info.sourceHere():
			a.start()
		}
	}
}

func (s *assets) get(id string) *asset {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[id]
}

// list gives all assets, the oldest first.
func (s *assets) list() []*asset {
	s.mu.Lock()
	all := make([]*asset, 0, len(s.all))
	for _, a := range s.all {
		all = append(all, a)
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b *asset) int {
		if c := a.created.Compare(b.created); c != 0 {
			return c
		}
		return strings.Compare(a.id, b.id)
	})
	return all
}

// create makes an asset that waits for its source.
func (s *assets) create(key *apikey.Key, info assetInfo) (*asset, error) {
	open := 0
	for _, a := range s.list() {
		if i := a.state(); i.Key == key.ID && !i.settled() {
			open++
		}
	}
	if err := s.origin.admitOpen(open); err != nil {
		return nil, err
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	info.Version, info.ID, info.Key, info.State = 1, hex.EncodeToString(id[:]), key.ID, assetWaiting
	info.Created = s.origin.config().Now().UTC()
	a := &asset{origin: s.origin, id: info.ID, folder: filepath.Join(s.dir, info.ID), changed: make(chan struct{})}
	info.History = []transition{a.transition(&info)}
	a.info, a.name, a.created = info, info.Name, info.Created
	if err := os.Mkdir(a.folder, 0o700); err != nil {
		return nil, fmt.Errorf("asset: %w", err)
	}
	if err := info.save(a.statePath()); err != nil {
		return nil, err
	}
	if err := syncDir(s.dir); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.all[a.id] = a
	s.mu.Unlock()
	return a, nil
}

// take counts n more bytes on this disk, or refuses them.
func (s *assets) take(n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit := s.origin.config().Video.Disk; n > 0 && s.disk+n > limit {
		return httperr.New(http.StatusInsufficientStorage, "no-room",
			fmt.Sprintf("this origin keeps %d bytes of videos under way, %d are used, %d more do not fit; try again when others are done", limit, s.disk, n))
	}
	s.disk += n
	return nil
}

// give counts n bytes off.
func (s *assets) give(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disk -= n
}

// clear removes a folder or file of an asset.
func (s *assets) clear(path string) {
	n := folderSize(path)
	if err := os.RemoveAll(path); err != nil {
		s.origin.config().Logger.Warn("what an asset no longer needs cannot be removed", "path", path, "error", err)
		return
	}
	s.give(n)
}

// remove forgets an asset and all of it that is here.
func (s *assets) remove(a *asset) error {
	a.saving.Lock() // a change under way ends first, none begins later
	a.mu.Lock()
	a.deleted = true
	a.mu.Unlock()
	a.saving.Unlock()
	a.halt()
	s.mu.Lock()
	delete(s.all, a.id)
	s.mu.Unlock()
	if b := s.origin.bundles.get(a.state().Bundle); b != nil {
		_ = s.origin.bundles.remove(b)
	}
	if a.room != nil {
		a.room.release()
	}
	// The state first: without it the rest is removed after a crash.
	if err := os.Remove(a.statePath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("asset %s: %w", a.id, err)
	}
	if err := syncDir(a.folder); err != nil {
		return fmt.Errorf("asset %s: %w", a.id, err)
	}
	s.clear(a.folder)
	a.announce()
	return nil
}

// sweep removes assets whose source never came, and old ones that ended badly.
func (s *assets) sweep(now time.Time) {
	for _, a := range s.list() {
		info := a.state()
		age := now.Sub(info.History[len(info.History)-1].Time)
		waits := info.State == assetWaiting || info.State == assetUploading
		ended := info.State == assetFailed || info.State == assetReplaced
		if waits && age >= s.origin.config().Expire && !s.origin.uploads.feeds(a.id) || ended && age >= assetKept {
			if s.remove(a) == nil {
				s.origin.counters.Expired.Add(1)
			}
		}
	}
}

// sandbox opens the box that programs run in, once.
func (s *assets) sandbox(ctx context.Context) (*sandbox.Box, error) {
	s.opened.Lock()
	defer s.opened.Unlock()
	if s.box != nil {
		return s.box, nil
	}
	box, err := s.origin.config().Video.Box(ctx)
	s.box = box
	return box, err
}

// newerPublished tells whether a younger asset has the name already.
func (s *assets) newerPublished(name meta.Name, than time.Time) bool {
	for _, a := range s.list() {
		if i := a.state(); i.Name == name && i.Result != nil && i.State == assetReady && i.Created.After(than) {
			return true
		}
	}
	return false
}
