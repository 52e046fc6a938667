package edge

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/receipt"
	"github.com/stratos-mesh/stratos/sds"
)

const (
	testChain     = "stratos-test-1"
	testAuthority = 7
)

// fakeMeta is a meta node of a few maps.
type fakeMeta struct {
	meta.Meta // calls that no edge makes

	key ed25519.PrivateKey

	mu          sync.Mutex // guards following
	network     meta.Network
	changed     chan struct{}
	records     map[[32]byte]meta.Resolution
	names       map[string]meta.Resolution
	work        map[meta.EdgeID][]meta.Work
	revocations []meta.Revocation
	beats       map[meta.EdgeID]meta.Beat
	dials       map[uint64]meta.DialReport
	holdings    map[meta.EdgeID]map[sds.CID]meta.Holding
	failed      map[uint64]string
	done        map[uint64]bool
	accepted    map[receipt.TicketID]bool
	filters     map[meta.EdgeID][]byte
	resolves    map[string]int
	wantDigest  bool
	down        bool
}

func newFakeMeta(t testing.TB) *fakeMeta {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &fakeMeta{
		key:     key,
		changed: make(chan struct{}),
		network: meta.Network{
			Version: 1, ChainID: testChain, Development: true,
			Authorities: map[uint16]ed25519.PublicKey{testAuthority: public},
		},
		records:  make(map[[32]byte]meta.Resolution),
		names:    make(map[string]meta.Resolution),
		work:     make(map[meta.EdgeID][]meta.Work),
		beats:    make(map[meta.EdgeID]meta.Beat),
		dials:    make(map[uint64]meta.DialReport),
		holdings: make(map[meta.EdgeID]map[sds.CID]meta.Holding),
		accepted: make(map[receipt.TicketID]bool), filters: make(map[meta.EdgeID][]byte), resolves: make(map[string]int),
		failed: make(map[uint64]string), done: make(map[uint64]bool),
	}
}

// change edits the network and tells everybody who waits for it.
func (m *fakeMeta) change(edit func(*meta.Network)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.network
	n.Edges = slices.Clone(n.Edges)
	edit(&n)
	n.Version++
	m.network = n
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *fakeMeta) Network(ctx context.Context, since uint64, wait time.Duration) (*meta.Network, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		m.mu.Lock()
		n, changed, down := m.network, m.changed, m.down
		m.mu.Unlock()
		switch {
		case down:
			return nil, io.ErrUnexpectedEOF
		case n.Version != since:
			return &n, nil
		}
		select {
		case <-changed:
		case <-timer.C:
			return &n, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (m *fakeMeta) Beat(_ context.Context, edge meta.EdgeID, b meta.Beat) (meta.BeatReply, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return meta.BeatReply{}, io.ErrUnexpectedEOF
	}
	m.beats[edge] = b
	m.hold(edge, b.Changes)
	if b.Cached != nil {
		m.filters[edge] = b.Cached
	}
	for _, id := range b.Accepted {
		m.accepted[id] = true
	}
	for _, n := range b.Done {
		m.done[n] = true
	}
	for n, why := range b.Failed {
		m.failed[n] = why
	}
	for _, r := range b.Dials {
		m.dials[r.Number] = r
	}
	reply := meta.BeatReply{Interval: 50 * time.Millisecond, Work: m.work[edge], Network: m.network.Version, WantDigest: m.wantDigest}
	m.work[edge] = nil
	for _, r := range m.revocations {
		if r.Number > b.Revocation {
			reply.Revocations = append(reply.Revocations, r)
		}
	}
	return reply, nil
}

func (m *fakeMeta) hold(edge meta.EdgeID, list []meta.Holding) {
	if m.holdings[edge] == nil {
		m.holdings[edge] = make(map[sds.CID]meta.Holding)
	}
	for _, h := range list {
		if h.State == meta.Gone {
			delete(m.holdings[edge], h.Root)
			continue
		}
		m.holdings[edge][h.Root] = h
	}
}

// Digest believes nothing: all buckets differ.
func (m *fakeMeta) Digest(context.Context, meta.EdgeID, [256]uint64) ([]uint8, error) {
	all := make([]uint8, 256)
	for i := range all {
		all[i] = uint8(i)
	}
	return all, nil
}

func (m *fakeMeta) Report(_ context.Context, edge meta.EdgeID, _ []uint8, units []meta.Holding) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hold(edge, units)
	m.wantDigest = false
	return nil
}

