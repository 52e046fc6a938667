package origintest

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// Meta is an index, a publisher and a directory.
type Meta struct {
	net    *Net
	key    ed25519.PrivateKey
	public ed25519.PublicKey
	// Replicas of a grant that does not say, and how long grants last.
	Replicas  int
	GrantLife time.Duration
	// Reverse makes grants name their edges from the highest number down.
	Reverse bool

	mu       sync.Mutex // guards following
	alive    int        // edges that are granted and asked for; 0 is all, and any one will do
	failing  error      // for so many calls of Begin
	failures int
	refusing error // of Publish alone
	moved    func()
	begun    []meta.Upload
	moves    []meta.Publication
	grown    []meta.GrowingState
	// ended is how many states there were when a growing name was removed or
	// published.
	ended   map[meta.Name]int
	revoked []meta.Name
	names   map[meta.Name]meta.Record
	deleted map[meta.Name]bool
	owners  map[string]string       // namespace to key
	signed  map[meta.Name]time.Time // when the newest order about a name was signed
	height  uint64
}

// Fail makes every call fail with err; nil ends it.
func (m *Meta) Fail(err error) { m.FailTimes(err, 1<<40) }

// FailTimes makes n calls of Begin fail, and others until then.
func (m *Meta) FailTimes(err error, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failing, m.failures = err, n
}

// Alive says that the first n edges live: grants name these alone, and what is
// published must be on as many of them as it wants.
func (m *Meta) Alive(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.alive = n
}

// Claim gives a namespace to somebody else.
func (m *Meta) Claim(namespace string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owners[namespace] = "somebody else"
}

// Release takes a namespace from whoever has it.
func (m *Meta) Release(namespace string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.owners, namespace)
}

// FailPublish makes publishing fail with err; nil ends it.
func (m *Meta) FailPublish(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refusing = err
}

// OnPublish is called after a name has moved, before the answer; nil ends it.
func (m *Meta) OnPublish(moved func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.moved = moved
}

// Begun are the requests for grants so far.
func (m *Meta) Begun() []meta.Upload {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.begun)
}

// Published are the publications that took effect.
func (m *Meta) Published() []meta.Publication {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.moves)
}

// Begin implements meta.Publisher: live edges in order of number.
func (m *Meta) Begin(_ context.Context, u meta.Upload) (meta.Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failing; err != nil {
		if m.failures--; m.failures == 0 {
			m.failing = nil
		}
		return meta.Grant{}, err
	}
	if _, err := meta.ParseName(string(u.Name)); err != nil {
		return meta.Grant{}, err
	}
	m.begun = append(m.begun, u)
	g := meta.Grant{Authority: 1, Upload: u.ID, MaxBytes: u.MaxBytes, Until: time.Now().Add(m.GrantLife).Truncate(time.Second)}
	copy(g.Unit[:], u.Name)
	wanted := u.Replicas
	if wanted == 0 {
		wanted = m.Replicas
	}
	for _, e := range m.net.Edges {
		if m.alive > 0 && int(e.ID) > m.alive {
			break
		}
		if len(g.Edges) < wanted && !slices.Contains(u.Dead, e.ID) {
			g.Edges = append(g.Edges, e.ID)
		}
	}
	if m.Reverse {
		slices.Reverse(g.Edges)
	}
	if len(g.Edges) == 0 {
		return g, meta.ErrNoEdges
	}
	g.Sign(m.key, ChainID)
	return g, nil
}

