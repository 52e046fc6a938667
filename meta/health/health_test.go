package health_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/health"
)

// world runs a tracker on a clock of its own, a second at a time.
type world struct {
	*testing.T
	now     time.Time
	tracker *health.Tracker
	beating []meta.EdgeID
	changes []string
}

var names = map[meta.EdgeState]string{
	meta.Joining: "joining", meta.Live: "live", meta.Suspect: "suspect", meta.Draining: "draining", meta.Down: "down",
}

func newWorld(t *testing.T, config health.Config, edges int) *world {
	w := &world{T: t, now: time.Unix(1_800_000_000, 0)}
	config.Now = func() time.Time { return w.now }
	w.tracker = health.New(config)
	for id := range meta.EdgeID(edges) {
		w.beating = append(w.beating, id+1)
		w.tracker.Beat(id+1, false)
		w.tracker.Dialled(id+1, true)
	}
	w.run(1)
	return w
}

func (w *world) run(seconds int) {
	for range seconds {
		w.now = w.now.Add(time.Second)
		for _, id := range w.beating {
			w.tracker.Beat(id, false)
		}
		for _, c := range w.tracker.Tick() {
			w.changes = append(w.changes, fmt.Sprintf("%d %s", c.Edge, names[c.To]))
		}
	}
}

func (w *world) kill(ids ...meta.EdgeID) {
	w.beating = slices.DeleteFunc(w.beating, func(id meta.EdgeID) bool { return slices.Contains(ids, id) })
}

func (w *world) wantState(id meta.EdgeID, want meta.EdgeState) {
	w.Helper()
	if got := w.tracker.State(id); got != want {
		w.Errorf("edge %d is %s, want %s", id, names[got], names[want])
	}
}

func (w *world) wantHalt(want bool) {
	w.Helper()
	if h := w.tracker.Halt(); h.Active != want || (h.Reason != "") != want {
		w.Errorf("halt is %+v, want %v", h, want)
	}
}

func TestAnEdgeFallsSilentAndComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Defaults(true), 5)
	w.changes = nil
	w.kill(2)
	w.run(2)
	w.wantState(2, meta.Live)
	w.run(1) // the third second: two beats were missed
	w.wantState(2, meta.Suspect)
	w.run(1)
	w.wantState(2, meta.Suspect)
	w.run(1)
	w.wantState(2, meta.Down)
	w.wantHalt(false)
	w.beating = append(w.beating, 2)
	w.run(1)
	w.wantState(2, meta.Live)
	if diff := cmp.Diff([]string{"2 suspect", "2 down", "2 live"}, w.changes); diff != "" {
		t.Error(diff)
	}
	if got := w.tracker.LastBeat(2); !got.Equal(w.now) {
		t.Errorf("last beat at %v, want %v", got, w.now)
	}
}

func TestRealNetworksWaitLonger(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Defaults(false), 5)
	w.kill(1)
	w.run(12)
	w.wantState(1, meta.Live)
	w.run(1)
	w.wantState(1, meta.Suspect)
	w.run(586)
	w.wantState(1, meta.Suspect)
	w.run(1)
	w.wantState(1, meta.Down)
}

func TestJoining(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Defaults(false), 1)
	w.wantState(7, meta.Joining)
	w.tracker.Add(7, false)
	w.wantState(7, meta.Joining)
	w.tracker.Beat(7, false)
	w.wantState(7, meta.Joining)
	w.tracker.Dialled(7, false)
	w.wantState(7, meta.Joining)
	w.tracker.Dialled(7, true)
	w.wantState(7, meta.Live)
	w.tracker.Dialled(7, false)
	w.wantState(7, meta.Suspect)
	w.tracker.Dialled(7, true)
	w.wantState(7, meta.Live)
	w.tracker.Remove(7)
	w.wantState(7, meta.Joining)
	w.run(60)
	w.wantHalt(false)
}

func TestViewersReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Defaults(false), 4)
	w.tracker.Report(99, "net") // nobody knows it
	for range 100 {
		w.tracker.Report(1, "one network, however often")
	}
	w.tracker.Report(1, "another")
	w.wantState(1, meta.Live)
	w.tracker.Report(1, "a third")
	w.wantState(1, meta.Suspect)
	w.run(59)
	w.wantState(1, meta.Suspect)
	w.run(1)
	w.wantState(1, meta.Live)
	for n := range 1000 { // bounded
		w.tracker.Report(1, fmt.Sprint(n))
	}
	w.wantState(1, meta.Suspect)
	w.tracker.Dialled(1, true)
	w.wantState(1, meta.Live)
}

func TestDraining(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Defaults(true), 4)
	w.tracker.Drain(1, true)
	w.wantState(1, meta.Draining)
	w.tracker.Drain(1, false)
	w.wantState(1, meta.Live)
	// Three of four drain and leave: nobody is missed.
	w.kill(2, 3, 4)
	for id := range meta.EdgeID(3) {
		w.tracker.Beat(id+2, true)
		w.wantState(id+2, meta.Draining)
	}
	w.run(30)
	w.wantState(2, meta.Down)
	w.wantHalt(false)
}

func TestTwoOfFiveKilledDoNotHalt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Defaults(true), 5)
	w.kill(1, 2)
	for range 60 {
		w.run(1)
		w.wantHalt(false)
	}
	if heard, expected := w.tracker.Heard(); heard != 3 || expected != 5 {
		t.Errorf("heard %d of %d", heard, expected)
	}
}

