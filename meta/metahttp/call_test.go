package metahttp

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// every is each method of meta.Meta once: who may call it, what arrives on the
// other end, and what comes back.
func every() []struct {
	name   string
	caller string
	call   func(context.Context, meta.Meta) (any, error)
	asked  []any
	answer any
} {
	type row = struct {
		name   string
		caller string
		call   func(context.Context, meta.Meta) (any, error)
		asked  []any
		answer any
	}
	var digest [256]uint64
	digest[255] = 1 << 63
	upload := meta.Upload{ID: [16]byte{9}, Name: "abc/x", Kind: meta.Object, MaxBytes: 7, Replicas: 2, Dead: []meta.EdgeID{3}}
	admission := meta.Admission{Kind: meta.EdgeNode, Key: publicKey("new"), Edge: testEdge()}
	ban := meta.RevokeRequest{Root: testCID("root"), Ban: true, Objects: []sds.CID{testCID("film"), testCID("song")}, Reason: "r"}
	return []row{
		{"Resolve", "router", func(ctx context.Context, m meta.Meta) (any, error) { return m.Resolve(ctx, "abc/folder/é") }, []any{"Resolve", "abc/folder/é"}, testResolution()},
		{"Locate", "edge1", func(ctx context.Context, m meta.Meta) (any, error) { return m.Locate(ctx, [32]byte{7}) }, []any{"Locate", [32]byte{7}}, testResolution()},
		{
			"List", "operator", func(ctx context.Context, m meta.Meta) (any, error) { return m.List(ctx, "abc/", "abc/a", 10) },
			[]any{"List", "abc/", "abc/a", 10},
			meta.Page{Records: []meta.Record{testRecord(), {Name: "abc/x", Kind: meta.Object}}, Next: "abc/x"},
		},
		{"Begin", "origin", func(ctx context.Context, m meta.Meta) (any, error) { return m.Begin(ctx, upload) }, []any{"Begin", upload}, testGrant()},
		{"Grow", "origin", func(ctx context.Context, m meta.Meta) (any, error) { return m.Grow(ctx, testGrowing()) }, []any{"Grow", testGrowing()}, testRecord()},
		{"Publish", "origin", func(ctx context.Context, m meta.Meta) (any, error) { return m.Publish(ctx, testPublication()) }, []any{"Publish", testPublication()}, testRecord()},
		{"Rename", "origin", func(ctx context.Context, m meta.Meta) (any, error) { return m.Rename(ctx, testRename()) }, []any{"Rename", testRename()}, testRecord()},
		{"Remove", "origin", func(ctx context.Context, m meta.Meta) (any, error) { return nil, m.Remove(ctx, testRemoval()) }, []any{"Remove", testRemoval()}, nil},
		{"Network", "edge2", func(ctx context.Context, m meta.Meta) (any, error) { return m.Network(ctx, 7, 2*time.Second) }, []any{"Network", uint64(7), 2 * time.Second}, testNetwork()},
		{"Issue", "router", func(ctx context.Context, m meta.Meta) (any, error) {
			return m.Issue(ctx, []meta.TicketRequest{testTicketRequest(), {}})
		}, []any{"Issue", []meta.TicketRequest{testTicketRequest(), {}}}, testIssued()},
		{"Beat", "edge1", func(ctx context.Context, m meta.Meta) (any, error) { return m.Beat(ctx, 1, testBeat()) }, []any{"Beat", meta.EdgeID(1), testBeat()}, testBeatReply()},
		{"Digest", "edge1", func(ctx context.Context, m meta.Meta) (any, error) { return m.Digest(ctx, 1, digest) }, []any{"Digest", meta.EdgeID(1), digest}, []uint8{0, 7, 255}},
		{"Report", "edge1", func(ctx context.Context, m meta.Meta) (any, error) {
			return nil, m.Report(ctx, 1, []uint8{0, 255}, testHoldings())
		}, []any{"Report", meta.EdgeID(1), []uint8{0, 255}, testHoldings()}, nil},
		{"Admit", "operator", func(ctx context.Context, m meta.Meta) (any, error) { return m.Admit(ctx, admission) }, []any{"Admit", admission}, meta.EdgeID(77)},
		{"Drain", "operator", func(ctx context.Context, m meta.Meta) (any, error) { return nil, m.Drain(ctx, 5, true) }, []any{"Drain", meta.EdgeID(5), true}, nil},
		{"Revoke", "operator", func(ctx context.Context, m meta.Meta) (any, error) {
			return m.Revoke(ctx, ban)
		}, []any{"Revoke", ban}, testRevocation()},
		{"Unban", "operator", func(ctx context.Context, m meta.Meta) (any, error) { return m.Unban(ctx, testCID("root")) }, []any{"Unban", testCID("root")}, testRevocation()},
		{"Bans", "operator", func(ctx context.Context, m meta.Meta) (any, error) { return m.Bans(ctx, 7) }, []any{"Bans", uint64(7)}, testBans()},
		{"Status", "operator", func(ctx context.Context, m meta.Meta) (any, error) { return m.Status(ctx) }, []any{"Status"}, testStatus()},
	}
}

func TestEveryCallArrivesAndComesBack(t *testing.T) {
	t.Parallel()
	for _, test := range every() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f, url := serve(t)
			answer, err := test.call(t.Context(), as(t, test.caller, url))
			if err != nil {
				t.Fatal(err)
			}
			equal(t, test.asked, f.last())
			equal(t, test.answer, answer)
		})
	}
}