func (m *fakeMeta) Locate(_ context.Context, root [32]byte) (meta.Resolution, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return meta.Resolution{}, io.ErrUnexpectedEOF
	}
	r, ok := m.records[root]
	if !ok {
		return r, meta.ErrNotFound
	}
	return r, nil
}

func (m *fakeMeta) Resolve(_ context.Context, path string) (meta.Resolution, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.resolves[path]++
	if m.down {
		return meta.Resolution{}, io.ErrUnexpectedEOF
	}
	for name, r := range m.names {
		if path == name || len(path) > len(name) && path[:len(name)+1] == name+"/" {
			return r, nil
		}
	}
	return meta.Resolution{}, meta.ErrNotFound
}

// alias gives a root that has a name another one.
func (m *fakeMeta) alias(name, of string) meta.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.names[of]
	r.Record.Name = meta.Name(name)
	m.names[name] = r
	return r.Record
}

func (m *fakeMeta) cut(off bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = off
}

func (m *fakeMeta) give(edge meta.EdgeID, w meta.Work) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.work[edge] = append(m.work[edge], w)
}

// world is a network of edges in this process, without Caddy.
type world struct {
	t     testing.TB
	meta  *fakeMeta
	edges []*testEdge
	next  atomic.Uint64
}

// testEdge is one edge behind a plain HTTP server.
type testEdge struct {
	*node
	id     meta.EdgeID
	server *httptest.Server
	app    *App
	// answers replaces the edge's own, when set.
	answers atomic.Pointer[http.HandlerFunc]
	reads   atomic.Int64
}

func newWorld(t testing.TB, edges int) *world {
	t.Helper()
	w := &world{t: t, meta: newFakeMeta(t)}
	for range edges {
		w.addEdge(EdgeConfig{})
	}
	return w
}

func (w *world) addEdge(config EdgeConfig) *testEdge {
	w.t.Helper()
	return w.addSharded(config, 0)
}

// addSharded adds an edge for which a unit of a bundle has so many bytes.
func (w *world) addSharded(config EdgeConfig, shardSize int64) *testEdge {
	w.t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	client, err := newClient("")
	if err != nil {
		w.t.Fatal(err)
	}
	a := &App{
		DataDir: w.t.TempDir(), Dev: true, Edge: &config, key: key, signer: nodeauth.NewSigner(key),
		client: client, meta: w.meta, shardSize: shardSize, log: slog.New(slog.DiscardHandler),
	}
	e := &testEdge{app: a, id: meta.EdgeID(len(w.edges) + 1)}
	if e.node, err = open(a); err != nil {
		w.t.Fatal(err)
	}
	e.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && len(r.URL.Path) > 8 && r.URL.Path[:8] == "/slices/" {
			e.reads.Add(1)
		}
		if f := e.answers.Load(); f != nil {
			(*f)(rw, r)
			return
		}
		e.node.ServeHTTP(rw, r)
	}))
	w.edges = append(w.edges, e)
	w.meta.change(func(n *meta.Network) {
		n.Edges = append(n.Edges, meta.Edge{
			ID: e.id, Key: e.signer.Key(), URL: e.server.URL, Region: "r" + string(rune('0'+e.id)), State: meta.Live,
			Lat: float64(e.id), Weight: 1,
		})
	})
	e.configure(a)
	w.t.Cleanup(func() {
		client.CloseIdleConnections()
		e.server.Close()
		if err := e.Destruct(); err != nil {
			w.t.Error(err)
		}
	})
	w.settle()
	return e
}

// settle waits until every edge knows the newest network.
func (w *world) settle() {
	w.t.Helper()
	w.eventually("edges know the network", func() bool {
		w.meta.mu.Lock()
		version := w.meta.network.Version
		w.meta.mu.Unlock()
		return !slices.ContainsFunc(w.edges, func(e *testEdge) bool { return e.peers.Now().Version != version })
	})
}

