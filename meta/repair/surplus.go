package repair

import (
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/inventory"
)

// surplus is a version with replicas too many: since when, and which of those
// that will stay have verified their copy.
type surplus struct {
	since    time.Time
	verified map[meta.EdgeID]time.Time
}

// trim works on surplus. Once it has lasted, the edges that keep the version
// verify it; once all of them have, one edge drops it. The next tick sees
// whether that was enough. While the plan is frozen, clocks run and nothing
// else does. The caller holds mu.
func (s *Scheduler) trim(plan *Plan, now time.Time) {
	still := make(map[inventory.Version]bool, len(plan.Extras))
	for _, extra := range plan.Extras {
		v := extra.Item.Version()
		still[v] = true
		x := s.surplus[v]
		if x == nil {
			x = &surplus{since: now, verified: make(map[meta.EdgeID]time.Time)}
			s.surplus[v] = x
		}
		if plan.Frozen || now.Sub(x.since) < s.config.SurplusAfter {
			continue
		}
		if s.verify(extra, x, now) {
			s.drop(extra, now)
		}
	}
	// What is no surplus any more begins anew should it become one again.
	for v := range s.surplus {
		if !still[v] {
			delete(s.surplus, v)
		}
	}
	for _, t := range s.tasks {
		if (t.verifies || t.work.Kind == meta.Drop) && (plan.Frozen || !still[t.version()]) {
			s.forget(t)
		}
	}
}

// verify tells whether all that stay have verified, and asks those that have
// not.
func (s *Scheduler) verify(extra Extra, x *surplus, now time.Time) (all bool) {
	all = true
	for _, id := range extra.Keep {
		// A verification is good for as long as a surplus must last.
		if at, ok := x.verified[id]; ok && now.Sub(at) <= max(s.config.SurplusAfter, time.Hour) {
			continue
		}
		all = false
		s.ask(extra, id, meta.Check, now)
	}
	return all
}

func (s *Scheduler) drop(extra Extra, now time.Time) {
	for _, id := range extra.Drop {
		if s.asked(extra.Item.Version(), id, meta.Drop) {
			return // one at a time
		}
	}
	s.ask(extra, extra.Drop[0], meta.Drop, now)
}

func (s *Scheduler) asked(v inventory.Version, edge meta.EdgeID, kind meta.WorkKind) bool {
	for _, t := range s.byEdge[edge] {
		if t.work.Kind == kind && t.version() == v {
			return true
		}
	}
	return false
}

// ask gives out a check or a drop, unless it is given already, failed lately,
// or the edge has enough to do.
func (s *Scheduler) ask(extra Extra, edge meta.EdgeID, kind meta.WorkKind, now time.Time) {
	v := extra.Item.Version()
	if r := s.tries[try{v, edge}]; r != nil && now.Before(r.until) {
		return
	}
	busy := 0
	for _, t := range s.byEdge[edge] {
		if t.work.Kind != meta.Replicate {
			busy++
		}
	}
	if busy >= maxChecks || s.asked(v, edge, kind) {
		return
	}
	t := &task{edge: edge, verifies: kind == meta.Check, wanted: len(extra.Keep), live: len(extra.Keep) + len(extra.Drop)}
	t.work = meta.Work{Kind: kind, Unit: extra.Item.Unit, Shard: extra.Item.Shard, Record: extra.Item.Record}
	if kind == meta.Check {
		t.work.Sources = s.best(append(append([]meta.EdgeID{}, extra.Keep...), extra.Drop...), 0, edge)
		t.work.Rate = s.books().quarter(edge)
		t.expected = takes(extra.Item.Size(), t.work.Rate)
	}
	s.give(t, now)
}
