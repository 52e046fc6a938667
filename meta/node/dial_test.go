package node_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/node"
)

func ok() meta.DialResult { return meta.DialResult{Outcome: meta.DialOK} }

func failed(why string) meta.DialResult {
	return meta.DialResult{Outcome: meta.DialFailed, Detail: why}
}

func reachedBy(meta.EdgeID) *meta.DialReport {
	return &meta.DialReport{IPv4: ok(), Certificate: ok(), Key: ok(), HTTP3: ok()}
}

// closed is what everybody sees of an edge that lets nobody in.
func closed(meta.EdgeID) *meta.DialReport {
	return &meta.DialReport{IPv4: failed("TCP port 443: connection refused"), Certificate: meta.DialResult{Outcome: meta.DialUntried}}
}

// closes says that some edges are closed.
func closes(list ...meta.EdgeID) func(meta.EdgeID) *meta.DialReport {
	return func(target meta.EdgeID) *meta.DialReport {
		for _, id := range list {
			if id == target {
				return closed(id)
			}
		}
		return reachedBy(target)
	}
}

func real(cfg *node.Config) { cfg.Development = false; cfg.EpochLength = time.Minute }

func (w *world) want(id meta.EdgeID, want meta.EdgeState, when string) {
	w.Helper()
	if got := w.states()[id]; got != want {
		w.Errorf("%s: edge %d is in state %d, want %d", when, id, got, want)
	}
}

// asked counts the dials of an edge that another was asked for.
func (e *fakeEdge) asked(target meta.EdgeID) (count int) {
	for _, task := range e.work {
		if task.Kind == meta.Dial && task.Target == target {
			count++
		}
	}
	return count
}

func TestEdgesAreRoutedToOnlyWhenOthersReachThem(t *testing.T) {
	t.Parallel()
	simulate(t, 4, real, func(w *world) {
		w.pass(time.Minute)
		for id := range w.states() {
			w.want(id, meta.Live, "after it was dialled")
		}
		// Nobody reaches edge 2 any more, though it beats.
		for _, e := range w.edges {
			e.dials = closes(2)
		}
		w.pass(3 * time.Minute)
		w.want(2, meta.Suspect, "while nobody reaches it")
		w.want(3, meta.Live, "beside one that nobody reaches")
		status, err := w.node.Status(w.Context())
		if err != nil {
			w.Fatal(err)
		}
		dials := status.Edges[1].Dials
		if len(dials) < 2 || dials[0].By == dials[1].By || dials[0].Target != 2 || dials[0].Time.IsZero() || !strings.Contains(dials[0].IPv4.Detail, "refused") {
			w.Errorf("status says of edge 2: %+v", dials)
		}
		for _, e := range w.edges {
			e.dials = nil
		}
		w.pass(3 * time.Minute)
		w.want(2, meta.Live, "when it is reached again")
	})
}

func TestAnEdgeThatNobodyReachesNeverJoins(t *testing.T) {
	t.Parallel()
	simulate(t, 3, real, func(w *world) {
		w.pass(time.Minute)
		for _, e := range w.edges {
			e.dials = closes(4)
		}
		w.join(4)
		w.pass(3 * time.Minute)
		w.want(4, meta.Joining, "while nobody reaches it")
		for _, e := range w.edges {
			e.dials = nil
		}
		w.pass(time.Minute)
		w.want(4, meta.Live, "when its port is open")
	})
}

// One liar among others can neither shut an edge out nor, where two tell the
// truth, let one in.
func TestOneDialler(t *testing.T) {
	t.Parallel()
	everybodyElse := func(target meta.EdgeID) *meta.DialReport { return closed(target) }
	for name, edges := range map[string]int{"of three shuts nobody out": 3, "of five shuts nobody out": 5} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			simulate(t, edges, real, func(w *world) {
				w.edges[0].dials = everybodyElse
				w.pass(10 * time.Minute)
				for id := range w.states() {
					w.want(id, meta.Live, "beside a liar")
				}
				if w.edges[0].asked(2) == 0 {
					w.Error("the liar was never asked")
				}
			})
		})
	}
	t.Run("of four lets nobody in", func(t *testing.T) {
		t.Parallel()
		simulate(t, 4, real, func(w *world) {
			w.pass(time.Minute)
			for _, e := range w.edges[1:] {
				e.dials = closes(5)
			}
			w.join(5)
			w.pass(10 * time.Minute)
			w.want(5, meta.Joining, "with a liar who vouches for it")
		})
	})
	t.Run("who was not asked has no say", func(t *testing.T) {
		t.Parallel()
		simulate(t, 3, real, func(w *world) {
			w.pass(time.Minute)
			for number := range uint64(200) {
				r := closed(2)
				r.Number, r.Target = number, 2
				beat := meta.Beat{Boot: [8]byte{1}, Done: []uint64{number}, Dials: []meta.DialReport{*r}}
				for _, by := range []meta.EdgeID{1, 3} {
					if _, err := w.node.Beat(w.Context(), by, beat); err != nil {
						w.Fatal(err)
					}
				}
			}
			w.pass(10 * time.Second)
			w.want(2, meta.Live, "after words of those who were not asked")
		})
	})
	t.Run("of two others that says nothing holds nobody up", func(t *testing.T) {
		t.Parallel()
		simulate(t, 3, real, func(w *world) {
			w.edges[0].dials = func(meta.EdgeID) *meta.DialReport { return nil }
			w.pass(3 * time.Minute)
			for id := range w.states() {
				w.want(id, meta.Live, "beside one that cannot dial")
			}
		})
	})
}

