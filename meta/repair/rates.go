package repair

import (
	"cmp"
	"slices"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

// books are the bytes per second that repairs take of each edge, by direction.
type books struct {
	s       *Scheduler
	in, out map[meta.EdgeID]int64
	queued  map[meta.EdgeID]int // copies wanted in this tick by target
	// ahead and behind are bytes that come before what waits next for an edge,
	// to it and from it.
	ahead, behind map[meta.EdgeID]int64
}

func (s *Scheduler) books() *books {
	b := &books{s: s, in: map[meta.EdgeID]int64{}, out: map[meta.EdgeID]int64{}, queued: map[meta.EdgeID]int{}, ahead: map[meta.EdgeID]int64{}, behind: map[meta.EdgeID]int64{}}
	for _, t := range s.tasks {
		if t.source != 0 {
			b.in[t.edge] += t.work.Rate
			b.out[t.source] += t.work.Rate
			b.ahead[t.edge] += t.size
			b.behind[t.source] += t.size
		}
	}
	return b
}

// quarter of an edge's rate, in bytes per second: what repairs may take in
// each direction.
func (b *books) quarter(id meta.EdgeID) int64 {
	return max(cmp.Or(b.s.edges[id].Capacity, b.s.config.DefaultCapacity)/8/4, 1)
}

// book finds a source and a rate for a repair, or none for now. Several waiting
// for one edge share its quarter, up to four at a time; less than an eighth of
// the quarter is not worth beginning.
func (b *books) book(target meta.EdgeID, sources []meta.EdgeID) (source meta.EdgeID, rate int64) {
	quarter := b.quarter(target)
	free := quarter - b.in[target]
	share := quarter / int64(min(max(b.queued[target], 1), 4))
	for _, id := range sources {
		if got := min(free, share, b.quarter(id)-b.out[id]); id != target && got > rate {
			source, rate = id, got
		}
	}
	if rate < max(quarter/8, 1) && rate < b.quarter(source)/8 || rate <= 0 {
		return 0, 0
	}
	return source, rate
}

// copying is one copy that a need wants.
type copying struct {
	Need
	target Target
	// has is how many copies there will be without it.
	has int
}

// fill gives out work for needs, most endangered first: a second copy of what
// has one replica is as urgent as the first of what has two. The caller holds
// mu.
func (s *Scheduler) fill(needs []Need, now time.Time) {
	b := s.books()
	s.waiting, s.waits = s.waiting[:0], 0
	var all []copying
	for _, n := range needs {
		for i, target := range n.Targets {
			all = append(all, copying{n, target, n.Available + i})
			b.queued[target.Edge]++
		}
	}
	slices.SortStableFunc(all, func(a, b copying) int { return cmp.Compare(a.has, b.has) })
	for _, c := range all {
		if !s.begin(b, c.Need, c.target, now) {
			s.wait(b, c.Need, c.target)
		}
	}
}

// begin gives out one work if the rates have room. The caller holds mu.
func (s *Scheduler) begin(b *books, n Need, target Target, now time.Time) bool {
	t := &task{edge: target.Edge, live: n.Live, wanted: n.Wanted}
	t.work = meta.Work{Kind: target.Kind, Unit: n.Item.Unit, Shard: n.Item.Shard, Record: n.Item.Record}
	if len(s.byEdge[target.Edge]) >= maxTasks {
		return false
	}
	// A check is not booked: it seldom moves anything.
	rate := b.quarter(target.Edge)
	t.work.Rate = rate
	if target.Kind == meta.Replicate {
		if t.source, rate = b.book(target.Edge, n.Sources); rate == 0 {
			return false
		}
		t.work.Rate = rate
		b.in[target.Edge] += rate
		b.out[t.source] += rate
	}
	t.work.Sources = s.best(n.Sources, t.source, target.Edge)
	t.size, t.expected = n.Item.Size(), takes(n.Item.Size(), rate)
	if t.source != 0 {
		b.ahead[t.edge] += t.size
		b.behind[t.source] += t.size
	}
	s.give(t, now)
	return true
}

// best puts the booked source first, then those of the target's region.
func (s *Scheduler) best(sources []meta.EdgeID, booked, target meta.EdgeID) []meta.EdgeID {
	region := s.edges[target].Region
	rank := func(id meta.EdgeID) int {
		switch {
		case id == booked:
			return 0
		case region != "" && s.edges[id].Region == region:
			return 1
		}
		return 2
	}
	out := slices.DeleteFunc(slices.Clone(sources), func(id meta.EdgeID) bool { return id == target })
	slices.SortStableFunc(out, func(a, b meta.EdgeID) int { return cmp.Compare(rank(a), rank(b)) })
	return out[:min(len(out), maxSources)]
}

// takes is how long bytes take at a rate, with a second for asking.
func takes(size, rate int64) time.Duration {
	const longest = 365 * 24 * 3600
	return time.Second + time.Duration(min(float64(size)/float64(rate), longest)*float64(time.Second))
}

// wait lists a repair that has no room yet, with the time until it is done if
// everything before it goes as expected. The caller holds mu.
func (s *Scheduler) wait(b *books, n Need, target Target) {
	s.waits++
	b.ahead[target.Edge] += n.Item.Size()
	expected := takes(b.ahead[target.Edge], b.quarter(target.Edge))
	if target.Kind == meta.Replicate && len(n.Sources) > 0 {
		source := slices.MinFunc(n.Sources, func(x, y meta.EdgeID) int { return cmp.Compare(b.behind[x], b.behind[y]) })
		b.behind[source] += n.Item.Size()
		expected = max(expected, takes(b.behind[source], b.quarter(source)))
	}
	if len(s.waiting) < maxListed {
		s.waiting = append(s.waiting, meta.RepairStatus{
			Unit: n.Item.Unit, Name: n.Item.Record.Name, Live: n.Live, Wanted: n.Wanted, Target: target.Edge,
			Expected: expected,
		})
	}
}
