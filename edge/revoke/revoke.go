// Package revoke holds the revocations in force on this edge: signed, numbered
// orders to stop serving a root or objects. They are kept over a restart, and a
// number is reported only when everything up to it is in force.
//
// A root that is revoked is not served under any name; files in it that other
// roots have too go on there, for their owners did not ask for it. Objects are
// what a ban names: they are not served, fetched or stored wherever they are.
package revoke

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// Keeper keeps revocations over a restart.
type Keeper interface {
	PutRevocations(list []meta.Revocation) error
	Revocations() ([]meta.Revocation, error)
}

// List of revocations.
type List struct {
	keeper Keeper
	number atomic.Uint64

	mu      sync.RWMutex // guards following
	roots   map[sds.CID]reason
	objects map[sds.CID]reason
}

// reason why something must not be served.
type reason uint8

const (
	none reason = iota
	deleted
	banned
)

// err is the reason as an answer to viewers.
func (r reason) err() error {
	switch r {
	case deleted:
		return httperr.Wrap(meta.ErrDeleted, http.StatusGone, "deleted", "this was deleted by its owner")
	case banned:
		return httperr.Wrap(meta.ErrBanned, http.StatusUnavailableForLegalReasons, "banned", "this may not be served")
	}
	return nil
}

// Open reads what is in force.
func Open(keeper Keeper) (*List, error) {
	l := &List{keeper: keeper, roots: make(map[sds.CID]reason), objects: make(map[sds.CID]reason)}
	stored, err := keeper.Revocations()
	if err != nil {
		return nil, fmt.Errorf("read revocations: %w", err)
	}
	for i := range stored {
		l.apply(&stored[i])
	}
	return l, nil
}

// Add puts revocations in force that an authority signed and that follow on
// what is in force; it stops at the first that does not.
func (l *List) Add(list []meta.Revocation, network *peers.Snapshot) error {
	var good []meta.Revocation
	next := l.Number()
	var failed error
	for _, r := range list {
		if r.Number <= next {
			continue
		}
		key, ok := network.Authorities[r.Authority]
		if !ok {
			failed = fmt.Errorf("revocation %d: authority %d is unknown", r.Number, r.Authority)
			break
		}
		if err := r.Verify(key, network.ChainID); err != nil {
			failed = fmt.Errorf("revocation %d: %w", r.Number, err)
			break
		}
		good = append(good, r)
		next = r.Number
	}
	// In force first: a disk that fails must not keep a ban from working.
	for i := range good {
		l.apply(&good[i])
	}
	if len(good) > 0 {
		if err := l.keeper.PutRevocations(good); err != nil {
			return fmt.Errorf("keep revocations: %w", err)
		}
	}
	return failed
}

func (l *List) apply(r *meta.Revocation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch r.Kind {
	case meta.ByOwner:
		l.roots[r.Root] = max(l.roots[r.Root], deleted)
	case meta.Lifted:
		// Only its owner's own order is taken back, never a ban.
		if l.roots[r.Root] == deleted {
			delete(l.roots, r.Root)
		}
	case meta.ByNetwork:
		l.roots[r.Root] = banned
		for _, object := range r.Objects {
			l.objects[object] = banned
		}
	case meta.Unbanned:
		if l.roots[r.Root] == banned {
			delete(l.roots, r.Root)
		}
		for _, object := range r.Objects {
			delete(l.objects, object)
		}
	}
	l.number.Store(max(l.number.Load(), r.Number))
}

// Root says why a root must not be served under any name; nil when it may.
func (l *List) Root(cid sds.CID) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return max(l.roots[cid], l.objects[cid]).err()
}

// Object says why an object must not be served, fetched or stored in whatever
// root it is; nil when it may.
func (l *List) Object(cid sds.CID) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.objects[cid].err()
}

// Number is the highest in force.
func (l *List) Number() uint64 { return l.number.Load() }
