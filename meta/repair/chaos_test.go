package repair_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stratos-mesh/stratos/meta"
)

// Edges die, return, are cut off, drain, fail and lie at random, two of seven
// at most at a time. No replica that is needed is ever given away, and when all
// is well again every unit has what it wants and no more.
func TestChaos(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 9))
			w := newWorld(t, 7, 25, 5<<20)
			heal := func(e *simEdge) {
				if e.dead {
					w.restart(e.id)
				}
				e.cut, e.draining, e.fails, e.lies = false, false, false, false
			}
			var ill []*simEdge
			for range 120 {
				switch e := w.edges[meta.EdgeID(random.IntN(7)+1)]; {
				case len(ill) == 2:
					heal(ill[0])
					ill = ill[1:]
				default:
					ill = append(ill, e)
					switch random.IntN(5) {
					case 0:
						w.kill(e.id)
					case 1:
						e.cut = true
					case 2:
						e.draining = true
					case 3:
						e.fails = true
					case 4:
						e.lies = true
					}
				}
				w.run(1 + random.IntN(20))
				for _, item := range w.items {
					held := 0
					for _, e := range w.edges {
						if h, ok := e.holdings[item.Version()]; ok && h.State == meta.Complete {
							held++
						}
					}
					if held < 3 {
						t.Fatalf("%s is on %d edges, dead ones included", item.Record.Name, held)
					}
				}
			}
			for _, e := range w.edges {
				heal(e)
			}
			w.run(400)
			w.wantReplicas(3)
			if s := w.scheduler.Status(); s.Underway+s.Waiting+s.Lost != 0 || s.Halted != "" {
				t.Errorf("status %+v", s)
			}
		})
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5, 40, 1<<20)
	w.kill(1)
	w.run(6)
	var group sync.WaitGroup
	stop := make(chan struct{})
	for _, id := range w.order {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for _, work := range w.scheduler.Work(id, 10) {
					w.scheduler.Finished(id, []uint64{work.Number}, map[uint64]string{work.Number + 1: "no"})
				}
				w.scheduler.Status()
				w.scheduler.Handover(id)
			}
		})
	}
	for range 20 {
		w.plan()
	}
	close(stop)
	group.Wait()
}
