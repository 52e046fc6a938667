package metahttp

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/receipt"
	"github.com/stratos-mesh/stratos/sds"
)

// fake is a meta.Meta that keeps what it was asked and answers the same always.
type fake struct {
	mu    sync.Mutex // guards asked and err
	asked []any
	err   error
}

var _ meta.Meta = (*fake)(nil)

func (f *fake) ask(args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = args
	return f.err
}

// fail makes every call from now on fail.
func (f *fake) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fake) last() []any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func (f *fake) Resolve(_ context.Context, path string) (meta.Resolution, error) {
	return testResolution(), f.ask("Resolve", path)
}

func (f *fake) Locate(_ context.Context, root [32]byte) (meta.Resolution, error) {
	return testResolution(), f.ask("Locate", root)
}

func (f *fake) List(_ context.Context, prefix, cursor string, limit int) (meta.Page, error) {
	return meta.Page{Records: []meta.Record{testRecord(), {Name: "abc/x", Kind: meta.Object}}, Next: "abc/x"}, f.ask("List", prefix, cursor, limit)
}

func (f *fake) Begin(_ context.Context, u meta.Upload) (meta.Grant, error) {
	return testGrant(), f.ask("Begin", u)
}

func (f *fake) Grow(_ context.Context, g meta.GrowingState) (meta.Record, error) {
	return testRecord(), f.ask("Grow", g)
}

func (f *fake) Publish(_ context.Context, p meta.Publication) (meta.Record, error) {
	return testRecord(), f.ask("Publish", p)
}

func (f *fake) Rename(_ context.Context, r meta.Rename) (meta.Record, error) {
	return testRecord(), f.ask("Rename", r)
}

func (f *fake) Remove(_ context.Context, r meta.Removal) error { return f.ask("Remove", r) }

func (f *fake) Network(_ context.Context, since uint64, wait time.Duration) (*meta.Network, error) {
	return testNetwork(), f.ask("Network", since, wait)
}

func (f *fake) Issue(_ context.Context, requests []meta.TicketRequest) ([]meta.Issued, error) {
	return testIssued(), f.ask("Issue", requests)
}

func (f *fake) Beat(_ context.Context, edge meta.EdgeID, b meta.Beat) (meta.BeatReply, error) {
	return testBeatReply(), f.ask("Beat", edge, b)
}

func (f *fake) Digest(_ context.Context, edge meta.EdgeID, buckets [256]uint64) ([]uint8, error) {
	return []uint8{0, 7, 255}, f.ask("Digest", edge, buckets)
}

func (f *fake) Report(_ context.Context, edge meta.EdgeID, buckets []uint8, units []meta.Holding) error {
	return f.ask("Report", edge, buckets, units)
}

func (f *fake) Admit(_ context.Context, a meta.Admission) (meta.EdgeID, error) {
	return 77, f.ask("Admit", a)
}

func (f *fake) Drain(_ context.Context, edge meta.EdgeID, draining bool) error {
	return f.ask("Drain", edge, draining)
}

func (f *fake) Revoke(_ context.Context, r meta.RevokeRequest) (meta.Revocation, error) {
	return testRevocation(), f.ask("Revoke", r)
}

func (f *fake) Unban(_ context.Context, root sds.CID) (meta.Revocation, error) {
	return testRevocation(), f.ask("Unban", root)
}

func (f *fake) Bans(_ context.Context, after uint64) ([]meta.Ban, error) {
	return testBans(), f.ask("Bans", after)
}

func testBans() []meta.Ban {
	return []meta.Ban{
		{Number: 3, Root: testCID("root"), Name: "abc/x", Objects: 2, Reason: "court order", Time: time.Unix(1, 2).UTC(), Authority: 7},
		{Number: 1 << 63, Root: testCID("other")},
	}
}

func (f *fake) Status(context.Context) (*meta.Status, error) { return testStatus(), f.ask("Status") }

const testChain = "test-1"

// testKey is the same key for the same name in every run.
func testKey(name string) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, name)
	return ed25519.NewKeyFromSeed(seed)
}

func publicKey(name string) ed25519.PublicKey { return testKey(name).Public().(ed25519.PublicKey) }

// whoIs knows edges 1 and 2, an origin and a router.
func whoIs(key ed25519.PublicKey) (meta.NodeKind, meta.EdgeID, bool) {
	for name, n := range map[string]struct {
		kind meta.NodeKind
		id   meta.EdgeID
	}{
		"edge1": {meta.EdgeNode, 1}, "edge2": {meta.EdgeNode, 2}, "origin": {meta.OriginNode, 0}, "router": {meta.RouterNode, 0},
	} {
		if publicKey(name).Equal(key) {
			return n.kind, n.id, true
		}
	}
	return 0, 0, false
}

