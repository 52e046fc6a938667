package edge

import (
	"testing"

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
	w := newWorld(t, 1)
	e := w.addEdge(EdgeConfig{Capacity: 2e9})
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
		return b.Load.Sessions == 1 && b.Load.Capacity == 2e9 && b.Load.PinnedFree > 0 && w.meta.accepted[ticket.ID] && w.meta.filters[e.id] != nil
	})
}