func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			w.t.Fatalf("not in time: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// content of a size that differs from every other.
func content(seed, size int) []byte {
	b := make([]byte, size)
	for i := 0; i < size; i += 8 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], uint64(i)*0x9e3779b97f4a7c15+uint64(seed))
		copy(b[i:], word[:])
	}
	return b
}

// published is a bundle or an object that some edges hold.
type published struct {
	record   meta.Record
	blocks   []sds.CID
	files    map[string][]byte
	holders  []meta.EdgeID
	manifest *sds.Manifest
}

// publish puts files on the edges given and tells the meta node of them.
func (w *world) publish(name string, files map[string][]byte, holders ...*testEdge) *published {
	w.t.Helper()
	p := &published{files: files}
	ctx := w.t.Context()
	sink := func(ctx context.Context, cid sds.CID, block []byte) error {
		p.blocks = append(p.blocks, cid)
		for _, e := range holders {
			if _, err := sds.Receive(ctx, e.disk, cid, bytes.NewReader(block), sds.Pinned); err != nil {
				return err
			}
		}
		return nil
	}
	var manifest *sds.Manifest
	kind := meta.Bundle
	folder := sds.NewFolder()
	for path, body := range files {
		built, err := sds.Import(ctx, bytes.NewReader(body), sink)
		if err != nil {
			w.t.Fatal(err)
		}
		o := sds.Object{Path: path, CID: built.Root, Size: built.Size, SHA256: built.SHA256, Type: sds.MediaType(path), First: built.First}
		if path == "" {
			kind = meta.Object
			o.Type = sds.MediaType(name)
			manifest = sds.NewObjectManifest(o)
			continue
		}
		if err := folder.Add(o); err != nil {
			w.t.Fatal(err)
		}
	}
	if kind == meta.Bundle {
		var err error
		if manifest, err = folder.Build(ctx, sink); err != nil {
			w.t.Fatal(err)
		}
	}
	p.manifest = manifest
	manifestCID, err := manifest.Encode(ctx, sink)
	if err != nil {
		w.t.Fatal(err)
	}
	var unit meta.UnitKey
	rand.Read(unit[:])
	p.record = meta.Record{
		Name: meta.Name(name), Kind: kind, Root: manifest.Root, Manifest: manifestCID, Size: manifest.Size(),
		Objects: int64(len(files)), Units: []meta.UnitKey{unit}, Replicas: len(holders),
	}
	for _, e := range holders {
		p.holders = append(p.holders, e.id)
	}
	w.meta.mu.Lock()
	resolution := meta.Resolution{Record: p.record, Holders: p.holders}
	w.meta.records[manifest.Root.Digest] = resolution
	w.meta.names[name] = resolution
	w.meta.mu.Unlock()
	return p
}

// ticket for a root, naming edges; edit may spoil it before it is signed.
func (w *world) ticket(p *published, edit func(*receipt.Ticket), edges ...*testEdge) string {
	var sequence [6]byte
	binary.BigEndian.PutUint32(sequence[:], uint32(w.next.Add(1)))
	t := &receipt.Ticket{
		ID:    receipt.NewTicketID(time.Now().Add(time.Hour), testAuthority, sequence),
		Class: receipt.ClassB, Bind: p.record.Root.Digest, MaxBytes: 1 << 30, MaxRateKbps: 1 << 20,
	}
	for _, e := range edges {
		t.Edges = append(t.Edges, uint32(e.id))
	}
	for _, id := range p.holders[:min(3, len(p.holders))] {
		t.Sources = append(t.Sources, uint32(id))
	}
	if edit != nil {
		edit(t)
	}
	t.Sign(w.meta.key, testChain)
	return t.Text()
}

// get asks an edge and returns the answer with its body read.
func (e *testEdge) get(t testing.TB, path string, header ...string) (*http.Response, []byte) {
	t.Helper()
	return e.do(t, http.MethodGet, path, header...)
}

func (e *testEdge) do(t testing.TB, method, path string, header ...string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, e.server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, body
}
