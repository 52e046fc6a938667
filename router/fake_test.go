package router

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/receipt"
	"github.com/stratos-mesh/stratos/router/geo"
	"github.com/stratos-mesh/stratos/sds"
)

// fakeMeta is a meta node in memory: names, one network, and tickets signed in
// earnest.
type fakeMeta struct {
	mu       sync.Mutex // guards all below
	records  map[string]meta.Resolution
	absent   map[string]error
	bound    map[[32]byte]string // names by what tickets bound while they grew
	network  *meta.Network
	changed  chan struct{}
	failing  error
	requests []meta.TicketRequest

	key              ed25519.PrivateKey
	sequence         atomic.Uint64
	resolves, issues atomic.Int64
	now              func() time.Time
	// issuer, when set, signs instead.
	issuer meta.Issuer
	// gate, when set, holds Issue until it is closed.
	gate chan struct{}
}

func newFakeMeta(t testing.TB, edges ...meta.Edge) *fakeMeta {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &fakeMeta{
		records: map[string]meta.Resolution{}, absent: map[string]error{}, changed: make(chan struct{}), key: key, now: time.Now,
		network: &meta.Network{Version: 1, ChainID: "test", Edges: edges, Development: true},
	}
}

// add makes a name known, with its holders.
func (m *fakeMeta) add(name string, kind meta.Kind, size int64, holders ...meta.EdgeID) meta.Resolution {
	m.mu.Lock()
	defer m.mu.Unlock()
	root := sds.Sum(sds.Raw, []byte(name))
	r := meta.Resolution{
		Record: meta.Record{
			Name: meta.Name(name), Kind: kind, Root: root, Manifest: root, Size: size, Objects: 1,
			Units: []meta.UnitKey{meta.UnitKey(sds.Sum(sds.Raw, []byte("unit of "+name)).Digest)}, Replicas: 3,
		},
		Holders: holders,
	}
	m.records[name] = r
	return r
}