// serve starts a handler over a fake.
func serve(t testing.TB) (*fake, string) {
	t.Helper()
	f := &fake{}
	server := httptest.NewServer(NewHandler(HandlerConfig{
		Meta: f, WhoIs: whoIs, Operators: []ed25519.PublicKey{publicKey("operator")}, ChainID: testChain,
		Logger: slog.New(slog.DiscardHandler),
	}))
	t.Cleanup(server.Close)
	return f, server.URL
}

// as is a client that signs with a key.
func as(t testing.TB, name string, urls ...string) *Client {
	t.Helper()
	config := ClientConfig{URLs: urls, Signer: nodeauth.NewSigner(testKey(name))}
	if err := config.Validate(); err != nil {
		t.Fatal(err)
	}
	return NewClient(config)
}

// equal compares as a caller sees it: no elements are no elements, the same
// instant is the same time.
func equal(t testing.TB, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{}), cmp.Comparer(sameError)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func sameError(a, b error) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Error() == b.Error() && errors.Is(a, errors.Unwrap(b))
}

func testCID(text string) sds.CID { return sds.Sum(sds.Raw, []byte(text)) }

func testTime() time.Time { return time.Unix(1_800_000_000, 0).UTC() }

func testUnit(n byte) meta.UnitKey { return meta.UnitKey{n, 31: 1} }

func testRecord() meta.Record {
	return meta.Record{
		Name: "abc/folder", Kind: meta.Bundle, Root: testCID("root"), Manifest: testCID("manifest"), Size: 1 << 40, Objects: 3,
		Units: []meta.UnitKey{testUnit(1), testUnit(2)}, Replicas: 3, Height: 99, Modified: testTime(), Growing: 8,
	}
}

func testResolution() meta.Resolution {
	state := testGrowing()
	return meta.Resolution{Record: testRecord(), Rest: "a/b", Holders: []meta.EdgeID{3, 1}, Maybe: []meta.EdgeID{9}, Shards: [][]meta.EdgeID{{4}, {8, 7}}, Growing: &state}
}

func testGrowing() meta.GrowingState {
	g := meta.GrowingState{
		Name: "abc/folder", Upload: [16]byte{2}, Sequence: 8, Root: testCID("root"), Manifest: testCID("manifest"), Size: 5, Objects: 2, Replicas: 3,
		Durable: []meta.EdgeID{1, 2, 3}, Time: testTime(),
	}
	g.Sign(testKey("owner"), testChain)
	return g
}

func testGrant() meta.Grant {
	g := meta.Grant{
		Authority: 1, Upload: [16]byte{1}, Unit: testUnit(3), Edges: []meta.EdgeID{4, 5}, MaxBytes: 1 << 33, Until: testTime(),
	}
	g.Sign(testKey("authority"), testChain)
	return g
}

func testPublication() meta.Publication {
	p := meta.Publication{
		Name: "abc/folder", Kind: meta.Bundle, Root: testCID("root"), Manifest: testCID("manifest"), Size: 5, Objects: 2, Replicas: 3,
		Upload: [16]byte{2}, Durable: []meta.EdgeID{1, 2, 3}, Time: testTime(),
	}
	p.Sign(testKey("owner"), testChain)
	return p
}

func testRename() meta.Rename {
	r := meta.Rename{From: "abc/one", To: "abc/two", Time: testTime()}
	r.Sign(testKey("owner"), testChain)
	return r
}

func testRemoval() meta.Removal {
	r := meta.Removal{Name: "abc/one", Now: true, Time: testTime()}
	r.Sign(testKey("owner"), testChain)
	return r
}

func testRevocation() meta.Revocation {
	v := meta.Revocation{
		Number: 12, Authority: 1, Kind: meta.ByNetwork, Root: testCID("root"), Objects: []sds.CID{testCID("a"), testCID("b")},
		Reason: "court order", Time: testTime(),
	}
	v.Sign(testKey("authority"), testChain)
	return v
}

func testEdge() meta.Edge {
	return meta.Edge{
		ID: 5, Key: publicKey("edge"), URL: "http://127.0.0.2:80", TLSURL: "https://edge.example", Region: "eu", Operator: "op",
		ASN: 64500, Lat: -33.5, Lon: 151.25, Capacity: 1e9, Weight: 16, State: meta.Draining, Load: testLoad(),
	}
}

func testLoad() meta.Load {
	return meta.Load{Sending: 1, Sessions: 2, Requests: 3, Failures: 4, PinnedFree: 5, CachedFree: 6, HitRate: 7}
}

