package edge

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/edge/keep"
	"github.com/stratos-mesh/stratos/edge/write"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// has tells how many blocks of a publication an edge keeps pinned.
func (e *testEdge) has(t *testing.T, p *published) int {
	t.Helper()
	pinned := make(map[sds.CID]bool)
	err := e.disk.List(t.Context(), func(i sds.Info) error {
		pinned[i.CID] = i.Class == sds.Pinned
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, cid := range p.blocks {
		if pinned[cid] {
			n++
		}
	}
	return n
}

func (w *world) drop(t *testing.T, e *testEdge, p *published) {
	t.Helper()
	w.meta.give(e.id, meta.Work{Number: w.next.Add(1), Kind: meta.Drop, Unit: p.record.Units[0], Record: p.record})
	w.eventually("the unit is gone", func() bool {
		w.meta.mu.Lock()
		defer w.meta.mu.Unlock()
		_, held := w.meta.holdings[e.id][p.record.Root]
		return !held
	})
}

func TestAReplicaIsMadeServedAndSurvivesItsHolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	p := w.publish("acme/film", map[string][]byte{"0.mp4": content(1, 5<<20), "a/b.txt": []byte("b")}, w.edges[0])
	e := w.edges[1]
	w.replicate(t, e, p)
	if got := e.has(t, p); got != len(p.blocks) {
		t.Fatalf("%d of %d blocks are pinned", got, len(p.blocks))
	}
	w.edges[0].server.CloseClientConnections()
	w.edges[0].server.Close()
	r, body := e.get(t, "/t/"+w.ticket(p, nil, e)+"/acme/film/0.mp4")
	if r.StatusCode != 200 || !bytes.Equal(body, p.files["0.mp4"]) || r.Header.Get("Cache-Status") != "stratos; hit" {
		t.Errorf("status %d, %d bytes, %s", r.StatusCode, len(body), r.Header.Get("Cache-Status"))
	}
}

func TestWhatTwoBundlesShareStaysWithTheOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	shared := content(1, 3<<20)
	first := w.publish("acme/one", map[string][]byte{"s.mp4": shared, "own.mp4": content(2, 2<<20)}, w.edges[0])
	second := w.publish("acme/two", map[string][]byte{"deep/s.mp4": shared, "x.txt": []byte("x")}, w.edges[0])
	e := w.edges[1]
	w.replicate(t, e, first)
	w.replicate(t, e, second)
	before, _ := e.disk.Usage()
	w.drop(t, e, first)
	w.eventually("what only the dropped one had is gone", func() bool {
		now, _ := e.disk.Usage()
		return before.Bytes-now.Bytes > 2<<20
	})
	if got := e.has(t, second); got != len(second.blocks) {
		t.Errorf("%d of %d blocks of the other are left", got, len(second.blocks))
	}
	r, body := e.get(t, "/t/"+w.ticket(second, nil, e)+"/acme/two/deep/s.mp4")
	if r.StatusCode != 200 || !bytes.Equal(body, shared) {
		t.Errorf("the other: status %d, %d bytes", r.StatusCode, len(body))
	}
}

func TestACheckMendsWhatIsMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	p := w.publish("acme/film", map[string][]byte{"0.mp4": content(1, 3<<20)}, w.edges[0])
	e := w.edges[1]
	w.replicate(t, e, p)
	lost := sds.Sum(sds.Raw, p.files["0.mp4"][1<<20:2<<20])
	if err := e.disk.Delete(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	number := w.next.Add(1)
	w.meta.give(e.id, meta.Work{Number: number, Kind: meta.Check, Unit: p.record.Units[0], Record: p.record, Sources: p.holders})
	w.eventually("the check is done", func() bool {
		w.meta.mu.Lock()
		defer w.meta.mu.Unlock()
		return w.meta.done[number]
	})
	if got := e.has(t, p); got != len(p.blocks) {
		t.Errorf("%d of %d blocks are pinned", got, len(p.blocks))
	}
}

func TestWorkThatCannotBeDoneIsReportedWithItsReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	p := w.publish("acme/film", map[string][]byte{"0.mp4": content(1, 3<<20)})
	number := w.next.Add(1)
	w.meta.give(1, meta.Work{Number: number, Kind: meta.Replicate, Unit: p.record.Units[0], Record: p.record, Sources: []meta.EdgeID{2}})
	w.eventually("the failure is reported", func() bool {
		w.meta.mu.Lock()
		defer w.meta.mu.Unlock()
		return w.meta.failed[number] != ""
	})
	if w.edges[0].keeper.Holdings()[0].State == meta.Complete {
		t.Error("it claims to be complete")
	}
}

func TestAnEdgeLooksAtAnotherFromOutside(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	w.edges[2].answer(w.edges[1].node.ServeHTTP) // somebody else answers at the third's address
	good, bad, unknown := w.next.Add(1), w.next.Add(1), w.next.Add(1)
	for number, target := range map[uint64]meta.EdgeID{good: 2, bad: 3, unknown: 99} {
		w.meta.give(1, meta.Work{Number: number, Kind: meta.Dial, Target: target})
	}
	w.eventually("all are reported", func() bool {
		w.meta.mu.Lock()
		defer w.meta.mu.Unlock()
		return w.meta.done[good] && w.meta.done[bad] && w.meta.failed[unknown] != ""
	})
	w.meta.mu.Lock()
	defer w.meta.mu.Unlock()
	if r := w.meta.dials[good]; r.Target != 2 || r.IPv4.Outcome != meta.DialOK || r.Key.Outcome != meta.DialOK {
		t.Errorf("of an edge that answers: %+v", r)
	}
	if r := w.meta.dials[bad]; r.IPv4.Outcome != meta.DialOK || r.Key.Outcome != meta.DialFailed || !strings.Contains(r.Key.Detail, "somebody else") {
		t.Errorf("where somebody else answers: %+v", r)
	}
}

