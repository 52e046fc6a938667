package repair_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/inventory"
	"github.com/stratos-mesh/stratos/meta/repair"
)

func TestNothingIsCopiedWhenNothingIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5, 40, 1<<20)
	w.run(120)
	w.wantReplicas(3)
	if w.copied != 0 {
		t.Errorf("%d copies", w.copied)
	}
}

func TestAnyTwoOfFiveDown(t *testing.T) {
	t.Parallel()
	for one := range meta.EdgeID(5) {
		for two := range one {
			t.Run(fmt.Sprint(one+1, two+1), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, 5, 30, 10<<20)
				w.kill(one+1, two+1)
				w.run(4)
				if w.copied != 0 {
					t.Fatal("copied before anyone was down")
				}
				w.run(60)
				w.wantReplicas(3)
				if s := w.scheduler.Status(); s.Halted != "" || len(s.Repairs) != 0 {
					t.Errorf("status is %+v", s)
				}
			})
		}
	}
}

// 200 MB in one unit, an edge of 1 Gbit/s: a quarter of it moves them in 7 s.
func TestALargeFolderIsWholeWithinAMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5, 1, 200<<20)
	holders := w.live(w.items[0])
	w.kill(holders[:2]...)
	w.run(5 + 2)
	s := w.scheduler.Status()
	if s.Underway == 0 {
		t.Fatalf("nothing under way: %+v", s)
	}
	for _, r := range s.Repairs {
		if r.Expected < 7*time.Second || r.Expected > 20*time.Second || r.Live != 1 || r.Wanted != 3 {
			t.Errorf("status lists %+v", r)
		}
	}
	w.run(40)
	w.wantReplicas(3)
}

func TestAllCutOffAndBackCopiesNothing(t *testing.T) {
	t.Parallel()
	for _, back := range []int{0, 1, 5} { // seconds between the returns of one edge and the next
		t.Run(fmt.Sprintf("%d s apart", back), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 5, 40, 1<<20)
			for _, e := range w.edges {
				e.cut = true
			}
			w.run(30)
			if s := w.scheduler.Status(); s.Halted == "" {
				t.Error("not halted")
			}
			for _, id := range w.order {
				w.edges[id].cut = false
				w.run(back)
			}
			w.run(120)
			w.wantReplicas(3)
			if w.copied != 0 {
				t.Errorf("%d copies", w.copied)
			}
			if s := w.scheduler.Status(); s.Halted != "" {
				t.Errorf("still halted: %s", s.Halted)
			}
		})
	}
}

func TestAHaltStillSavesTheLastReplica(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5, 40, 1<<20)
	w.kill(1, 2, 3) // two of five are heard, less than half
	w.run(9)
	if w.copied != 0 {
		t.Fatal("copied before it was calm")
	}
	w.run(40)
	if s := w.scheduler.Status(); !strings.Contains(s.Halted, "2 of 5") {
		t.Errorf("halted because %q", s.Halted)
	}
	for _, item := range w.items {
		switch n := len(w.live(item)); n {
		case 0, 2: // all were on the dead ones; or saved, or both had it
		default:
			t.Errorf("%s is live on %d edges", item.Record.Name, n)
		}
	}
}

func TestAReturningEdgeIsReconciled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5, 40, 1<<20)
	w.kill(1)
	w.run(40)
	w.wantReplicas(3)
	copied := w.copied
	w.restart(1)
	w.run(50)
	if w.copied != copied {
		t.Errorf("%d copies after the return", w.copied-copied)
	}
	more := 0
	for _, item := range w.items {
		more += len(w.live(item)) - 3
	}
	if more != copied {
		t.Errorf("%d replicas too many after %d copies", more, copied)
	}
	// A minute later the surplus goes, after the others verified theirs; at no
	// time are there fewer than three.
	w.leastLive = 99
	w.run(200)
	w.wantReplicas(3)
	if w.leastLive < 3 {
		t.Errorf("%d live replicas at times", w.leastLive)
	}
	checks := 0
	for _, e := range w.edges {
		checks += e.checks
	}
	if checks < 3*more {
		t.Errorf("%d checks before %d drops", checks, more)
	}
}

func TestNothingIsDroppedWhileAVerificationFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5, 1, 1<<20)
	item := w.items[0]
	for _, e := range w.edges {
		if _, has := e.holdings[item.Version()]; !has {
			e.set(item.Version(), meta.Complete)
		}
		e.unsound = true
	}
	w.run(300)
	w.wantReplicas(5)
	for _, e := range w.edges {
		e.unsound = false
	}
	w.run(200)
	w.wantReplicas(3)
}

// A drop that could not be done for hours is preceded by new verifications.
func TestVerificationsAge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4, 1, 1<<20)
	item := w.items[0]
	for _, e := range w.edges {
		if _, has := e.holdings[item.Version()]; !has {
			e.set(item.Version(), meta.Complete)
		}
		e.keeps = true
	}
	checks := func() (n int) {
		for _, e := range w.edges {
			n += e.checks
		}
		return n
	}
	w.run(600)
	if got := checks(); got != 3 {
		t.Errorf("%d checks in ten minutes, want one of each edge that stays", got)
	}
	w.run(3600)
	if got := checks(); got != 6 {
		t.Errorf("%d checks after more than an hour, want two of each edge that stays", got)
	}
	for _, e := range w.edges {
		e.keeps = false
	}
	w.run(60)
	w.wantReplicas(3)
}

