package edge

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/receipt"
	"github.com/stratos-mesh/stratos/sds"
)

func TestAMetaNodeThatForgotEverythingHearsEverythingAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	e := w.edges[0]
	p := w.publish("acme/film", map[string][]byte{"0.mp4": content(1, 1<<20)}, e)
	w.replicate(t, e, p)
	w.meta.mu.Lock()
	w.meta.holdings = make(map[meta.EdgeID]map[sds.CID]meta.Holding)
	w.meta.wantDigest = true
	w.meta.mu.Unlock()
	w.eventually("the unit is reported again", func() bool {
		w.meta.mu.Lock()
		defer w.meta.mu.Unlock()
		return w.meta.holdings[e.id][p.record.Root].State == meta.Complete
	})
}

func TestChangesOutliveAMetaNodeThatIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	e := w.edges[1]
	p := w.publish("acme/film", map[string][]byte{"0.mp4": content(1, 1<<20)}, w.edges[0])
	w.meta.mu.Lock()
	w.meta.down = true
	w.meta.mu.Unlock()
	work := meta.Work{Number: 1, Kind: meta.Replicate, Unit: p.record.Units[0], Record: p.record, Sources: p.holders}
	if err := e.keeper.Replicate(t.Context(), work); err != nil {
		t.Fatal(err)
	}
	w.meta.mu.Lock()
	w.meta.down = false
	w.meta.mu.Unlock()
	w.eventually("the replica is reported", func() bool {
		w.meta.mu.Lock()
		defer w.meta.mu.Unlock()
		return w.meta.holdings[e.id][p.record.Root].State == meta.Complete
	})
}

func TestABeatTellsLoadTicketsAndCachedUnits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	e := w.edges[1]
	p := w.publish("acme/film", map[string][]byte{"0.mp4": content(1, 1<<20)}, w.edges[0])
	text := w.ticket(p, nil, e)
	e.get(t, "/t/"+text+"/acme/film/0.mp4")
	ticket, err := receipt.ParseTicket(text)
	if err != nil {
		t.Fatal(err)
	}
	w.eventually("load, ticket and filter are told", func() bool {
		w.meta.mu.Lock()
		defer w.meta.mu.Unlock()
		b := w.meta.beats[e.id]
		return b.Load.Sessions == 1 && b.Load.PinnedFree > 0 && w.meta.accepted[ticket.ID] && w.meta.filters[e.id] != nil
	})
}

func TestAnAliasIsAskedForOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	e := w.edges[0]
	p := w.publish("acme/one.mp4", map[string][]byte{"": content(1, 1000)}, e)
	w.meta.mu.Lock()
	copied := w.meta.names["acme/one.mp4"]
	copied.Record.Name = "other/two.mp4"
	w.meta.names["other/two.mp4"] = copied
	w.meta.mu.Unlock()
	text := w.ticket(p, nil, e)
	for range 3 {
		r, body := e.get(t, "/other/two.mp4?t="+text)
		want(t, r, 200)
		same(t, body, p.files[""])
	}
	r, _ := e.get(t, "/other/three.mp4?t="+text)
	want(t, r, 404)
	w.meta.mu.Lock()
	defer w.meta.mu.Unlock()
	if diff := cmp.Diff(map[string]int{"other/two.mp4": 1, "other/three.mp4": 1}, w.meta.resolves); diff != "" {
		t.Error(diff)
	}
}

func TestABundleUnderAnotherNameNeedsNoQuestionWhenOnePathFits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	e := w.edges[0]
	p := w.publish("acme/film", map[string][]byte{"v/0.m4s": content(1, 1000), "v/1.m4s": content(2, 1000)}, e)
	r, body := e.get(t, "/t/"+w.ticket(p, nil, e)+"/other/deep/name/v/1.m4s")
	want(t, r, 200)
	same(t, body, p.files["v/1.m4s"])
	w.meta.mu.Lock()
	defer w.meta.mu.Unlock()
	if len(w.meta.resolves) != 0 {
		t.Errorf("asked %v", w.meta.resolves)
	}
}