func (m *fakeMeta) Resolve(_ context.Context, path string) (meta.Resolution, error) {
	m.resolves.Add(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failing != nil {
		return meta.Resolution{}, m.failing
	}
	for name := path; strings.Contains(name, "/"); name = name[:strings.LastIndexByte(name, '/')] {
		if err := m.absent[name]; err != nil {
			return meta.Resolution{}, err
		}
		if r, ok := m.records[name]; ok {
			r.Rest = strings.TrimPrefix(strings.TrimPrefix(path, name), "/")
			if r.Rest != "" && r.Record.Kind == meta.Object {
				return meta.Resolution{}, meta.ErrNotFound
			}
			return r, nil
		}
	}
	return meta.Resolution{}, meta.ErrNotFound
}

func (m *fakeMeta) Locate(_ context.Context, bind [32]byte) (meta.Resolution, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.records {
		if r.Growing == nil && r.Record.Root.Digest == bind || r.Growing != nil && r.Growing.Bind() == bind {
			return r, m.failing
		}
	}
	if r, ok := m.records[m.bound[bind]]; ok {
		return r, m.failing
	}
	return meta.Resolution{}, meta.ErrNotFound
}

// authorities are the keys that tickets are good under.
func (m *fakeMeta) authorities() map[uint16]ed25519.PublicKey {
	return map[uint16]ed25519.PublicKey{1: m.key.Public().(ed25519.PublicKey)}
}

func (m *fakeMeta) List(context.Context, string, string, int) (meta.Page, error) {
	return meta.Page{}, nil
}

func (m *fakeMeta) Network(ctx context.Context, since uint64, wait time.Duration) (*meta.Network, error) {
	m.mu.Lock()
	network, changed, failing := m.network, m.changed, m.failing
	m.mu.Unlock()
	if failing != nil {
		return nil, failing
	}
	if network.Version != since {
		return network, nil
	}
	select {
	case <-changed:
	case <-time.After(wait):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.network, m.failing
}

// change puts another network in place.
func (m *fakeMeta) change(edit func(n *meta.Network)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := *m.network
	next.Version++
	next.Edges = append([]meta.Edge(nil), next.Edges...)
	edit(&next)
	m.network = &next
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *fakeMeta) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failing = err
}

func (m *fakeMeta) Issue(ctx context.Context, requests []meta.TicketRequest) ([]meta.Issued, error) {
	m.issues.Add(1)
	m.mu.Lock()
	m.requests = append(m.requests[:min(len(m.requests), 1000)], requests...)
	failing, gate := m.failing, m.gate
	m.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if failing != nil {
		return nil, failing
	}
	if m.issuer != nil {
		m.sequence.Add(uint64(len(requests)))
		return m.issuer.Issue(ctx, requests)
	}
	out := make([]meta.Issued, len(requests))
	for i, q := range requests {
		out[i] = m.sign(q)
	}
	return out, nil
}

func (m *fakeMeta) sign(q meta.TicketRequest) meta.Issued {
	var sequence [8]byte
	binary.BigEndian.PutUint64(sequence[:], m.sequence.Add(1))
	t := &receipt.Ticket{
		ID: receipt.NewTicketID(m.now().Add(q.Lifetime), 1, [6]byte(sequence[2:])), Class: q.Class,
		ViewerAlg: q.ViewerAlg, ViewerKey: q.ViewerKey, Bind: q.Root.Digest, MaxBytes: q.MaxBytes, MaxRateKbps: q.MaxRateKbps,
	}
	if q.Class&receipt.Growing != 0 {
		t.Bind = q.Bind
	}
	for _, id := range append(append([]meta.EdgeID(nil), q.Working...), q.Rest...) {
		if len(t.Edges) < TicketEdges {
			t.Edges = append(t.Edges, uint32(id))
		}
	}
	for _, id := range q.Sources {
		t.Sources = append(t.Sources, uint32(id))
	}
	if err := t.Validate(); err != nil {
		return meta.Issued{Err: err}
	}
	t.Sign(m.key, "test")
	return meta.Issued{Ticket: t, Text: t.Text()}
}

// edgeAt is a live edge with both addresses.
func edgeAt(id meta.EdgeID, region string, lat, lon float64) meta.Edge {
	host := "e" + string(rune('0'+id%10)) + ".test"
	return meta.Edge{
		ID: id, URL: "http://" + host, TLSURL: "https://" + host, Region: region, Lat: lat, Lon: lon,
		Capacity: 1e9, Weight: 8, State: meta.Live,
	}
}

// Cities of the tests' edges.
func world() []meta.Edge {
	return []meta.Edge{
		edgeAt(1, "eu-central", 50.11, 8.68),
		edgeAt(2, "us-east", 39.04, -77.49),
		edgeAt(3, "ap-southeast", 1.35, 103.82),
		edgeAt(4, "eu-west", 53.35, -6.26),
		edgeAt(5, "us-west", 37.34, -121.89),
	}
}

// newTestRouter has the fake's network already. Clients of 198.51.100.0/24 are
// in Frankfurt, those of 203.0.113.0/24 in Singapore.
func newTestRouter(t testing.TB, m *fakeMeta) *Router {
	t.Helper()
	zones, err := geo.ParseZones(strings.NewReader("198.51.100.0/24 eu-central 50.1 8.7 DE\n203.0.113.0/24 ap-southeast 1.3 103.8 SG\n"))
	if err != nil {
		t.Fatal(err)
	}
	r := New(Config{Meta: m, Geo: geo.Chain{zones}, Development: true, Logger: slog.New(slog.DiscardHandler), Memory: NewMemory(m.now)})
	if err := r.poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// ask sends a request from an address and returns the answer.
func ask(t testing.TB, h http.Handler, from, method, url string, edit ...func(*http.Request)) *http.Response {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, url, nil)
	req.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(from), 4711).String()
	for _, e := range edit {
		e(req)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w.Result()
}

func tlsState() *tls.ConnectionState { return new(tls.ConnectionState) }

func answerOf() geo.Answer { return geo.Answer{Source: geo.FromDefault} }