// Grow implements meta.Publisher.
func (m *Meta) Grow(ctx context.Context, g meta.GrowingState) (meta.Record, error) {
	if err := g.Verify(ChainID); err != nil {
		return meta.Record{}, err
	}
	if err := m.durable(ctx, g.Durable, g.Root, g.Manifest); err != nil {
		return meta.Record{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := cmp.Or(m.failing, m.refusing); err != nil {
		return meta.Record{}, err
	}
	if err := m.mayOwn(g.Name, g.Owner); err != nil {
		return meta.Record{}, err
	}
	if _, live := m.names[g.Name]; live {
		return meta.Record{}, fmt.Errorf("%w: %s is published", meta.ErrConflict, g.Name)
	}
	if n := len(m.grown); n > 0 && m.grown[n-1].Upload == g.Upload && m.grown[n-1].Sequence > g.Sequence {
		return meta.Record{}, fmt.Errorf("%w: state %d after state %d", meta.ErrConflict, g.Sequence, m.grown[n-1].Sequence)
	}
	m.grown = append(m.grown, g)
	return meta.Record{Name: g.Name, Kind: meta.Bundle, Root: g.Root, Manifest: g.Manifest, Size: g.Size, Objects: g.Objects, Growing: g.Sequence}, nil
}

// Grown lists the states that were shown, in order.
func (m *Meta) Grown() []meta.GrowingState {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.grown)
}

// durable walks what edges are said to have.
func (m *Meta) durable(ctx context.Context, edges []meta.EdgeID, roots ...sds.CID) error {
	for _, e := range edges {
		for _, root := range roots {
			err := sds.Walk(ctx, m.net.Edge(e).Store, root, func(cid sds.CID, _ int64) error {
				_, err := m.net.Edge(e).Store.Get(ctx, cid)
				return err
			})
			if err != nil {
				return fmt.Errorf("edge %d is called durable: %w: %w", e, meta.ErrInvalid, err)
			}
		}
	}
	if len(edges) == 0 {
		return fmt.Errorf("%w: durable nowhere", meta.ErrInvalid)
	}
	return nil
}

// Publish implements meta.Publisher.
func (m *Meta) Publish(ctx context.Context, p meta.Publication) (meta.Record, error) {
	if err := p.Verify(ChainID); err != nil {
		return meta.Record{}, err
	}
	if err := m.durable(ctx, p.Durable, p.Root, p.Manifest); err != nil {
		return meta.Record{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := cmp.Or(m.failing, m.refusing); err != nil {
		return meta.Record{}, err
	}
	if err := m.mayOwn(p.Name, p.Owner); err != nil {
		return meta.Record{}, err
	}
	if need := min(p.Replicas, m.alive); len(p.Durable) < need {
		return meta.Record{}, fmt.Errorf("%w: durable on %d, want %d", meta.ErrNoEdges, len(p.Durable), need)
	}
	for other := range m.names {
		if strings.HasPrefix(string(other), string(p.Name)+"/") || strings.HasPrefix(string(p.Name), string(other)+"/") {
			return meta.Record{}, fmt.Errorf("%w: %s lies above or below %s", meta.ErrConflict, p.Name, other)
		}
	}
	if old, ok := m.names[p.Name]; ok && old.Root == p.Root && old.Manifest == p.Manifest {
		return old, nil
	}
	if err := m.later(p.Name, p.Time); err != nil {
		return meta.Record{}, err
	}
	m.height++
	record := meta.Record{
		Name: p.Name, Kind: p.Kind, Root: p.Root, Manifest: p.Manifest, Size: p.Size, Objects: p.Objects,
		Replicas: max(p.Replicas, len(p.Durable)), Height: m.height, Modified: time.Now().UTC().Truncate(time.Second),
	}
	m.names[p.Name] = record
	m.ended[p.Name] = len(m.grown)
	delete(m.deleted, p.Name)
	m.moves = append(m.moves, p)
	if m.moved != nil {
		m.moved()
	}
	return record, nil
}

func (m *Meta) mayOwn(name meta.Name, key ed25519.PublicKey) error {
	owner, ok := m.owners[name.Namespace()]
	if ok && owner != string(key) {
		return fmt.Errorf("%w: namespace %s has another owner", meta.ErrForbidden, name.Namespace())
	}
	m.owners[name.Namespace()] = string(key)
	return nil
}

// later refuses an order that was signed before another that took effect; mu is
// held.
func (m *Meta) later(name meta.Name, signed time.Time) error {
	if !signed.After(m.signed[name]) {
		return fmt.Errorf("%w: %s changed after this was signed", meta.ErrConflict, name)
	}
	m.signed[name] = signed
	return nil
}

// Rename implements meta.Publisher.
func (m *Meta) Rename(_ context.Context, r meta.Rename) (meta.Record, error) {
	if err := r.Verify(ChainID); err != nil {
		return meta.Record{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.mayOwn(r.From, r.Owner); err != nil {
		return meta.Record{}, err
	}
	record, ok := m.names[r.From]
	if !ok {
		return record, meta.ErrNotFound
	}
	if _, taken := m.names[r.To]; taken {
		return record, meta.ErrConflict
	}
	if err := m.later(r.From, r.Time); err != nil {
		return record, err
	}
	record.Name = r.To
	delete(m.names, r.From)
	m.names[r.To] = record
	return record, nil
}

// growing is the newest state of a name that was not removed since; mu is held.
func (m *Meta) growing(name meta.Name) *meta.GrowingState {
	for i := len(m.grown) - 1; i >= m.ended[name]; i-- {
		if m.grown[i].Name == name {
			return &m.grown[i]
		}
	}
	return nil
}

// Remove implements meta.Publisher.
func (m *Meta) Remove(_ context.Context, r meta.Removal) error {
	if err := r.Verify(ChainID); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.mayOwn(r.Name, r.Owner); err != nil {
		return err
	}
	if m.deleted[r.Name] {
		return nil
	}
	if _, ok := m.names[r.Name]; !ok {
		if m.growing(r.Name) == nil {
			return meta.ErrNotFound
		}
		m.ended[r.Name] = len(m.grown)
		return nil
	}
	if err := m.later(r.Name, r.Time); err != nil {
		return err
	}
	delete(m.names, r.Name)
	m.deleted[r.Name] = true
	if r.Now {
		m.revoked = append(m.revoked, r.Name)
	}
	return nil
}

// Revoked are the names removed at once.
func (m *Meta) Revoked() []meta.Name {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.revoked)
}

// Resolve implements meta.Index.
func (m *Meta) Resolve(_ context.Context, path string) (meta.Resolution, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failing != nil {
		return meta.Resolution{}, m.failing
	}
	for name, record := range m.names {
		rest, below := strings.CutPrefix(path, string(name)+"/")
		if !below && path != string(name) {
			continue
		}
		out := meta.Resolution{Record: record}
		if below {
			out.Rest = rest
		}
		for _, e := range m.net.Edges {
			if ok, err := e.Store.Has(context.Background(), record.Root); err == nil && ok && !e.Stopped() {
				out.Holders = append(out.Holders, e.ID)
			}
		}
		return out, nil
	}
	if g := m.growing(meta.Name(path)); g != nil {
		return meta.Resolution{Record: meta.Record{Name: g.Name, Kind: meta.Bundle, Root: g.Root, Manifest: g.Manifest, Growing: g.Sequence}, Growing: g}, nil
	}
	if m.deleted[meta.Name(path)] {
		return meta.Resolution{}, meta.ErrDeleted
	}
	return meta.Resolution{}, meta.ErrNotFound
}

// Locate implements meta.Index.
func (m *Meta) Locate(context.Context, [32]byte) (meta.Resolution, error) {
	return meta.Resolution{}, meta.ErrNotFound
}

// List implements meta.Index.
func (m *Meta) List(_ context.Context, prefix, cursor string, limit int) (meta.Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if limit == 0 {
		limit = 100
	}
	var page meta.Page
	for _, name := range slices.Sorted(maps.Keys(m.names)) {
		if !strings.HasPrefix(string(name), prefix) || string(name) <= cursor {
			continue
		}
		if len(page.Records) == limit {
			page.Next = string(page.Records[limit-1].Name)
			break
		}
		page.Records = append(page.Records, m.names[name])
	}
	return page, nil
}

// Network implements meta.Directory.
func (m *Meta) Network(context.Context, uint64, time.Duration) (*meta.Network, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failing != nil {
		return nil, m.failing
	}
	n := &meta.Network{
		Version: 1, ChainID: ChainID, Authorities: map[uint16]ed25519.PublicKey{1: m.public},
		Routers: []string{"http://router.test"}, Development: true,
	}
	for _, e := range m.net.Edges {
		n.Edges = append(n.Edges, meta.Edge{ID: e.ID, URL: e.URL(), State: meta.Live})
	}
	return n, nil
}
