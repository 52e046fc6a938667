package node_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/inventory"
	"github.com/stratos-mesh/stratos/meta/node"
	"github.com/stratos-mesh/stratos/sds"
)

// world is a development network in a bubble of time: one meta node, and edges
// that do at once what they are asked. Nothing passes between beats.
type world struct {
	*testing.T
	cfg   node.Config
	node  *node.Node
	edges []*fakeEdge
}

// fakeEdge holds versions and nothing else.
type fakeEdge struct {
	id         meta.EdgeID
	boot       byte
	cut        bool // its beats do not arrive
	holds      map[inventory.Version]meta.HoldingState
	changes    []meta.Holding
	done       map[uint64]bool // not yet told
	seen       map[uint64]bool
	work       []meta.Work // all that was ever asked
	revocation uint64
	revoked    []meta.Revocation
	// dials is what it says of edges that it dials; nil tells of success.
	dials   func(target meta.EdgeID) *meta.DialReport
	reports []meta.DialReport
}

// simulate runs a test in a bubble, with edges that live.
func simulate(t *testing.T, edges int, change func(*node.Config), test func(*world)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, cfg: config(dir)}
		if change != nil {
			change(&w.cfg)
		}
		w.start()
		defer func() {
			if w.node != nil {
				w.stop()
			}
		}()
		for i := 1; i <= edges; i++ {
			w.join(i)
		}
		w.pass(3 * time.Second)
		test(w)
	})
}

func (w *world) start() {
	w.Helper()
	n, err := node.Open(w.cfg)
	if err != nil {
		w.Fatal(err)
	}
	w.node = n
}

func (w *world) stop() {
	w.Helper()
	if err := w.node.Close(); err != nil {
		w.Error(err)
	}
	w.node = nil
}

func (w *world) join(i int) *fakeEdge {
	w.Helper()
	id, err := w.node.Admit(w.Context(), meta.Admission{
		Kind: meta.EdgeNode, Key: edgeKey(i),
		Edge: meta.Edge{URL: fmt.Sprintf("http://127.0.0.%d:8080", i+1), Region: fmt.Sprintf("region-%d", i), Weight: 4},
	})
	if err != nil {
		w.Fatal(err)
	}
	e := &fakeEdge{id: id, boot: byte(i), holds: map[inventory.Version]meta.HoldingState{}, done: map[uint64]bool{}, seen: map[uint64]bool{}}
	w.edges = append(w.edges, e)
	return e
}

// pass lets time go by, a beat of every edge each interval.
func (w *world) pass(d time.Duration) {
	w.Helper()
	interval := time.Second
	if !w.cfg.Development {
		interval = 5 * time.Second
	}
	for until := time.Now().Add(d); time.Now().Before(until); {
		for _, e := range w.edges {
			if !e.cut {
				w.beat(e)
			}
		}
		time.Sleep(interval)
		synctest.Wait()
	}
}

func (w *world) beat(e *fakeEdge) {
	w.Helper()
	b := meta.Beat{Boot: [8]byte{e.boot}, Changes: e.changes, Revocation: e.revocation, Failed: map[uint64]string{}, Version: "test"}
	for number := range e.done {
		b.Done = append(b.Done, number)
	}
	b.Dials = e.reports
	e.reports = nil
	e.changes, e.done = nil, map[uint64]bool{}
	reply, err := w.node.Beat(w.Context(), e.id, b)
	if err != nil {
		w.Fatalf("beat of edge %d: %v", e.id, err)
	}
	for _, v := range reply.Revocations {
		if v.Number != e.revocation+1 {
			w.Errorf("edge %d got revocation %d after %d", e.id, v.Number, e.revocation)
		}
		e.revocation, e.revoked = v.Number, append(e.revoked, v)
	}
	for _, task := range reply.Work {
		if !e.seen[task.Number] {
			e.seen[task.Number] = true
			e.do(task)
		}
	}
	if reply.WantDigest {
		w.digest(e)
	}
}