func TestARestartKnowsWhatItHoldsAndServesWithoutAMetaNode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	e := w.edges[0]
	p := w.publish("acme/film", map[string][]byte{"0.mp4": content(1, 2<<20)}, e)
	w.replicate(t, e, p)
	w.revoke(t, meta.Revocation{Root: sds.Sum(sds.Raw, []byte("gone"))})
	text := w.ticket(p, nil, e)
	if err := e.Destruct(); err != nil {
		t.Fatal(err)
	}
	w.meta.mu.Lock()
	w.meta.down = true
	w.meta.mu.Unlock()
	again, err := open(e.app)
	if err != nil {
		t.Fatal(err)
	}
	again.configure(e.app)
	e.node = again
	r, body := e.get(t, "/t/"+text+"/acme/film/0.mp4")
	if r.StatusCode != 200 || !bytes.Equal(body, p.files["0.mp4"]) {
		t.Errorf("status %d, %d bytes", r.StatusCode, len(body))
	}
	if again.revocations.Number() != 1 || again.revocations.Root(sds.Sum(sds.Raw, []byte("gone"))) == nil {
		t.Error("the revocation was forgotten")
	}
	if h := again.keeper.Holdings(); len(h) != 1 || h[0].State != meta.Complete {
		t.Errorf("holdings %v", h)
	}
}

func TestLeftOversOfAnUploadGoADayAfterItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	e := w.edges[0]
	origin := w.origin(t)
	kept := w.publish("acme/film", map[string][]byte{"0.mp4": content(1, 2<<20)}, e)
	w.replicate(t, e, kept)
	block := content(7, 100_000)
	cid := sds.Sum(sds.Raw, block)
	if status, _ := e.put(t, origin, w.grant(nil), "", cid, block); status != 200 {
		t.Fatalf("status %d", status)
	}
	// The clock of lease and sweep, without waiting for it.
	now := time.Now()
	clock := func() time.Time { return now }
	leases, err := write.OpenLeases(e.state, e.keeper.Spare, clock)
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := keep.Open(keep.Config{
		Store: e.disk, Forget: e.fill.Memory().Forget, Fill: e.fill, State: e.state, Logger: e.log, Now: clock,
		Banned: e.revocations.Object,
	})
	if err != nil {
		t.Fatal(err)
	}
	sweep := func() int {
		if _, err := leases.Expired(); err != nil {
			t.Fatal(err)
		}
		gone, err := keeper.Sweep(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return gone
	}
	now = now.Add(24 * time.Hour)
	if gone := sweep(); gone != 0 {
		t.Errorf("%d blocks went while the lease had its grace", gone)
	}
	now = now.Add(2 * time.Hour)
	if gone := sweep(); gone != 1 {
		t.Errorf("%d blocks went, want the one", gone)
	}
	if _, err := e.disk.Get(t.Context(), cid); !errors.Is(err, sds.ErrNotFound) {
		t.Errorf("the slice: %v", err)
	}
	if got := e.has(t, kept); got != len(kept.blocks) {
		t.Errorf("%d of %d blocks of what is held are left", got, len(kept.blocks))
	}
}

func TestADrainingEdgeTakesNoNewSessionsAndFinishesTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	e := w.edges[0]
	p := w.publish("acme/film", map[string][]byte{"0.mp4": content(1, 2<<20)}, e)
	running := "/t/" + w.ticket(p, nil, e) + "/acme/film/0.mp4"
	r, _ := e.get(t, running)
	want(t, r, 200)
	r, _ = e.get(t, "/readyz")
	want(t, r, 200)
	w.meta.change(func(n *meta.Network) { n.Edges[0].State = meta.Draining })
	w.settle()
	r, _ = e.get(t, running)
	want(t, r, 200)
	r, _ = e.get(t, "/t/"+w.ticket(p, nil, e)+"/acme/film/0.mp4?r=1")
	want(t, r, 503)
	r, _ = e.get(t, "/readyz")
	want(t, r, 503)
	r, _ = e.get(t, "/healthz")
	want(t, r, 200)
	told := func() bool {
		w.meta.mu.Lock()
		defer w.meta.mu.Unlock()
		return w.meta.beats[e.id].Draining
	}
	if told() {
		t.Error("the meta node's own order is told back to it, so it could never be taken back")
	}
	e.draining.Store(true)
	w.eventually("the meta node hears of what the edge itself wants", told)
}

func TestAReplicaIsCompletedAtTheRateThatItsHolderAllows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	holder := w.addEdge(EdgeConfig{PeerRate: 2 << 20})
	e := w.addEdge(EdgeConfig{})
	p := w.publish("acme/film", map[string][]byte{"0.mp4": content(1, 12<<20)}, holder)
	w.replicate(t, e, p)
	if got := e.has(t, p); got != len(p.blocks) {
		t.Errorf("%d of %d blocks are pinned", got, len(p.blocks))
	}
}