func TestEveryErrorCrossesEveryCall(t *testing.T) {
	t.Parallel()
	for _, test := range every() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f, url := serve(t)
			client := as(t, test.caller, url)
			for _, c := range crossing() {
				want := fmt.Errorf("name abc/x: %w: see there", c.err)
				f.fail(want)
				_, err := test.call(t.Context(), client)
				if !errors.Is(err, c.err) || err.Error() != want.Error() {
					t.Errorf("got %v, want %v", err, want)
				}
				for _, other := range crossing() {
					if other.reason != c.reason && errors.Is(err, other.err) {
						t.Errorf("%v is %v as well", err, other.err)
					}
				}
			}
			f.fail(errors.New("open /secret/file: no such file"))
			if _, err := test.call(t.Context(), client); err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("an error of the meta node's own came as %v", err)
			}
		})
	}
}

// Whoever is not on the list of a call is refused, and the call does not reach
// the meta node.
func TestNobodyElseMayCall(t *testing.T) {
	t.Parallel()
	nodes := []string{"edge1", "origin", "router", "operator"}
	may := map[string][]string{
		"Resolve": nodes, "Locate": nodes, "List": nodes, "Network": nodes,
		"Begin": {"origin"}, "Grow": {"origin"}, "Publish": {"origin"}, "Rename": {"origin"}, "Remove": {"origin"},
		"Issue": {"router"},
		"Beat":  {"edge1"}, "Digest": {"edge1"}, "Report": {"edge1"},
		"Admit": {"operator"}, "Drain": {"operator"}, "Revoke": {"operator"}, "Unban": {"operator"}, "Bans": {"operator"}, "Status": {"operator", "edge1"},
	}
	for _, test := range every() {
		for _, caller := range []string{"edge1", "edge2", "origin", "router", "operator", "stranger"} {
			allowed := false
			for _, name := range may[test.name] {
				allowed = allowed || name == caller || (name == "edge1" && caller == "edge2" && len(may[test.name]) > 1)
			}
			t.Run(test.name+" by "+caller, func(t *testing.T) {
				t.Parallel()
				f, url := serve(t)
				_, err := test.call(t.Context(), as(t, caller, url))
				if allowed {
					if err != nil {
						t.Errorf("was refused: %v", err)
					}
					return
				}
				if !errors.Is(err, meta.ErrForbidden) {
					t.Errorf("got %v, want %v", err, meta.ErrForbidden)
				}
				if f.last() != nil {
					t.Errorf("it reached the meta node: %v", f.last())
				}
			})
		}
	}
}

func TestAdmissionByInvitation(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) time.Time { return time.Now().Add(d) }
	good := NewInvitation(testKey("operator"), testChain, meta.EdgeNode, in(time.Hour))
	for name, test := range map[string]struct {
		caller, admits string
		token          string
		kind           meta.NodeKind
		want           error
	}{
		"a node admits itself":               {"new", "new", good, meta.EdgeNode, nil},
		"a node admits another":              {"new", "other", good, meta.EdgeNode, meta.ErrForbidden},
		"an admitted edge admits another":    {"edge1", "new", good, meta.EdgeNode, meta.ErrForbidden},
		"an edge's invitation for an origin": {"new", "new", good, meta.OriginNode, meta.ErrForbidden},
		"no invitation":                      {"new", "new", "", meta.EdgeNode, meta.ErrForbidden},
		"an invitation by nobody's operator": {"new", "new", NewInvitation(testKey("x"), testChain, meta.EdgeNode, in(time.Hour)), meta.EdgeNode, meta.ErrForbidden},
		"an invitation to another network":   {"new", "new", NewInvitation(testKey("operator"), "other", meta.EdgeNode, in(time.Hour)), meta.EdgeNode, meta.ErrForbidden},
		"an invitation that ended":           {"new", "new", NewInvitation(testKey("operator"), testChain, meta.EdgeNode, in(-time.Second)), meta.EdgeNode, meta.ErrForbidden},
		"a changed invitation":               {"new", "new", "B" + good[1:], meta.EdgeNode, meta.ErrInvalid},
		"garbage":                            {"new", "new", "garbage", meta.EdgeNode, meta.ErrInvalid},
		"an operator needs no invitation":    {"operator", "new", "", meta.OriginNode, nil},
		"an operator's kind must be known":   {"operator", "new", "", 9, meta.ErrInvalid},
		"an operator's node must have a key": {"operator", "", "", meta.EdgeNode, meta.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, url := serve(t)
			a := meta.Admission{Kind: test.kind, Token: test.token}
			if test.admits != "" {
				a.Key = publicKey(test.admits)
			}
			_, err := as(t, test.caller, url).Admit(t.Context(), a)
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if (test.want == nil) != (f.last() != nil) {
				t.Errorf("the meta node was asked %v", f.last())
			}
		})
	}
}

func TestAKeyMayBeSeveralThings(t *testing.T) {
	t.Parallel()
	h := &handler{config: HandlerConfig{WhoIs: whoIs, Operators: []ed25519.PublicKey{publicKey("edge1")}}}
	if c := h.identify(publicKey("edge1")); c.role != edge|operator|stranger || c.edge != 1 {
		t.Errorf("%+v", c)
	}
}

func TestAnEdgeIsToldItsOwnStatusAlone(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	status, err := as(t, "edge1", url).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	whole := testStatus()
	equal(t, &meta.Status{ChainID: whole.ChainID, Authority: whole.Authority, Epoch: whole.Epoch, Edges: whole.Edges[1:]}, status)
}