func (e *fakeEdge) do(task meta.Work) {
	e.work = append(e.work, task)
	e.done[task.Number] = true
	v := inventory.Version{Unit: task.Unit, Root: task.Record.Root}
	switch task.Kind {
	case meta.Check, meta.Replicate:
		e.set(v, meta.Complete)
	case meta.Drop:
		e.set(v, meta.Gone)
	case meta.Dial:
		r := reachedBy(task.Target)
		if e.dials != nil {
			r = e.dials(task.Target)
		}
		if r != nil {
			r.Number, r.Target = task.Number, task.Target
			e.reports = append(e.reports, *r)
		}
	}
}

func (e *fakeEdge) set(v inventory.Version, state meta.HoldingState) {
	if e.holds[v] == state {
		return
	}
	e.holds[v] = state
	if state == meta.Gone {
		delete(e.holds, v)
	}
	e.changes = append(e.changes, meta.Holding{Unit: v.Unit, Root: v.Root, State: state})
}

func (w *world) digest(e *fakeEdge) {
	w.Helper()
	var d inventory.Digest
	for v, state := range e.holds {
		d.Add(meta.Holding{Unit: v.Unit, Root: v.Root, State: state})
	}
	buckets, err := w.node.Digest(w.Context(), e.id, d)
	if err != nil {
		w.Fatal(err)
	}
	if len(buckets) == 0 {
		return
	}
	var report []meta.Holding
	for v, state := range e.holds {
		if slices.Contains(buckets, inventory.Bucket(v.Unit)) {
			report = append(report, meta.Holding{Unit: v.Unit, Root: v.Root, State: state})
		}
	}
	if err := w.node.Report(w.Context(), e.id, buckets, report); err != nil {
		w.Fatal(err)
	}
}

// publish uploads to the edges that are granted, and moves a name.
func (w *world) publish(name meta.Name, root string) meta.Record {
	w.Helper()
	time.Sleep(time.Millisecond) // orders of one owner have different times
	g, err := w.node.Begin(w.Context(), meta.Upload{Name: name, Kind: meta.Bundle, MaxBytes: 1 << 20})
	if err != nil {
		w.Fatal(err)
	}
	rec, err := w.node.Publish(w.Context(), publication(name, cid(root), g.Edges...))
	if err != nil {
		w.Fatal(err)
	}
	return rec
}

func removal(name meta.Name, now bool) meta.Removal {
	m := meta.Removal{Name: name, Now: now, Time: time.Now()}
	m.Sign(key("owner"), chainID)
	return m
}

func (w *world) remove(name meta.Name, now bool) {
	w.Helper()
	time.Sleep(time.Millisecond)
	if err := w.node.Remove(w.Context(), removal(name, now)); err != nil {
		w.Fatal(err)
	}
}

// holders of a root, as they are and not as the node believes.
func (w *world) holders(root sds.CID) (out []meta.EdgeID) {
	for _, e := range w.edges {
		for v := range e.holds {
			if v.Root == root {
				out = append(out, e.id)
			}
		}
	}
	return out
}

func (w *world) resolves(path string, want error) meta.Resolution {
	w.Helper()
	res, err := w.node.Resolve(w.Context(), path)
	if !errors.Is(err, want) {
		w.Errorf("resolve %s: %v, want %v", path, err, want)
	}
	return res
}

func (w *world) edge(id meta.EdgeID) *fakeEdge { return w.edges[id-1] }

// asked counts tasks of a kind over all edges.
func (w *world) asked(kind meta.WorkKind) (n int) {
	for _, e := range w.edges {
		for _, task := range e.work {
			if task.Kind == kind {
				n++
			}
		}
	}
	return n
}

func (w *world) states() map[meta.EdgeID]meta.EdgeState {
	w.Helper()
	network, err := w.node.Network(w.Context(), 0, 0)
	if err != nil {
		w.Fatal(err)
	}
	out := map[meta.EdgeID]meta.EdgeState{}
	for _, e := range network.Edges {
		out[e.ID] = e.State
	}
	return out
}

func sorted(ids []meta.EdgeID) []meta.EdgeID { return slices.Sorted(slices.Values(ids)) }
