package origin

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/origin/pipeline"
	"github.com/stratos-mesh/stratos/sds"
)

// bundle is one that is being put together, or was published lately.
type bundle struct {
	origin *Origin
	id     string
	folder string
	log    *syncLog

	publishing keyedLock  // one at a time
	opening    sync.Mutex // held while a way is asked for

	mu    sync.Mutex // guards following
	info  bundleInfo
	files map[string]bundleFile
	dirs  map[string]bool // explicit, so that empty ones are kept
	above map[string]int  // folders that files and dirs lie in, counted
	bytes int64
	room  *reservation // for bytes, until they are published
	used  time.Time
	way   *pipeline.Session
}

// bundleFile is a line of the log: a file whose blocks are durable, or a folder
// when Dir is set.
type bundleFile struct {
	Path   string         `json:"path"`
	Dir    bool           `json:"dir,omitempty"`
	CID    sds.CID        `json:"cid,omitzero"`
	Size   int64          `json:"size"`
	SHA256 string         `json:"sha256,omitempty"`
	Type   string         `json:"type,omitempty"`
	First  sds.CID        `json:"first,omitzero"`
	Tally  pipeline.Tally `json:"tally,omitzero"`
}

func (f *bundleFile) object() (sds.Object, error) {
	o := sds.Object{Path: f.Path, CID: f.CID, Size: f.Size, Type: f.Type, First: f.First}
	sum, err := hex.DecodeString(f.SHA256)
	if err != nil || len(sum) != len(o.SHA256) {
		return o, fmt.Errorf("file %s: SHA-256 %.80q: %w", f.Path, f.SHA256, sds.ErrMalformed)
	}
	copy(o.SHA256[:], sum)
	return o, nil
}

// load reads a bundle's folder.
func (s *bundles) load(id string) (*bundle, error) {
	b := &bundle{
		origin: s.origin, id: id, folder: filepath.Join(s.dir, id),
		files: map[string]bundleFile{}, dirs: map[string]bool{}, above: map[string]int{},
	}
	path := filepath.Join(b.folder, "bundle")
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &b.info)
	}
	if err == nil && (b.info.Version != 1 || b.info.ID != id) {
		err = errors.New("file is damaged")
	}
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", id, err)
	}
	b.used = b.info.Created
	logPath := filepath.Join(b.folder, "files")
	if stat, err := os.Stat(logPath); err == nil {
		b.used = stat.ModTime()
	}
	b.log, err = openLog(logPath, func(line []byte) {
		var f bundleFile
		if json.Unmarshal(line, &f) == nil && f.Path != "" {
			b.apply(f)
		}
	})
	if err != nil {
		return nil, err
	}
	b.room, err = s.origin.ledger.reserve(b.info.Key, 0, b.info.Name.Namespace(), 0, b.bytes)
	return b, err
}

// close lets the log and the room in the quotas go.
func (b *bundle) close() {
	b.room.release()
	b.log.close()
}

func (b *bundle) result() *Result {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.info.Result
}

func (b *bundle) expired(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return now.Sub(b.used) >= b.origin.config().Expire
}

// apply takes a line into the maps; mu is held, or nobody else is there yet.
func (b *bundle) apply(f bundleFile) {
	if f.Dir {
		if !b.dirs[f.Path] {
			b.dirs[f.Path] = true
			b.countAbove(f.Path)
		}
		return
	}
	old, replaced := b.files[f.Path]
	b.bytes += f.Size - old.Size
	if b.room != nil {
		b.room.take(f.Size - old.Size)
	}
	b.files[f.Path] = f
	if !replaced {
		b.countAbove(f.Path)
	}
}

func (b *bundle) countAbove(path string) {
	for {
		i := strings.LastIndexByte(path, '/')
		if i < 0 {
			return
		}
		path = path[:i]
		b.above[path]++
	}
}

// bundlePath checks a path inside a bundle.
func bundlePath(path string) (string, error) {
	clean, err := sds.CleanPath(path)
	if err != nil {
		return "", err
	}
	if clean == "" {
		return "", badPath("the path is empty")
	}
	return clean, nil
}

// admits tells whether a file may come to a path: not into a published bundle,
// not where a folder is, not below a file, and not one too many.
func (b *bundle) admits(path string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fits(path, false)
}

func (b *bundle) fits(path string, dir bool) error {
	if b.info.Result != nil {
		return httperr.New(http.StatusConflict, "published", "this bundle is published; make a new one for the next version")
	}
	if !dir && (b.dirs[path] || b.above[path] > 0) {
		return httperr.New(http.StatusConflict, "conflict", path+" is a folder in this bundle")
	}
	if _, file := b.files[path]; dir && file {
		return httperr.New(http.StatusConflict, "conflict", path+" is a file in this bundle")
	}
	for i := range len(path) {
		if path[i] == '/' {
			if _, file := b.files[path[:i]]; file {
				return httperr.New(http.StatusConflict, "conflict", path[:i]+" is a file in this bundle")
			}
		}
	}
	if _, known := b.files[path]; !known && len(b.files)+len(b.dirs) >= b.origin.config().MaxBundleFiles {
		return httperr.New(http.StatusRequestEntityTooLarge, "too-many-files", fmt.Sprintf("a bundle may have %d files", b.origin.config().MaxBundleFiles))
	}
	return nil
}

// session opens the way of the bundle's blocks, once.
func (b *bundle) session(ctx context.Context) (*pipeline.Session, error) {
	b.opening.Lock()
	defer b.opening.Unlock()
	b.mu.Lock()
	way, sent := b.way, b.bytes
	b.mu.Unlock()
	if way != nil {
		return way, nil
	}
	request := b.upload()
	request.MaxBytes = covering(max(sent, 256<<20))
	way, err := b.origin.writer.Open(ctx, request, nil, sent)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.way = way
	return way, nil
}

// upload is what the meta node knows the bundle's upload as. The id is the
// bundle's, so that a restart goes on with the same unit and edges.
func (b *bundle) upload() meta.Upload {
	u := meta.Upload{Name: b.info.Name, Kind: meta.Bundle, Replicas: b.origin.config().Replicas}
	_, _ = hex.Decode(u.ID[:], []byte(b.id)) // load has read the folder of that name, made by create
	return u
}

// add writes down a file whose blocks are durable; it returns when that
// survives a crash.
func (b *bundle) add(ctx context.Context, file sds.Object, tally pipeline.Tally) error {
	return b.append(ctx, bundleFile{
		Path: file.Path, CID: file.CID, Size: file.Size, SHA256: digest(file.SHA256),
		Type: file.Type, First: file.First, Tally: tally,
	})
}

// addDir writes down a folder.
func (b *bundle) addDir(ctx context.Context, path string) error {
	return b.append(ctx, bundleFile{Path: path, Dir: true})
}

func (b *bundle) append(ctx context.Context, f bundleFile) error {
	text, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("bundle %s: %w", b.id, err)
	}
	b.mu.Lock()
	if err := b.fits(f.Path, f.Dir); err != nil {
		b.mu.Unlock()
		return err
	}
	// Into the maps first: of two requests for paths that exclude each other one
	// is refused. A crash before the sync forgets a file that nobody was told of.
	b.apply(f)
	b.used = b.origin.config().Now()
	synced := b.log.add(append(text, '\n'))
	b.mu.Unlock()
	return synced(ctx)
}
