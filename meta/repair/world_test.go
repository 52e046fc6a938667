package repair_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/health"
	"github.com/stratos-mesh/stratos/meta/inventory"
	"github.com/stratos-mesh/stratos/meta/place"
	"github.com/stratos-mesh/stratos/meta/repair"
	"github.com/stratos-mesh/stratos/sds"
)

// world is a meta node's inventory, health and repair with simulated edges
// around them, on one clock, a second at a time.
type world struct {
	*testing.T
	now       time.Time
	inventory *inventory.Inventory
	health    *health.Tracker
	scheduler *repair.Scheduler
	heat      func(meta.UnitKey) int
	edges     map[meta.EdgeID]*simEdge
	order     []meta.EdgeID
	items     []*repair.Item
	copied    int   // transfers that edges began
	bytes     int64 // that they moved
	fastest   map[meta.EdgeID]int64
	out       map[meta.EdgeID]int64
	leastLive int // of any item since it was reset, by what edges really have
	number    uint64
}

// simEdge does its work at the rate it is told, and beats unless it is dead or
// cut off.
type simEdge struct {
	id        meta.EdgeID
	capacity  int64
	dead, cut bool
	draining  bool
	boot      byte
	fails     bool
	unsound   bool // fails checks alone
	keeps     bool // fails drops alone
	tried     int  // works that it failed
	lies      bool // says done without doing
	late      bool // says what changed a beat after what is done
	holdings  map[inventory.Version]meta.Holding
	digest    inventory.Digest
	changes   []meta.Holding
	before    []meta.Holding
	running   map[uint64]*transfer
	seen      map[uint64]bool
	done      []uint64
	failed    map[uint64]string
	checks    int
}

type transfer struct {
	work meta.Work
	left int64
}

func (e *simEdge) set(v inventory.Version, state meta.HoldingState) {
	if old, ok := e.holdings[v]; ok {
		e.digest.Remove(old)
		delete(e.holdings, v)
	}
	h := meta.Holding{Unit: v.Unit, Root: v.Root, State: state}
	if state != meta.Gone {
		e.holdings[v] = h
		e.digest.Add(h)
	}
	e.changes = append(e.changes, h)
}

const capacity = 1_000_000_000 // bits per second, so a quarter is 31.25 MB/s

func newWorld(t *testing.T, edges, units int, size int64) *world {
	w := &world{
		T: t, now: time.Unix(1_800_000_000, 0), inventory: inventory.New(inventory.Config{}),
		edges: map[meta.EdgeID]*simEdge{}, fastest: map[meta.EdgeID]int64{}, out: map[meta.EdgeID]int64{},
	}
	clock := func() time.Time { return w.now }
	config := health.Defaults(true)
	config.Now = clock
	w.health = health.New(config)
	repairs := repair.Defaults(true)
	repairs.Now = clock
	repairs.Number = func() uint64 { w.number++; return w.number }
	w.scheduler = repair.New(repairs)
	for n := range edges {
		id := meta.EdgeID(n + 1)
		w.edges[id] = &simEdge{
			id: id, capacity: capacity, holdings: map[inventory.Version]meta.Holding{},
			running: map[uint64]*transfer{}, seen: map[uint64]bool{}, failed: map[uint64]string{},
		}
		w.order = append(w.order, id)
	}
	for n := range units {
		w.publish(n, 3, size)
	}
	w.run(2)
	return w
}

// publish puts a unit onto the edges of its placement, as origin does.
func (w *world) publish(n, replicas int, size int64) *repair.Item {
	unit := meta.UnitKey(sha256.Sum256(fmt.Append(nil, "unit ", n)))
	record := meta.Record{
		Name: meta.Name(fmt.Sprint("test/", n)), Kind: meta.Bundle, Root: sds.Sum(sds.DagPB, unit[:]),
		Size: size, Units: []meta.UnitKey{unit}, Replicas: replicas, Modified: w.now,
	}
	placed := place.Place(unit, w.view(), replicas).Edges
	item := repair.Items(record, placed)[0]
	for _, id := range placed {
		w.edges[id].set(item.Version(), meta.Complete)
	}
	w.items = append(w.items, item)
	return item
}

func (w *world) view() *place.View {
	v := &place.View{Epoch: 1}
	for _, id := range w.order {
		v.Edges = append(v.Edges, place.ViewEdge{ID: id, Weight: 4, Region: fmt.Sprint(id % 3), Operator: fmt.Sprint(id % 4), ASN: uint32(id)})
	}
	return v
}

func (w *world) run(seconds int) {
	w.Helper()
	for range seconds {
		w.now = w.now.Add(time.Second)
		for _, id := range w.order {
			w.edges[id].work(w)
			w.beat(w.edges[id])
		}
		w.health.Tick()
		w.plan()
		w.watch()
	}
}

func (w *world) plan() {
	snapshot := repair.Snapshot{
		View: w.view(), Items: slices.Values(w.items), Halt: w.health.Halt(), Heat: w.heat,
		Copies: func(v inventory.Version) []inventory.Copy { return w.inventory.Copies(v.Unit, v.Root) },
	}
	for _, id := range w.order {
		snapshot.Edges = append(snapshot.Edges, repair.Edge{
			ID: id, State: w.health.State(id), Capacity: w.edges[id].capacity, Synced: w.inventory.Synced(id),
		})
	}
	w.scheduler.Tick(snapshot)
}

