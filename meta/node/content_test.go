package node_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/index"
	"github.com/stratos-mesh/stratos/meta/inventory"
	"github.com/stratos-mesh/stratos/meta/node"
	"github.com/stratos-mesh/stratos/sds"
)

func grace(d time.Duration) func(*node.Config) { return func(cfg *node.Config) { cfg.Grace = d } }

func TestPublishedContentIsCheckedAndHeld(t *testing.T) {
	t.Parallel()
	simulate(t, 5, nil, func(w *world) {
		rec := w.publish("acme/a", "1")
		w.pass(5 * time.Second)
		if got := len(w.holders(cid("1"))); got != 3 {
			w.Errorf("%d edges hold it, want 3", got)
		}
		res := w.resolves("acme/a", nil)
		if len(res.Holders) != 3 || res.Record.Replicas != 3 || len(rec.Units) != 1 {
			w.Errorf("resolution %+v", res)
		}
		if w.asked(meta.Check) != 3 || w.asked(meta.Replicate) != 0 {
			w.Errorf("%d checks and %d replications, want 3 and none", w.asked(meta.Check), w.asked(meta.Replicate))
		}
		// A new version lands on the same edges.
		g, err := w.node.Begin(w.Context(), meta.Upload{Name: "acme/a", Kind: meta.Bundle, MaxBytes: 1})
		if err != nil || g.Unit != rec.Units[0] || !slices.Equal(sorted(g.Edges), sorted(res.Holders)) {
			w.Errorf("grant %+v, %v; want the same unit on %v", g, err, res.Holders)
		}
	})
}

func TestWhatWasRemovedGoesAfterTheGraceAndSharedRootsStay(t *testing.T) {
	t.Parallel()
	simulate(t, 5, grace(time.Hour), func(w *world) {
		removed := w.publish("acme/a", "1").Units[0]
		w.publish("acme/b", "1")
		w.publish("acme/c", "3")
		w.pass(5 * time.Second)
		w.remove("acme/a", false)
		w.remove("acme/c", false)
		w.resolves("acme/a", meta.ErrDeleted)
		w.pass(55 * time.Minute)
		if len(w.holders(cid("3"))) != 3 || w.asked(meta.Drop) != 0 {
			w.Error("content went before its grace was over")
		}
		w.pass(10 * time.Minute)
		if got := w.holders(cid("3")); len(got) != 0 {
			w.Errorf("edges %v still hold what was removed", got)
		}
		res := w.resolves("acme/b", nil)
		if len(res.Holders) < 3 {
			w.Errorf("the other name of a root has holders %v", res.Holders)
		}
		for _, e := range w.edges {
			if e.holds[inventory.Version{Unit: removed, Root: cid("1")}] != meta.Gone {
				w.Errorf("edge %d still holds it for the name that was removed", e.id)
			}
		}
	})
}

func TestPublishingAgainUndoesARemoval(t *testing.T) {
	t.Parallel()
	simulate(t, 3, grace(time.Hour), func(w *world) {
		before := w.publish("acme/a", "1")
		w.pass(5 * time.Second)
		w.remove("acme/a", false)
		w.pass(50 * time.Minute)
		after := w.publish("acme/a", "1")
		w.pass(2 * time.Hour)
		if !slices.Equal(before.Units, after.Units) || w.asked(meta.Drop) != 0 || len(w.holders(cid("1"))) != 3 {
			w.Errorf("units %x, then %x; %d drops", before.Units, after.Units, w.asked(meta.Drop))
		}
	})
}

func TestAnOldVersionGoesAfterTheGrace(t *testing.T) {
	t.Parallel()
	simulate(t, 5, grace(time.Hour), func(w *world) {
		w.publish("acme/a", "1")
		w.pass(5 * time.Second)
		w.publish("acme/a", "2")
		w.pass(5 * time.Second)
		if len(w.holders(cid("1"))) != 3 || len(w.holders(cid("2"))) != 3 {
			w.Errorf("holders %v and %v, want three each", w.holders(cid("1")), w.holders(cid("2")))
		}
		w.pass(65 * time.Minute)
		if len(w.holders(cid("1"))) != 0 || len(w.holders(cid("2"))) != 3 {
			w.Errorf("after the grace: %v and %v", w.holders(cid("1")), w.holders(cid("2")))
		}
	})
}