func testNetwork() *meta.Network {
	return &meta.Network{
		Version: 8, ChainID: testChain, Epoch: 4, Edges: []meta.Edge{testEdge(), {ID: 6}},
		Authorities: map[uint16]ed25519.PublicKey{1: publicKey("authority"), 65535: publicKey("other")},
		Origins:     []ed25519.PublicKey{publicKey("origin")}, Routers: []string{"http://r"}, Metas: []string{"http://m"},
		View: testCID("view"), ViewEpoch: 3, Development: true, AuthorityOperators: map[uint16]string{1: "acme", 65535: "umbrella"},
	}
}

func testTicketRequest() meta.TicketRequest {
	return meta.TicketRequest{
		Class: receipt.ClassA | receipt.Growing, ViewerAlg: receipt.Ed25519, ViewerKey: [33]byte{1, 2, 3}, Root: testCID("root"), Bind: [32]byte{5}, Unit: testUnit(4),
		Working: []meta.EdgeID{1, 2}, Rest: []meta.EdgeID{3}, Sources: []meta.EdgeID{4}, Client: netip.MustParseAddr("2001:db8::1"),
		Region: 65535, ASN: 1 << 31, MaxBytes: 1 << 63, MaxRateKbps: 9, Lifetime: 12 * time.Hour,
	}
}

func testIssued() []meta.Issued {
	ticket := &receipt.Ticket{
		ID: receipt.NewTicketID(testTime(), 1, [6]byte{1}), Class: receipt.ClassB, Bind: [32]byte{1}, MaxBytes: 1, Edges: []uint32{1},
	}
	ticket.Sign(testKey("authority"), testChain)
	return []meta.Issued{{Ticket: ticket, Text: ticket.Text()}, {Err: &remoteError{meta.ErrBanned, "root x: banned"}}}
}

func testHoldings() []meta.Holding {
	return []meta.Holding{
		{Unit: testUnit(1), Root: testCID("root"), State: meta.Partial, Share: 500},
		{Unit: testUnit(2), State: meta.Gone},
		{Unit: testUnit(3), Root: testCID("x"), State: meta.Complete},
		{Unit: testUnit(4), State: meta.CachedUnit},
	}
}

func testBeat() meta.Beat {
	return meta.Beat{
		Sequence: 3, Boot: [8]byte{1}, Version: "v1", Load: testLoad(), Draining: true, Changes: testHoldings(), Cached: []byte{1, 2},
		Done: []uint64{1, 2}, Failed: map[uint64]string{3: "no source"}, Revocation: 12, Accepted: []receipt.TicketID{{1}, {2}}, Dials: []meta.DialReport{testDial(), {Number: 9}},
	}
}

func testDial() meta.DialReport {
	return meta.DialReport{
		Number: 3, Target: 4, By: 5, Time: testTime(),
		IPv4: meta.DialResult{Outcome: meta.DialOK}, IPv6: meta.DialResult{Outcome: meta.DialUntried, Detail: "no IPv6 here"},
		Certificate: meta.DialResult{Outcome: meta.DialFailed, Detail: "expired"}, Key: meta.DialResult{Outcome: meta.DialUntried, Detail: "k"},
		HTTP3: meta.DialResult{Outcome: meta.DialFailed, Detail: "UDP port 443 does not answer"},
	}
}

func testBeatReply() meta.BeatReply {
	return meta.BeatReply{
		Interval: 5 * time.Second,
		Work: []meta.Work{
			{Number: 1, Kind: meta.Replicate, Unit: testUnit(1), Shard: 1, Record: testRecord(), Sources: []meta.EdgeID{1}, Rate: 1 << 30},
			{Number: 2, Kind: meta.Dial, Target: 9},
		},
		Revocations:   []meta.Revocation{testRevocation()},
		Continuations: []meta.Continuation{{Ticket: receipt.TicketID{1}, Epoch: 2, MaxBytes: 3}},
		WantDigest:    true, Network: 8,
	}
}

func testStatus() *meta.Status {
	return &meta.Status{
		ChainID: testChain, Authority: 1, Epoch: 2, JournalHeight: 3, Names: 4, Roots: 5, Units: 6,
		Edges:        []meta.EdgeStatus{{Edge: testEdge(), LastBeat: testTime(), Units: 1, Bytes: 2, Revocation: 3, Version: "v", Dials: []meta.DialReport{testDial()}}, {Edge: meta.Edge{ID: 1}, Version: "mine"}},
		RepairHalted: true, RepairReason: "many silent",
		Repairs: []meta.RepairStatus{{
			Unit: testUnit(1), Name: "abc/x", Live: 1, Wanted: 3, Target: 4, Started: testTime(), Expected: time.Minute,
		}},
		Degraded:    []meta.UnitStatus{{Unit: testUnit(2), Name: "abc/y", Live: 2, Shortfall: "regions"}},
		Revocations: 12, StoreKind: "pebble", UptimeSeconds: 60, RecoveredUnits: 7,
	}
}