func TestAFlappingEdgeCostsOneRoundOfCopies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5, 40, 1<<20)
	held := len(w.edges[2].holdings)
	for range 8 {
		w.kill(2)
		w.run(12)
		w.restart(2)
		w.run(6)
	}
	if w.copied > held {
		t.Errorf("%d copies for an edge with %d units that flapped eight times", w.copied, held)
	}
	w.run(300)
	w.wantReplicas(3)
}

func TestWhatIsUnderWayIsCalledOffWhenTheEdgeReturns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5, 1, 2<<30) // more than a minute at a quarter
	holder := w.live(w.items[0])[0]
	w.kill(holder)
	w.run(10)
	if s := w.scheduler.Status(); s.Underway != 1 {
		t.Fatalf("status %+v", s)
	}
	w.restart(holder)
	w.run(3)
	if s := w.scheduler.Status(); s.Underway != 0 {
		t.Errorf("still under way: %+v", s)
	}
	w.run(100)
	w.wantReplicas(3)
}

func TestDrainingHandsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5, 40, 1<<20)
	held := len(w.edges[3].holdings)
	w.edges[3].draining = true
	w.run(2)
	if got := w.scheduler.Handover(3); got == 0 || got > held {
		t.Errorf("%d units to hand over of %d", got, held)
	}
	w.run(30)
	if got := w.scheduler.Handover(3); got != 0 {
		t.Errorf("%d units left to hand over", got)
	}
	w.kill(3)
	w.wantReplicas(3)
	copied := w.copied
	w.run(60)
	w.wantReplicas(3)
	if w.copied != copied {
		t.Errorf("%d copies after it left", w.copied-copied)
	}
}

func TestRetriesElsewhereAndLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 6, 20, 1<<20)
	w.edges[6].fails, w.edges[5].lies = true, true
	w.kill(1)
	w.run(90)
	w.wantReplicas(3)
	w.kill(2) // 3, 4, 5 and 6 are left, two of which are no good
	w.run(60)
	w.edges[6].fails, w.edges[5].lies = false, false
	w.run(60)
	w.wantReplicas(3)
}

func TestAHoldingMayComeABeatAfterTheWord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5, 20, 1<<20)
	for _, e := range w.edges {
		e.late = true
	}
	held := len(w.edges[1].holdings)
	w.kill(1)
	w.run(60)
	w.wantReplicas(3)
	if w.copied != held {
		t.Errorf("%d copies of %d units", w.copied, held)
	}
}

func TestMostEndangeredFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 7, 60, 60<<20)
	w.kill(1, 2)
	w.run(5)
	var lives []int
	for range 600 {
		w.run(1)
		least := 3
		for _, item := range w.items {
			least = min(least, len(w.live(item)))
		}
		lives = append(lives, least)
	}
	w.wantReplicas(3)
	// Those with one replica are gone before the last with two is done.
	lastOne := -1
	for i, n := range lives {
		if n == 1 {
			lastOne = i
		}
	}
	if whole := slices.Index(lives, 3); lastOne < 0 || lastOne > whole/2+8 {
		t.Errorf("the last with one replica was saved at %d s, all were whole at %d s", lastOne, whole)
	}
}

func TestHeatRaisesAndCoolingLowers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 6, 5, 1<<20)
	hot := w.items[2].Unit
	extra := 2
	w.heat = func(u meta.UnitKey) int {
		if u == hot {
			return extra
		}
		return 0
	}
	w.run(30)
	for _, item := range w.items {
		want := 3
		if item.Unit == hot {
			want = 5
		}
		if got := len(w.live(item)); got != want {
			t.Errorf("%s has %d replicas, want %d", item.Record.Name, got, want)
		}
	}
	extra = 0
	w.run(200)
	w.wantReplicas(3)
}

func TestDurableEdgesAreCheckedNotCopiedTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5, 0, 0)
	item := w.publish(7, 3, 1<<20)
	for _, id := range item.Durable { // origin wrote it; edges do not know yet that it is a unit
		e := w.edges[id]
		e.changes = nil
		h := e.holdings[item.Version()]
		e.digest.Remove(h)
		h.State = meta.Partial
		e.holdings[item.Version()] = h
		e.digest.Add(h)
	}
	w.run(6)
	w.wantReplicas(3)
	if w.copied != 0 {
		t.Errorf("%d copies of what was there", w.copied)
	}
	if got := len(w.inventory.Holders(item.Unit, item.Record.Root)); got != 3 {
		t.Errorf("%d holders are known", got)
	}
}

