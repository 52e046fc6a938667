package origin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/transcode"
)

// The states of an asset, in the order in which it goes through them. Playable
// is left out where a name has a version already, or encoding is too slow.
const (
	assetWaiting    = "waiting-for-upload"
	assetUploading  = "uploading"
	assetProbing    = "probing"
	assetEncoding   = "encoding"
	assetPlayable   = "playable" // encoding goes on
	assetPublishing = "publishing"
	assetReady      = "ready"
	assetFailed     = "failed"
	assetReplaced   = "replaced" // a newer asset has the name
)

// assetInfo is the file "state" of an asset: all that a restart needs.
type assetInfo struct {
	Version     int              `json:"version"`
	ID          string           `json:"id"`
	Name        meta.Name        `json:"name"`
	Key         string           `json:"key"`
	Title       string           `json:"title,omitempty"`
	Passthrough string           `json:"passthrough,omitempty"`
	Policy      transcode.Policy `json:"policy"`
	Webhook     *webhook         `json:"webhook,omitempty"`
	Created     time.Time        `json:"created"`
	State       string           `json:"state"`
	// History of states; its last is State. An event's number is in it, so that
	// who lost the stream can take it up.
	History []transition `json:"history"`
	Reason  *Reason      `json:"reason,omitempty"`
	// Size and SHA256 of the source, once it is here. The digest comes a little
	// later.
	Size   int64           `json:"size,omitempty"`
	SHA256 string          `json:"sha256,omitempty"`
	Plan   *transcode.Plan `json:"plan,omitempty"`
	// Bundle that takes the files on their way to the edges.
	Bundle string `json:"bundle,omitempty"`
	// Sequence of the newest state that was signed; Grown are the renditions that
	// viewers were shown before all was ready.
	Sequence uint64 `json:"sequence,omitempty"`
	// Settled is the number of the playlists of the published tree, once drawn.
	Settled uint64   `json:"settled,omitempty"`
	Grown   []string `json:"grown,omitempty"`
	// Redone counts how often tasks were begun again because their results did
	// not fit.
	Redone int     `json:"redone,omitempty"`
	Result *Result `json:"result,omitempty"`
}

// transition is one change of state.
type transition struct {
	Event uint64    `json:"event"`
	State string    `json:"state"`
	Time  time.Time `json:"time"`
}

// settled assets have nothing to do any more.
func (i *assetInfo) settled() bool {
	return i.State == assetReady || i.State == assetFailed || i.State == assetReplaced
}

// sourceHere tells whether the whole source was acknowledged.
func (i *assetInfo) sourceHere() bool {
	return i.State != assetWaiting && i.State != assetUploading
}

// asset is one video on its way from a source to a name.
type asset struct {
	origin *Origin
	id     string
	folder string
	// name and created are those of info, which never change.
	name    meta.Name
	created time.Time

	saving sync.Mutex // held while the state file is replaced

	mu       sync.Mutex // guards following
	info     assetInfo
	received int64         // of the source, before all of it is here
	changed  chan struct{} // closed and replaced when a viewer of the asset would see another
	room     *reservation  // for the source
	job      *job          // while it encodes
	cancel   context.CancelFunc
	ended    chan struct{} // closed when run has; nil when it does not run
	deleted  bool
}

func (a *asset) statePath() string  { return filepath.Join(a.folder, "state") }
func (a *asset) sourcePath() string { return filepath.Join(a.folder, "source") }

// tree is where the results of tasks lie, shown where a growing state is built.
func (a *asset) tree() string  { return filepath.Join(a.folder, "tree") }
func (a *asset) shown() string { return filepath.Join(a.folder, "shown") }

// load reads an asset's folder.
func (s *assets) load(id string) (*asset, error) {
	a := &asset{origin: s.origin, id: id, folder: filepath.Join(s.dir, id), changed: make(chan struct{})}
	text, err := os.ReadFile(a.statePath())
	if err == nil {
		err = json.Unmarshal(text, &a.info)
	}
	if err == nil && (a.info.Version != 1 || a.info.ID != id || len(a.info.History) == 0) {
		err = errors.New("state file is damaged")
	}
	if err != nil {
		return nil, fmt.Errorf("asset %s: %w", id, err)
	}
	a.name, a.created = a.info.Name, a.info.Created
	return a, nil
}

func (i *assetInfo) save(path string) error {
	text, err := json.Marshal(i)
	if err != nil {
		return fmt.Errorf("asset %s: %w", i.ID, err)
	}
	return writeFile(path, text, []byte{'\n'})
}

// state is a copy of what is known.
func (a *asset) state() assetInfo {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.info
}

var errAssetGone = errors.New("the asset was deleted")

// change replaces the state: on disk first, so that nobody is told of what a
// crash would undo. A copy goes to f; what it points to f replaces and does not
// change.
func (a *asset) change(f func(*assetInfo)) error {
	a.saving.Lock()
	defer a.saving.Unlock()
	a.mu.Lock()
	info, deleted := a.info, a.deleted
	a.mu.Unlock()
	if deleted {
		return errAssetGone
	}
	before := info.State
	f(&info)
	if info.State != before {
		info.History = append(slices.Clone(info.History), a.transition(&info))
	}
	if err := info.save(a.statePath()); err != nil {
		return err
	}
	a.mu.Lock()
	a.info = info
	a.mu.Unlock()
	a.announce()
	if info.State != before {
		a.origin.assets.hooks.add(a, &info)
	}
	return nil
}

// transition to the state that info has. Numbers grow over restarts too.
func (a *asset) transition(info *assetInfo) transition {
	now := a.origin.config().Now().UTC()
	t := transition{Event: uint64(max(now.UnixMilli(), 1)), State: info.State, Time: now.Truncate(time.Millisecond)}
	if n := len(info.History); n > 0 {
		t.Event = max(t.Event, info.History[n-1].Event+1)
	}
	return t
}

// announce wakes whoever watches.
func (a *asset) announce() {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.changed)
	a.changed = make(chan struct{})
}

// watch returns what is closed at the next change.
func (a *asset) watch() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.changed
}
