package repair

import (
	"cmp"
	"slices"

	"github.com/stratos-mesh/stratos/meta"
)

// Status is for people and metrics.
type Status struct {
	// Halted says why nothing but the most endangered is copied; empty when
	// repair goes on.
	Halted string
	// Repairs under way, oldest first, then those that wait, in their order; up
	// to 1,000. Expected counts from Started, or from now while it is zero.
	Repairs []meta.RepairStatus
	// Degraded are units that lack replicas or preferences, up to 1,000.
	Degraded []meta.UnitStatus
	// Underway and Waiting count copies; Lost versions that no reachable edge
	// has.
	Underway, Waiting, Lost int
}

// Status tells what the last Tick saw and what is under way now.
func (s *Scheduler) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Status{Halted: s.halted, Degraded: slices.Clone(s.last.Short), Waiting: s.waits, Lost: s.last.Lost}
	for _, t := range s.tasks {
		if t.work.Kind != meta.Replicate {
			continue
		}
		out.Underway++
		out.Repairs = append(out.Repairs, meta.RepairStatus{
			Unit: t.work.Unit, Name: t.work.Record.Name, Live: t.live, Wanted: t.wanted,
			Target: t.edge, Started: t.started, Expected: t.expected,
		})
	}
	slices.SortFunc(out.Repairs, func(a, b meta.RepairStatus) int {
		return cmp.Or(a.Started.Compare(b.Started), slices.Compare(a.Unit[:], b.Unit[:]), cmp.Compare(a.Target, b.Target))
	})
	out.Repairs = append(out.Repairs, s.waiting...)
	out.Repairs = out.Repairs[:min(len(out.Repairs), maxListed)]
	return out
}

// Handover is how many units of a draining edge still lack a replica elsewhere,
// as of the last Tick. At 0 the edge may leave.
func (s *Scheduler) Handover(edge meta.EdgeID) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last.Handover[edge]
}