// A meta node that lost its store must not copy what it has not heard of yet.
func TestNothingIsCopiedBeforeInventoriesAreKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5, 40, 1<<20)
	w.inventory = inventory.New(inventory.Config{})
	silent := w.edges[4]
	for range 10 {
		w.now = w.now.Add(time.Second)
		for _, id := range w.order {
			if e := w.edges[id]; e != silent {
				w.beat(e)
			} else {
				w.health.Beat(id, false) // heard, but its digest does not come through
			}
		}
		w.health.Tick()
		w.plan()
	}
	if w.copied != 0 || !strings.Contains(w.scheduler.Status().Halted, "edge 4") {
		t.Errorf("%d copies; halted because %q", w.copied, w.scheduler.Status().Halted)
	}
	w.run(60)
	w.wantReplicas(3)
	if w.copied != 0 {
		t.Errorf("%d copies", w.copied)
	}
}

func TestWorkThatIsNeverAnsweredIsGivenToAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5, 1, 1<<20)
	item := w.items[0]
	w.kill(w.live(item)[0])
	w.run(5)
	// Whoever is asked forgets it at once, and keeps beating.
	for range 120 {
		for _, e := range w.edges {
			if len(e.running) > 0 && w.copied == 1 {
				clear(e.running)
			}
		}
		w.run(1)
	}
	w.wantReplicas(3)
	if w.copied < 2 {
		t.Errorf("%d copies, want another try", w.copied)
	}
}

func TestRemovedNamesEndTheirRepairs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5, 1, 2<<30)
	w.kill(w.live(w.items[0])[0])
	w.run(10)
	w.items = nil
	w.run(1)
	if s := w.scheduler.Status(); s.Underway != 0 {
		t.Errorf("under way: %+v", s)
	}
}

// One edge can take copies, four at a time: the first four are those with one
// replica left.
func TestTheFirstWorkIsForTheMostEndangered(t *testing.T) {
	t.Parallel()
	now, number := time.Unix(1_800_000_000, 0), uint64(0)
	config := repair.Defaults(false)
	config.Now = func() time.Time { return now }
	config.Number = func() uint64 { number++; return number }
	scheduler := repair.New(config)
	s := still([5]meta.EdgeState{meta.Live, meta.Live, meta.Live, meta.Down, meta.Down}, nil)
	s.Edges[1].PinnedFree = 1
	s.Edges[0].Capacity, s.Edges[1].Capacity, s.Edges[2].Capacity = 1e9, 1e9, 1e9
	var items []*repair.Item
	left := map[inventory.Version]int{}
	for n := range 40 {
		i := item(n)
		i.Record.Size = 1 << 30
		items = append(items, i)
		left[i.Version()] = 2
		if n%10 == 0 {
			left[i.Version()] = 1
		}
	}
	s.Items = slices.Values(items)
	s.Copies = func(v inventory.Version) []inventory.Copy {
		return []inventory.Copy{{Edge: 1, State: meta.Complete}, {Edge: 2, State: meta.Complete}}[:left[v]]
	}
	scheduler.Tick(s)
	work := scheduler.Work(3, 100)
	if len(work) == 0 {
		t.Fatal("no work")
	}
	for n, w := range work {
		want := 2
		if n < 4 {
			want = 1
		}
		if got := left[inventory.Version{Unit: w.Unit, Root: w.Record.Root}]; got != want {
			t.Errorf("work %d is for a unit with %d replicas left, want %d", n, got, want)
		}
	}
	waiting := scheduler.Status()
	if waiting.Waiting == 0 || waiting.Underway == 0 {
		t.Errorf("status %+v", waiting)
	}
}

func TestRetriesWaitLongerEachTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4, 1, 1<<20)
	held := w.live(w.items[0])
	for id, e := range w.edges {
		e.fails = !slices.Contains(held, id)
	}
	w.kill(held[0])
	w.run(5 + 300)
	tried := 0
	for _, e := range w.edges {
		tried += e.tried
	}
	// 1, 2, 4, 8 and then every 15 s, a quarter more or less.
	if tried < 15 || tried > 40 {
		t.Errorf("tried %d times in 300 s", tried)
	}
}

// A surplus whose time is over is kept as long as repair is halted.
func TestNothingIsDroppedInAHalt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 9, 20, 1<<20)
	for _, item := range w.items {
		for _, id := range w.order[:5] {
			if _, has := w.edges[id].holdings[item.Version()]; !has {
				w.edges[id].set(item.Version(), meta.Complete)
			}
		}
	}
	w.kill(6, 7, 8, 9) // five of nine are heard
	w.run(20)
	w.edges[1].cut = true // four of nine
	before := map[string]int{}
	for _, item := range w.items {
		before[string(item.Record.Name)] = len(w.live(item))
	}
	w.run(300)
	if s := w.scheduler.Status(); !strings.Contains(s.Halted, "less than half") {
		t.Fatalf("halted because %q", s.Halted)
	}
	for _, item := range w.items {
		if got := len(w.live(item)); got < before[string(item.Record.Name)] {
			t.Errorf("%s went from %d to %d in a halt", item.Record.Name, before[string(item.Record.Name)], got)
		}
	}
}