func TestAnEdgeThatWasAwayDropsWhatWasForgottenMeanwhile(t *testing.T) {
	t.Parallel()
	simulate(t, 5, grace(time.Minute), func(w *world) {
		w.publish("acme/a", "1")
		w.pass(5 * time.Second)
		away := w.edge(w.holders(cid("1"))[0])
		away.cut = true
		w.remove("acme/a", false)
		w.pass(3 * time.Minute)
		if got := w.holders(cid("1")); !slices.Equal(got, []meta.EdgeID{away.id}) {
			w.Fatalf("held by %v, want only the edge that is away", got)
		}
		away.cut = false
		w.pass(30 * time.Second)
		if got := w.holders(cid("1")); len(got) != 0 {
			w.Errorf("still held by %v", got)
		}
	})
}

func TestPinsKeepARoot(t *testing.T) {
	t.Parallel()
	simulate(t, 5, grace(time.Minute), func(w *world) {
		w.publish("acme/a", "1")
		w.pass(5 * time.Second)
		pin := index.Pin{Root: cid("1"), Payer: [32]byte{1}, Replicas: 4, Until: time.Now().Add(time.Hour)}
		if err := w.node.Pin(w.Context(), pin); err != nil {
			w.Fatal(err)
		}
		w.remove("acme/a", false)
		w.pass(30 * time.Minute)
		if got := w.holders(cid("1")); len(got) != 4 {
			w.Errorf("pinned on four edges and held by %v", got)
		}
		w.pass(40 * time.Minute)
		if got := w.holders(cid("1")); len(got) != 0 {
			w.Errorf("the pin is over and it is held by %v", got)
		}
		bad := pin
		bad.Until = time.Now()
		if err := w.node.Pin(w.Context(), bad); !errors.Is(err, meta.ErrInvalid) {
			w.Errorf("a pin in the past: %v", err)
		}
		pin.Until = time.Now().Add(time.Hour)
		if err := w.node.Pin(w.Context(), pin); !errors.Is(err, meta.ErrNotFound) {
			w.Errorf("a pin on what is forgotten: %v", err)
		}
	})
}

func TestRemovingAtOnceRevokesEverywhere(t *testing.T) {
	t.Parallel()
	simulate(t, 5, nil, func(w *world) {
		w.publish("acme/a", "1")
		w.publish("acme/b", "1")
		w.pass(2 * time.Second)
		w.remove("acme/a", true)
		w.pass(2 * time.Second)
		if w.edges[0].revocation != 0 {
			w.Error("a root was revoked that another name points to")
		}
		w.remove("acme/b", true)
		w.remove("acme/b", true)
		w.pass(time.Second)
		for _, e := range w.edges {
			if len(e.revoked) != 1 || e.revoked[0].Root != cid("1") || e.revoked[0].Kind != meta.ByOwner {
				w.Errorf("edge %d has %+v in force", e.id, e.revoked)
			}
			if err := e.revoked[0].Verify(public("authority"), chainID); err != nil {
				w.Error(err)
			}
		}
		out, err := w.node.Issue(w.Context(), []meta.TicketRequest{ticketRequest("1")})
		if err != nil || !errors.Is(out[0].Err, meta.ErrBanned) {
			w.Errorf("a ticket for a revoked root: %+v, %v", out, err)
		}
		w.resolves("acme/b", meta.ErrDeleted)
		// Its owner may change his mind.
		w.publish("acme/b", "1")
		w.pass(time.Second)
		if last := w.edges[4].revoked[1]; last.Kind != meta.Lifted {
			w.Errorf("published again: %+v", last)
		}
		if out, err := w.node.Issue(w.Context(), []meta.TicketRequest{ticketRequest("1")}); err != nil || out[0].Err != nil {
			w.Errorf("a ticket for it: %+v, %v", out, err)
		}
	})
}

