package node

import (
	"slices"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/health"
	"github.com/stratos-mesh/stratos/meta/journal"
	"github.com/stratos-mesh/stratos/meta/place"
)

// fleet is the admitted edges: what is registered of them, what they say of
// themselves, and their work. It is guarded by the node's lock; the tracker, who
// judges whether they live, locks itself.
type fleet struct {
	interval time.Duration
	tracker  *health.Tracker
	byID     map[meta.EdgeID]*member
}

type member struct {
	edge meta.Edge
	// admitted is the capacity that was registered.
	admitted   int64
	version    string
	revocation uint64
	work       []meta.Work
	// dialled is what others saw of it from outside.
	dialled dialled
}

func newFleet(cfg Config) *fleet {
	c := health.Defaults(cfg.Development)
	c.Now = cfg.Now
	return &fleet{interval: c.Interval, tracker: health.New(c), byID: make(map[meta.EdgeID]*member)}
}

// admit takes over what is registered. Edges of the newest view were heard
// before this process began.
func (f *fleet) admit(nodes []*journal.Admitted, view *place.View) {
	inView := make(map[meta.EdgeID]bool, len(view.Edges))
	for _, edge := range view.Edges {
		inView[edge.ID] = true
	}
	for _, node := range nodes {
		if node.Kind != meta.EdgeNode {
			continue
		}
		m, known := f.byID[node.ID]
		if !known {
			m = &member{}
			f.byID[node.ID] = m
			f.tracker.Add(node.ID, inView[node.ID])
		}
		f.tracker.Drain(node.ID, node.Drained)
		load := m.edge.Load
		m.edge = node.Edge
		m.admitted = node.Edge.Capacity
		m.edge.ID, m.edge.Key, m.edge.Load = node.ID, node.Key, load
		m.edge.State = f.tracker.State(node.ID)
		m.measure()
	}
}

// maxCapacity bounds what an edge says that it can send: a petabit.
const maxCapacity = 1e15

// measure settles an edge's capacity.
func (m *member) measure() {
	m.edge.Capacity = m.admitted
	if said := m.edge.Load.Capacity; said > 0 {
		m.edge.Capacity = min(said, maxCapacity)
	}
}

func (f *fleet) edges() []meta.Edge {
	out := make([]meta.Edge, 0, len(f.byID))
	for _, m := range f.byID {
		out = append(out, m.edge)
	}
	slices.SortFunc(out, func(a, b meta.Edge) int { return int(int64(a.ID) - int64(b.ID)) })
	return out
}

// pass asks for the judgement of every edge and tells whether any is new.
func (f *fleet) pass() (changed bool) {
	f.tracker.Tick()
	for id, state := range f.tracker.States() {
		if m, known := f.byID[id]; known && m.edge.State != state {
			m.edge.State = state
			changed = true
		}
	}
	return changed
}

// beat notes a sign of life and tells whether the edge is judged anew.
func (f *fleet) beat(m *member, b *meta.Beat) (changed bool) {
	f.tracker.Beat(m.edge.ID, b.Draining)
	m.version, m.revocation, m.edge.Load = b.Version, b.Revocation, b.Load
	m.measure()
	before := m.edge.State
	m.edge.State = f.tracker.State(m.edge.ID)
	return m.edge.State != before
}

// finish takes work that is done or has failed off an edge's queue.
func (m *member) finish(b *meta.Beat) (finished []meta.Work) {
	m.work = slices.DeleteFunc(m.work, func(w meta.Work) bool {
		_, over := b.Failed[w.Number]
		if over = over || slices.Contains(b.Done, w.Number); over {
			finished = append(finished, w)
		}
		return over
	})
	return finished
}

func (f *fleet) inState(states ...meta.EdgeState) map[meta.EdgeID]bool {
	out := make(map[meta.EdgeID]bool)
	for id, m := range f.byID {
		if slices.Contains(states, m.edge.State) {
			out[id] = true
		}
	}
	return out
}
