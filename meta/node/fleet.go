package node

import (
	"slices"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/journal"
)

// fleet is what the node believes of its edges. It is guarded by the node's lock.
type fleet struct {
	interval, down time.Duration
	byID           map[meta.EdgeID]*member
}

type member struct {
	edge       meta.Edge
	drained    bool
	lastBeat   time.Time
	version    string
	revocation uint64
	work       []meta.Work
}

func newFleet(cfg Config) *fleet {
	f := &fleet{interval: 5 * time.Second, down: 10 * time.Minute, byID: make(map[meta.EdgeID]*member)}
	if cfg.Development {
		f.interval, f.down = time.Second, 5*time.Second
	}
	return f
}

func (f *fleet) admit(nodes []*journal.Admitted, now time.Time) {
	for _, node := range nodes {
		if node.Kind != meta.EdgeNode {
			continue
		}
		m, known := f.byID[node.ID]
		if !known {
			m = &member{lastBeat: now}
			f.byID[node.ID] = m
		}
		state, load := m.edge.State, m.edge.Load
		m.edge = node.Edge
		m.edge.ID, m.edge.Key = node.ID, node.Key
		m.edge.State, m.edge.Load = state, load
		m.drained = node.Drained
	}
}

func (f *fleet) known(id meta.EdgeID) bool {
	_, known := f.byID[id]
	return known
}

func (f *fleet) edges() []meta.Edge {
	out := make([]meta.Edge, 0, len(f.byID))
	for _, m := range f.byID {
		out = append(out, m.edge)
	}
	slices.SortFunc(out, func(a, b meta.Edge) int { return int(int64(a.ID) - int64(b.ID)) })
	return out
}

// pass judges every edge by the time since its last beat and tells whether
// anything changed.
func (f *fleet) pass(now time.Time) (changed bool) {
	for _, m := range f.byID {
		silent := now.Sub(m.lastBeat)
		state := m.edge.State
		switch {
		case state == meta.Joining:
		case silent > f.down:
			m.edge.State = meta.Down
		case silent > 2*f.interval+f.interval/2 && state != meta.Down:
			m.edge.State = meta.Suspect
		}
		changed = changed || m.edge.State != state
	}
	return changed
}

// beat notes a sign of life.
func (f *fleet) beat(m *member, b *meta.Beat, now time.Time) (changed bool) {
	before := m.edge.State
	m.lastBeat = now
	m.edge.State = meta.Live
	if b.Draining || m.drained {
		m.edge.State = meta.Draining
	}
	m.version, m.revocation = b.Version, b.Revocation
	m.edge.Load = b.Load
	m.work = slices.DeleteFunc(m.work, func(w meta.Work) bool {
		_, failed := b.Failed[w.Number]
		return failed || slices.Contains(b.Done, w.Number)
	})
	return m.edge.State != before
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