func TestABanHoldsForEveryNameAndEveryOwner(t *testing.T) {
	t.Parallel()
	simulate(t, 3, nil, func(w *world) {
		w.publish("acme/a", "1")
		v, err := w.node.Revoke(w.Context(), meta.RevokeRequest{Root: cid("1"), Ban: true, Objects: []sds.CID{cid("film"), cid("film")}, Reason: "court order"})
		if err != nil || v.Number != 1 || len(v.Objects) != 1 {
			w.Fatalf("revoked %+v, %v", v, err)
		}
		w.resolves("acme/a/film.mp4", meta.ErrBanned)
		if _, err := w.node.Locate(w.Context(), cid("1").Digest); !errors.Is(err, meta.ErrBanned) {
			w.Errorf("locate: %v", err)
		}
		for _, root := range []string{"1", "film"} {
			if _, err := w.node.Publish(w.Context(), publication("acme/other", cid(root), 1, 2, 3)); !errors.Is(err, meta.ErrBanned) {
				w.Errorf("published again: %v", err)
			}
			out, err := w.node.Issue(w.Context(), []meta.TicketRequest{ticketRequest(root)})
			if err != nil || !errors.Is(out[0].Err, meta.ErrBanned) {
				w.Errorf("a ticket for %s: %+v, %v", root, out, err)
			}
		}
		for why, r := range map[string]meta.RevokeRequest{
			"no root":               {},
			"objects without a ban": {Root: cid("2"), Objects: []sds.CID{cid("x")}},
			"too many objects":      {Root: cid("2"), Ban: true, Objects: make([]sds.CID, meta.MaxRevokedObjects+1)},
			"a novel for a reason":  {Root: cid("2"), Reason: string(make([]byte, 501))},
		} {
			if _, err := w.node.Revoke(w.Context(), r); !errors.Is(err, meta.ErrInvalid) {
				w.Errorf("%s: %v", why, err)
			}
		}
		// It is still in force after a restart with nothing but the journal.
		w.stop()
		for _, view := range []string{"store", "views", "tickets"} {
			if err := os.RemoveAll(filepath.Join(w.cfg.Dir, view)); err != nil {
				w.Fatal(err)
			}
		}
		w.start()
		out, err := w.node.Issue(w.Context(), []meta.TicketRequest{ticketRequest("film")})
		if err != nil || !errors.Is(out[0].Err, meta.ErrBanned) {
			w.Errorf("after a restart: %+v, %v", out, err)
		}
	})
}

func TestPublishingHasConditions(t *testing.T) {
	t.Parallel()
	simulate(t, 5, nil, func(w *world) {
		w.publish("acme/a", "1")
		good := func() meta.Publication { return publication("acme/b", cid("2"), 1, 2, 3) }
		sign := func(p meta.Publication) meta.Publication { p.Sign(key("owner"), chainID); return p }
		for why, test := range map[string]struct {
			p    meta.Publication
			want error
		}{
			"on one edge only":           {sign(func() meta.Publication { p := good(); p.Durable = []meta.EdgeID{1}; return p }()), meta.ErrNoEdges},
			"on one edge, named thrice":  {sign(func() meta.Publication { p := good(); p.Durable = []meta.EdgeID{1, 1, 1}; return p }()), meta.ErrNoEdges},
			"on edges that do not exist": {sign(func() meta.Publication { p := good(); p.Durable = []meta.EdgeID{7, 8, 9}; return p }()), meta.ErrNoEdges},
			"one replica wanted and had": {sign(func() meta.Publication {
				p := good()
				p.Name, p.Durable, p.Replicas = "acme/c", []meta.EdgeID{1}, 1
				return p
			}()), nil},
			"signed by a thief":             {func() meta.Publication { p := good(); p.Sign(key("thief"), chainID); return p }(), meta.ErrForbidden},
			"signed for another network":    {func() meta.Publication { p := good(); p.Sign(key("owner"), "other-1"); return p }(), meta.ErrForbidden},
			"changed after it was signed":   {func() meta.Publication { p := good(); p.Size++; return p }(), meta.ErrForbidden},
			"signed in the future":          {sign(func() meta.Publication { p := good(); p.Time = time.Now().Add(time.Hour); return p }()), meta.ErrInvalid},
			"below a name":                  {sign(func() meta.Publication { p := good(); p.Name = "acme/a/b"; return p }()), meta.ErrConflict},
			"into a namespace that is none": {sign(func() meta.Publication { p := good(); p.Name = "www/a"; return p }()), meta.ErrInvalid},
		} {
			if _, err := w.node.Publish(w.Context(), test.p); !errors.Is(err, test.want) {
				w.Errorf("%s: %v, want %v", why, err, test.want)
			}
		}
		if _, err := w.node.Begin(w.Context(), meta.Upload{Name: "acme/a/b", Kind: meta.Bundle, MaxBytes: 1}); !errors.Is(err, meta.ErrConflict) {
			w.Errorf("an upload below a name begins: %v", err)
		}
	})
}