func TestSmallNetworksWork(t *testing.T) {
	t.Parallel()
	t.Run("the only edge has nobody to dial it", func(t *testing.T) {
		t.Parallel()
		simulate(t, 1, real, func(w *world) {
			w.pass(20 * time.Second)
			w.want(1, meta.Live, "alone")
		})
	})
	t.Run("of two edges each has the other's word", func(t *testing.T) {
		t.Parallel()
		simulate(t, 2, real, func(w *world) {
			w.pass(30 * time.Second)
			w.want(1, meta.Live, "dialled by the other")
			w.want(2, meta.Live, "dialled by the other")
			w.edges[0].dials = closes(2)
			w.pass(3 * time.Minute)
			w.want(2, meta.Suspect, "not reached by the only other")
		})
	})
	t.Run("development networks look, and judge nobody by it", func(t *testing.T) {
		t.Parallel()
		simulate(t, 3, nil, func(w *world) {
			for _, e := range w.edges {
				e.dials = closes(2)
			}
			w.pass(3 * time.Minute)
			w.want(2, meta.Live, "in a development network")
			status, err := w.node.Status(w.Context())
			if err != nil || len(status.Edges[1].Dials) != 2 {
				w.Errorf("status %+v, %v: want two dials of edge 2", status, err)
			}
		})
	})
}

func TestWhatADialIsWorth(t *testing.T) {
	t.Parallel()
	untried, none := meta.DialResult{Outcome: meta.DialUntried}, meta.DialResult{}
	for name, c := range map[string]struct {
		r             meta.DialReport
		reached, told bool
	}{
		"all is well":                                {meta.DialReport{IPv4: ok(), IPv6: ok(), Certificate: ok(), Key: ok(), HTTP3: ok()}, true, true},
		"no HTTP/3 is a warning":                     {meta.DialReport{IPv4: ok(), Certificate: ok(), Key: ok(), HTTP3: failed("UDP")}, true, true},
		"plain http needs no certificate":            {meta.DialReport{IPv4: ok(), Key: ok()}, true, true},
		"clients fall back from IPv6":                {meta.DialReport{IPv4: ok(), IPv6: failed("refused"), Certificate: ok(), Key: ok()}, true, true},
		"a dialler without IPv6 sees IPv4":           {meta.DialReport{IPv4: ok(), IPv6: untried, Certificate: ok(), Key: ok()}, true, true},
		"nothing but IPv6, and a dialler without it": {meta.DialReport{IPv4: none, IPv6: untried, Certificate: untried, Key: untried}, false, false},
		"closed": {meta.DialReport{IPv4: failed("refused"), Certificate: untried, Key: untried}, false, true},
		"IPv4 closed, and a dialler without IPv6": {meta.DialReport{IPv4: failed("refused"), IPv6: untried}, false, false},
		"a certificate that nobody trusts":        {meta.DialReport{IPv4: ok(), Certificate: failed("expired"), Key: untried}, false, true},
		"somebody else answers":                   {meta.DialReport{IPv4: ok(), Certificate: ok(), Key: failed("key x")}, false, true},
		"an empty report":                         {meta.DialReport{}, false, false},
	} {
		if reached, told := c.r.Verdict(); reached != c.reached || told != c.told {
			t.Errorf("%s: reached %v, told %v", name, reached, told)
		}
	}
}

func TestDialsAreBounded(t *testing.T) {
	t.Parallel()
	simulate(t, 2, nil, func(w *world) {
		for name, dials := range map[string][]meta.DialReport{
			"too many":           make([]meta.DialReport, meta.MaxDialReports+1),
			"a long detail":      {{IPv4: failed(strings.Repeat("x", meta.MaxDialDetail+1))}},
			"an unknown outcome": {{HTTP3: meta.DialResult{Outcome: 9}}},
		} {
			if _, err := w.node.Beat(w.Context(), 1, meta.Beat{Dials: dials}); !errors.Is(err, meta.ErrInvalid) {
				w.Errorf("%s: %v", name, err)
			}
		}
	})
}