func (w *world) beat(e *simEdge) {
	w.Helper()
	if e.dead || e.cut {
		return
	}
	ctx := context.Background()
	changes := e.changes
	e.changes = nil
	if e.late {
		changes, e.before = e.before, changes
	}
	if err := w.inventory.Apply(ctx, e.id, changes); err != nil {
		w.Fatal(err)
	}
	if w.inventory.WantDigest(e.id, [8]byte{e.boot}, w.now) {
		if buckets := w.inventory.Diff(e.id, e.digest, w.now); len(buckets) > 0 {
			var report []meta.Holding
			for _, h := range e.holdings {
				if slices.Contains(buckets, inventory.Bucket(h.Unit)) {
					report = append(report, h)
				}
			}
			if err := w.inventory.Report(ctx, e.id, buckets, report); err != nil {
				w.Fatal(err)
			}
		}
	}
	w.health.Beat(e.id, e.draining)
	w.scheduler.Finished(e.id, e.done, e.failed)
	e.done, e.failed = nil, map[uint64]string{}
	current := map[uint64]bool{}
	for _, work := range w.scheduler.Work(e.id, 64) {
		current[work.Number] = true
		if !e.seen[work.Number] {
			e.seen[work.Number] = true
			e.begin(w, work)
		}
	}
	for number := range e.running {
		if !current[number] { // called off
			delete(e.running, number)
		}
	}
}

func (e *simEdge) begin(w *world, work meta.Work) {
	version := inventory.Version{Unit: work.Unit, Root: work.Record.Root}
	switch {
	case e.fails, e.unsound && work.Kind == meta.Check, e.keeps && work.Kind == meta.Drop:
		e.tried++
		e.failed[work.Number] = "disk full"
	case e.lies:
		e.done = append(e.done, work.Number)
	case work.Kind == meta.Drop:
		e.set(version, meta.Gone)
		e.done = append(e.done, work.Number)
	case work.Kind == meta.Check:
		e.checks++
		if _, ok := e.holdings[version]; ok {
			e.set(version, meta.Complete)
			e.done = append(e.done, work.Number)
		} else {
			e.failed[work.Number] = "not here"
		}
	case work.Kind == meta.Replicate:
		w.copied++
		e.running[work.Number] = &transfer{work, work.Record.Size}
		e.set(version, meta.Partial)
	}
}

// work moves a second's bytes.
func (e *simEdge) work(w *world) {
	if e.dead {
		return
	}
	var in int64
	for number, t := range e.running {
		source := slices.IndexFunc(t.work.Sources, func(id meta.EdgeID) bool {
			h, has := w.edges[id].holdings[inventory.Version{Unit: t.work.Unit, Root: t.work.Record.Root}]
			return !w.edges[id].dead && has && h.State == meta.Complete
		})
		if source < 0 {
			e.failed[number] = "no source answers"
			delete(e.running, number)
			continue
		}
		moved := min(t.left, t.work.Rate)
		t.left -= moved
		in += moved
		w.bytes += moved
		w.out[t.work.Sources[source]] += moved
		if t.left <= 0 {
			delete(e.running, number)
			e.set(inventory.Version{Unit: t.work.Unit, Root: t.work.Record.Root}, meta.Complete)
			e.done = append(e.done, number)
		}
	}
	w.fastest[e.id] = max(w.fastest[e.id], in)
}

func (w *world) watch() {
	for id, moved := range w.out {
		if moved > w.edges[id].capacity/8/4 {
			w.Errorf("edge %d sent %d bytes in a second for repairs, more than a quarter", id, moved)
		}
	}
	clear(w.out)
	for id, in := range w.fastest {
		if in > w.edges[id].capacity/8/4 {
			w.Errorf("edge %d took %d bytes in a second for repairs, more than a quarter", id, in)
		}
	}
	for _, item := range w.items {
		w.leastLive = min(w.leastLive, len(w.live(item)))
	}
}

// live are the edges that run and really have all of an item.
func (w *world) live(item *repair.Item) (out []meta.EdgeID) {
	for _, id := range w.order {
		e := w.edges[id]
		if h, ok := e.holdings[item.Version()]; ok && h.State == meta.Complete && !e.dead {
			out = append(out, id)
		}
	}
	return out
}

func (w *world) wantReplicas(want int) {
	w.Helper()
	for _, item := range w.items {
		if got := w.live(item); len(got) != want {
			w.Fatalf("%s is live on %v, want %d; status %+v", item.Record.Name, got, want, w.scheduler.Status())
		}
	}
}

func (w *world) kill(ids ...meta.EdgeID) {
	for _, id := range ids {
		w.edges[id].dead = true
	}
}

// restart brings a killed edge back with what it had on disk.
func (w *world) restart(ids ...meta.EdgeID) {
	for _, id := range ids {
		e := w.edges[id]
		e.dead, e.boot = false, e.boot+1
		e.running, e.seen, e.done, e.failed = map[uint64]*transfer{}, map[uint64]bool{}, nil, map[uint64]string{}
	}
}

func each(items ...*repair.Item) iter.Seq[*repair.Item] { return slices.Values(items) }
