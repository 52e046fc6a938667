package origin

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
)

// bundles are the bundles being put together here: a folder each, with what it
// is in one file and its files in a log.
type bundles struct {
	origin *Origin
	dir    string

	mu   sync.Mutex // guards following
	all  map[string]*bundle
	open map[string]int // unpublished ones by API key
}

// bundleInfo is the file "bundle".
type bundleInfo struct {
	Version int       `json:"version"`
	ID      string    `json:"id"`
	Name    meta.Name `json:"name"`
	Key     string    `json:"key"`
	Created time.Time `json:"created"`
	// Asset that the bundle belongs to; then it is nobody else's.
	Asset string `json:"asset,omitempty"`
	// HLS has digests written into the playlists when the bundle is published.
	HLS    bool    `json:"hls,omitempty"`
	Result *Result `json:"result,omitempty"`
}

func openBundles(o *Origin) (*bundles, error) {
	s := &bundles{origin: o, dir: filepath.Join(o.config().Dir, "bundles"), all: map[string]*bundle{}, open: map[string]int{}}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	for _, e := range entries {
		b, err := s.load(e.Name())
		switch {
		case err == nil:
			s.enlist(b)
		case errors.Is(err, fs.ErrNotExist):
			_ = os.RemoveAll(filepath.Join(s.dir, e.Name())) // never acknowledged
		default:
			o.config().Logger.Error("bundle cannot be read; it is left as it is", "id", e.Name(), "error", err)
		}
	}
	return s, nil
}

// enlist makes a bundle known.
func (s *bundles) enlist(b *bundle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[b.id] = b
	if b.info.Result == nil && b.info.Asset == "" {
		s.opened(b.info.Key, 1)
	}
}

// opened counts a key's unpublished bundles; mu is held.
func (s *bundles) opened(key string, by int) {
	s.open[key] += by
	s.origin.counters.OpenBundles.Add(int64(by))
}

// get returns a bundle, nil when there is none.
func (s *bundles) get(id string) *bundle {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[id]
}

// create makes a bundle. With resume, the newest unpublished one of the same
// key, name and kind is returned instead, if there is one.
func (s *bundles) create(name meta.Name, key string, resume, hls bool) (b *bundle, made bool, err error) {
	s.mu.Lock()
	open := s.open[key]
	if resume {
		for _, other := range s.all {
			if other.info.Asset == "" && other.info.HLS == hls && other.info.Name == name && other.info.Key == key && other.result() == nil && (b == nil || other.info.Created.After(b.info.Created)) {
				b = other
			}
		}
	}
	s.mu.Unlock()
	if b != nil {
		return b, false, nil
	}
	if err := s.origin.admitOpen(open); err != nil {
		return nil, false, err
	}
	b, err = s.makeBundle(bundleInfo{Name: name, Key: key, HLS: hls})
	return b, err == nil, err
}

// makeBundle makes an empty bundle.
func (s *bundles) makeBundle(info bundleInfo) (*bundle, error) {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	info.Version, info.ID, info.Created = 1, hex.EncodeToString(id[:]), s.origin.config().Now().UTC()
	folder := filepath.Join(s.dir, info.ID)
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	if err := info.save(folder); err != nil {
		return nil, err
	}
	if err := syncDir(s.dir); err != nil {
		return nil, err
	}
	b, err := s.load(info.ID)
	if err != nil {
		return nil, err
	}
	s.enlist(b)
	return b, nil
}

// admitOpen refuses one unfinished upload or bundle too many.
func (o *Origin) admitOpen(open int) error {
	if open < o.config().MaxOpen {
		return nil
	}
	o.counters.Refused.Add(1)
	p := httperr.New(http.StatusTooManyRequests, "open-uploads",
		fmt.Sprintf("this API key has %d unfinished uploads, the most it may have; finish, remove or let expire some", open))
	p.RetryAfter = time.Minute
	return p
}

func (i *bundleInfo) save(folder string) error {
	text, err := json.Marshal(i)
	if err != nil {
		return fmt.Errorf("bundle %s: %w", i.ID, err)
	}
	return writeFile(filepath.Join(folder, "bundle"), text, []byte{'\n'})
}

// remove forgets a bundle. Its slices go when their lease ends.
func (s *bundles) remove(b *bundle) error {
	s.mu.Lock()
	if s.all[b.id] == b {
		delete(s.all, b.id)
		if b.result() == nil && b.info.Asset == "" {
			s.opened(b.info.Key, -1)
		}
	}
	s.mu.Unlock()
	b.close()
	if err := os.RemoveAll(b.folder); err != nil {
		return fmt.Errorf("bundle %s: %w", b.id, err)
	}
	return syncDir(s.dir)
}

// list gives all bundles, in no order.
func (s *bundles) list() []*bundle {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.all))
}

// sweep removes bundles that nobody touched for long.
func (s *bundles) sweep(now time.Time) {
	for _, b := range s.list() {
		if b.info.Asset == "" && b.expired(now) && s.remove(b) == nil {
			s.origin.counters.Expired.Add(1)
		}
	}
}

func (s *bundles) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.all {
		b.close()
	}
}

// target checks where in which bundle an upload wants to go.
func (s *bundles) target(id, path string) (*bundle, string, error) {
	b := s.get(id)
	if b == nil || b.info.Asset != "" {
		return nil, "", errNoBundle()
	}
	clean, err := bundlePath(path)
	if err != nil {
		return nil, "", err
	}
	return b, clean, b.admits(clean)
}

func errNoBundle() error {
	return httperr.New(http.StatusNotFound, "no-bundle", "there is no such bundle; it may have expired")
}