func TestTheSamePublicationTwiceIsOne(t *testing.T) {
	t.Parallel()
	simulate(t, 3, nil, func(w *world) {
		p := publication("acme/a", cid("1"), 1, 2, 3)
		first, err := w.node.Publish(w.Context(), p)
		if err != nil {
			w.Fatal(err)
		}
		w.edges[1].cut, w.edges[2].cut = true, true
		w.pass(20 * time.Second)
		again, err := w.node.Publish(w.Context(), p)
		if err != nil || again.Height != first.Height {
			w.Errorf("again: %+v, %v; want height %d", again, err, first.Height)
		}
	})
}

func TestDeadEdgesAreReplacedInAGrant(t *testing.T) {
	t.Parallel()
	simulate(t, 5, nil, func(w *world) {
		u := meta.Upload{ID: [16]byte{1}, Name: "acme/a", Kind: meta.Object, MaxBytes: 1}
		g, err := w.node.Begin(w.Context(), u)
		if err != nil {
			w.Fatal(err)
		}
		u.Dead = g.Edges[:2]
		again, err := w.node.Begin(w.Context(), u)
		if err != nil || again.Unit != g.Unit || len(again.Edges) != 3 || slices.Contains(again.Edges, u.Dead[0]) || slices.Contains(again.Edges, u.Dead[1]) {
			w.Errorf("grant %v, then without %v: %v, %v", g.Edges, u.Dead, again.Edges, err)
		}
		u.Dead = []meta.EdgeID{1, 2, 3, 4}
		if _, err := w.node.Begin(w.Context(), u); !errors.Is(err, meta.ErrNoEdges) {
			w.Errorf("with one edge left: %v", err)
		}
	})
}

func TestRenamesKeepContentWhereItIs(t *testing.T) {
	t.Parallel()
	simulate(t, 5, grace(time.Minute), func(w *world) {
		before := w.publish("acme/a", "1")
		w.pass(5 * time.Second)
		m := meta.Rename{From: "acme/a", To: "other/b", Time: time.Now()}
		m.Sign(key("owner"), chainID)
		for range 2 {
			rec, err := w.node.Rename(w.Context(), m)
			if err != nil || rec.Name != "other/b" || !slices.Equal(rec.Units, before.Units) {
				w.Fatalf("renamed: %+v, %v", rec, err)
			}
		}
		w.publish("other/b", "2")
		w.publish("acme/a", "3")
		w.pass(5 * time.Minute)
		for path, want := range map[string]string{"acme/a": "3", "other/b": "2"} {
			if res := w.resolves(path, nil); res.Record.Root != cid(want) || len(res.Holders) != 3 {
				w.Errorf("%s: %+v", path, res)
			}
		}
		a, b := w.resolves("acme/a", nil), w.resolves("other/b", nil)
		if slices.Equal(a.Record.Units, b.Record.Units) || !slices.Equal(b.Record.Units, before.Units) {
			w.Error("the renamed name did not keep its unit, or the new one took it")
		}
		if w.asked(meta.Replicate) != 0 {
			w.Errorf("%d replications", w.asked(meta.Replicate))
		}
	})
}

func TestAnEdgeThatMissedBeatsDoesNotHoldUpPublishing(t *testing.T) {
	t.Parallel()
	simulate(t, 3, func(cfg *node.Config) { cfg.Development = false }, func(w *world) {
		w.pass(time.Minute)
		w.edges[2].cut = true
		w.pass(20 * time.Second)
		if got := w.states()[3]; got != meta.Suspect {
			w.Fatalf("edge 3 is %v, want suspect", got)
		}
		g, err := w.node.Begin(w.Context(), meta.Upload{Name: "acme/a", Kind: meta.Bundle, MaxBytes: 1})
		if err != nil || !slices.Equal(sorted(g.Edges), []meta.EdgeID{1, 2}) {
			w.Fatalf("grant %v, %v", g.Edges, err)
		}
		if _, err := w.node.Publish(w.Context(), publication("acme/a", cid("1"), 1, 2)); err != nil {
			w.Errorf("two replicas on the two edges that live: %v", err)
		}
		if _, err := w.node.Publish(w.Context(), publication("acme/b", cid("2"), 2)); !errors.Is(err, meta.ErrNoEdges) {
			w.Errorf("one replica: %v", err)
		}
	})
}
