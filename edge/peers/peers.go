// Package peers knows the other nodes as the meta node last described them: who
// may ask, who may be asked, and in which order.
//
// A Table holds one Snapshot at a time. Readers take it with one atomic load
// and never see half of a change; a new description replaces it whole.
package peers

import (
	"crypto/ed25519"
	"sync"
	"sync/atomic"

	"github.com/stratos-mesh/stratos/meta"
)

// Table hands out the newest Snapshot.
type Table struct {
	self ed25519.PublicKey
	now  atomic.Pointer[Snapshot]

	mu       sync.Mutex // guards following
	watchers []func(*Snapshot)
}

// NewTable starts empty: an edge that never heard of the network knows nobody.
func NewTable(self ed25519.PublicKey) *Table {
	t := &Table{self: self}
	t.now.Store(newSnapshot(&meta.Network{}, self))
	return t
}

// Now returns the newest snapshot, never nil.
func (t *Table) Now() *Snapshot { return t.now.Load() }

// Set replaces the snapshot. The caller may not change n afterwards.
func (t *Table) Set(n *meta.Network) {
	s := newSnapshot(n, t.self)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.Store(s)
	for _, watch := range t.watchers {
		watch(s)
	}
}

// Watch calls f with every snapshot from now on, in order, one at a time.
func (t *Table) Watch(f func(*Snapshot)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watchers = append(t.watchers, f)
}

// Snapshot is the network at one moment. Nobody changes it.
type Snapshot struct {
	*meta.Network
	// Self is this edge's own entry, nil before it was admitted.
	Self *meta.Edge

	byID    map[meta.EdgeID]*meta.Edge
	byKey   map[string]*meta.Edge
	origins map[string]bool
}

func newSnapshot(n *meta.Network, self ed25519.PublicKey) *Snapshot {
	s := &Snapshot{
		Network: n,
		byID:    make(map[meta.EdgeID]*meta.Edge, len(n.Edges)),
		byKey:   make(map[string]*meta.Edge, len(n.Edges)),
		origins: make(map[string]bool, len(n.Origins)),
	}
	for i := range n.Edges {
		e := &n.Edges[i]
		s.byID[e.ID] = e
		s.byKey[string(e.Key)] = e
	}
	for _, key := range n.Origins {
		s.origins[string(key)] = true
	}
	s.Self = s.byKey[string(self)]
	return s
}

// ID is this edge's number, 0 before it was admitted.
func (s *Snapshot) ID() meta.EdgeID {
	if s.Self == nil {
		return 0
	}
	return s.Self.ID
}

// Edge finds an edge by its number.
func (s *Snapshot) Edge(id meta.EdgeID) (*meta.Edge, bool) {
	e, ok := s.byID[id]
	return e, ok
}

// EdgeByKey finds an edge by its node key.
func (s *Snapshot) EdgeByKey(key ed25519.PublicKey) (*meta.Edge, bool) {
	e, ok := s.byKey[string(key)]
	return e, ok
}

// Known tells whether a key belongs to an edge or an origin of the network:
// only those may ask for slices.
func (s *Snapshot) Known(key ed25519.PublicKey) bool {
	return s.byKey[string(key)] != nil || s.origins[string(key)]
}

// Base is the URL at which another node reaches an edge: TLS, except where a
// development network allows plain http.
func (s *Snapshot) Base(e *meta.Edge) string {
	if s.Development && e.URL != "" || e.TLSURL == "" {
		return e.URL
	}
	return e.TLSURL
}