func TestAllFiveCutOffHalt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Defaults(true), 5)
	all := w.beating
	w.beating = nil
	w.run(2)
	w.wantHalt(false)
	w.run(1)
	w.wantHalt(true)
	for range 27 {
		w.run(1)
		w.wantHalt(true)
	}
	if h := w.tracker.Halt(); !strings.Contains(h.Reason, "0 of 5") {
		t.Errorf("reason %q", h.Reason)
	}
	// They come back one by one; each is watched for by those who plan repairs.
	for n := range all {
		w.beating = all[:n+1]
		w.run(2)
		w.wantHalt(true)
		if w.tracker.Halt().Calm {
			t.Error("calm while edges come back")
		}
	}
	w.run(8)
	w.wantHalt(true)
	if h := w.tracker.Halt(); !strings.Contains(h.Reason, "5 of 5") {
		t.Errorf("reason %q", h.Reason)
	}
	w.run(2)
	w.wantHalt(false)
}

// When nobody is heard any more it is this node that hears nothing: those that
// fell silent together stay what they were.
func TestInTheDarkEdgesAreJudgedAsBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Defaults(true), 5)
	w.tracker.Drain(4, true)
	w.kill(5)
	w.run(30)
	w.wantState(5, meta.Down)
	all := w.beating
	w.beating = nil
	w.run(10)
	for _, id := range []meta.EdgeID{1, 2, 3} {
		w.wantState(id, meta.Live)
	}
	w.wantState(4, meta.Draining)
	w.wantState(5, meta.Down)
	w.wantHalt(true)
	w.tracker.Report(2, "viewer") // what viewers see still counts
	w.wantState(2, meta.Suspect)
	w.run(600)
	w.wantState(1, meta.Live)
	// One is heard: the others are silent indeed.
	w.beating = all[:1]
	w.run(1)
	w.wantState(1, meta.Live)
	w.wantState(3, meta.Down)
	w.beating = all
	w.run(1)
	w.wantState(3, meta.Live)
	// Nobody believes it for ever.
	w.beating = nil
	w.run(3599)
	w.wantState(1, meta.Live)
	w.run(10)
	w.wantState(1, meta.Down)
}

func TestASingleEdgeIsNotInTheDark(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Defaults(true), 1)
	w.kill(1)
	w.run(10)
	w.wantState(1, meta.Down)
}

// Between a beat and the next tick nothing may look calm.
func TestABeatAfterSilenceIsNotCalm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Defaults(true), 5)
	w.beating = nil
	w.run(60)
	if !w.tracker.Halt().Calm {
		t.Fatal("a minute of silence is calm")
	}
	w.tracker.Beat(3, false)
	if w.tracker.Halt().Calm {
		t.Error("calm right after an edge came back")
	}
}

func TestALongHaltIsCalm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Defaults(true), 5)
	w.kill(1, 2, 3)
	w.run(60)
	w.wantHalt(true)
	if !w.tracker.Halt().Calm {
		t.Error("two edges heard for a minute are not calm")
	}
	w.run(24 * 3600) // the three are no longer expected
	w.wantHalt(false)
}

func TestMassSilence(t *testing.T) {
	t.Parallel()
	ids := func(n int) (out []meta.EdgeID) {
		for id := range n {
			out = append(out, meta.EdgeID(id+1))
		}
		return out
	}
	for _, test := range []struct {
		name        string
		edges, gone int
		want        bool
		gradual     time.Duration // between one and the next
	}{
		{name: "ten of a hundred", edges: 100, gone: 10},
		{name: "eleven of a hundred", edges: 100, gone: 11, want: true},
		{name: "eleven of thirty", edges: 30, gone: 11, want: true},
		{name: "a hundred of a thousand", edges: 1000, gone: 100},
		{name: "a hundred and one of a thousand", edges: 1000, gone: 101, want: true},
		{name: "twenty in the course of twenty minutes", edges: 100, gone: 20, gradual: time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			config := health.Defaults(false)
			w := newWorld(t, config, test.edges)
			for _, id := range ids(test.gone) {
				w.kill(id)
				w.run(int(test.gradual / time.Second))
			}
			w.run(20)
			w.wantHalt(test.want)
			if !test.want {
				return
			}
			// It lasts longer than the window, and longer than until they are down.
			w.run(650)
			w.wantHalt(true)
			w.wantState(1, meta.Down)
			w.beating = append(w.beating, ids(test.gone)[:5]...)
			w.run(58)
			w.wantHalt(true)
			w.run(10)
			w.wantHalt(false)
		})
	}
	t.Run("or until they are given up", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, health.Defaults(false), 100)
		w.kill(ids(20)...)
		w.run(3500)
		w.wantHalt(true)
		w.run(400)
		w.wantHalt(false)
		w.kill(ids(40)...) // the next event counts anew
		w.run(30)
		w.wantHalt(true)
	})
}

func TestRestart(t *testing.T) {
	t.Parallel()
	config := health.Defaults(true)
	w := newWorld(t, config, 0)
	for id := range meta.EdgeID(5) {
		w.tracker.Add(id+1, true)
	}
	w.wantState(1, meta.Live)
	w.run(1)
	w.wantHalt(true) // nobody was heard yet
	w.beating = []meta.EdgeID{1, 2, 3}
	w.run(1)
	w.wantState(4, meta.Live)
	w.run(9)
	w.wantHalt(true)
	w.wantState(4, meta.Down)
	w.run(10)
	w.wantHalt(false)
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	tracker := health.New(health.Defaults(true))
	var group sync.WaitGroup
	for id := range meta.EdgeID(8) {
		group.Go(func() {
			for range 500 {
				tracker.Beat(id, false)
				tracker.Report(id, "net")
				tracker.State(id + 1)
				tracker.States()
				tracker.Tick()
				tracker.Halt()
			}
		})
	}
	group.Wait()
}
