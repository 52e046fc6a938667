package repair

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/inventory"
)

// Scheduler keeps what is under way. It is safe for concurrent use; only one
// Tick runs at a time.
type Scheduler struct {
	config Config
	tick   sync.Mutex // one Tick at a time; taken before mu

	mu       sync.Mutex // guards all below; never held while planning
	tasks    map[uint64]*task
	byEdge   map[meta.EdgeID]map[uint64]*task
	tries    map[try]*retry
	surplus  map[inventory.Version]*surplus
	unsynced map[meta.EdgeID]time.Time
	last     *Plan
	edges    map[meta.EdgeID]Edge
	halted   string
	copies   func(inventory.Version) []inventory.Copy
	waiting  []meta.RepairStatus // the first maxListed of those that wait
	waits    int
}

// task is work that an edge was given.
type task struct {
	edge meta.EdgeID
	work meta.Work
	// source is the edge whose rate it is booked on; 0 with no rate.
	source       meta.EdgeID
	size         int64
	started      time.Time
	expected     time.Duration
	deadline     time.Time
	live, wanted int
	verifies     bool // for a surplus, beyond what a need asks
	// claimed is when the edge said done without holding the unit; the change
	// may come with its next beat.
	claimed time.Time
}

func (t *task) version() inventory.Version {
	return inventory.Version{Unit: t.work.Unit, Root: t.work.Record.Root}
}

// try is a version on an edge, retry how often it failed there.
type try struct {
	version inventory.Version
	edge    meta.EdgeID
}

type retry struct {
	failed int
	until  time.Time
	reason string
}

// New makes a scheduler with nothing under way. Config.Number must be set.
func New(config Config) *Scheduler {
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Scheduler{
		config: config, tasks: make(map[uint64]*task), byEdge: make(map[meta.EdgeID]map[uint64]*task),
		tries: make(map[try]*retry), surplus: make(map[inventory.Version]*surplus), unsynced: make(map[meta.EdgeID]time.Time),
		last: &Plan{}, edges: make(map[meta.EdgeID]Edge),
	}
}

// Tick plans anew and gives out what fits. The snapshot's fields for the
// scheduler are filled in here.
func (s *Scheduler) Tick(snapshot Snapshot) {
	s.tick.Lock()
	defer s.tick.Unlock()
	now := s.config.Now()
	s.prepare(&snapshot, now)
	plan := Make(&snapshot)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = plan
	for _, t := range s.tasks {
		v := t.version()
		calledOff := plan.Enough[v] && t.work.Kind == meta.Replicate
		gone := !t.verifies && !plan.Seen[v] && t.work.Kind != meta.Drop
		if calledOff || gone {
			s.forget(t)
		}
	}
	s.fill(plan.Needs, now)
	s.trim(plan, now)
}

// prepare brings the scheduler to a snapshot's edges and lends it to the plan.
func (s *Scheduler) prepare(snapshot *Snapshot, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.copies = snapshot.Copies
	clear(s.edges)
	snapshot.Waiting, snapshot.Now = "", now
	for _, e := range snapshot.Edges {
		s.edges[e.ID] = e
		if e.Synced || e.State != meta.Live {
			delete(s.unsynced, e.ID)
			continue
		}
		if _, seen := s.unsynced[e.ID]; !seen {
			s.unsynced[e.ID] = now
		}
		if now.Sub(s.unsynced[e.ID]) < s.config.SyncPatience {
			snapshot.Waiting = fmt.Sprintf("waiting for the inventory of edge %d", e.ID)
		}
	}
	s.halted = cmp.Or(snapshot.Halt.Reason, snapshot.Waiting)
	for id := range s.unsynced {
		if _, known := s.edges[id]; !known {
			delete(s.unsynced, id)
		}
	}
	for _, t := range s.tasks {
		state, known := s.edges[t.edge].State, s.edges[t.edge].ID == t.edge
		switch {
		case !known || state == meta.Down || (state == meta.Draining && t.work.Kind == meta.Replicate):
			s.forget(t)
		case !t.claimed.IsZero():
			s.finish(t, now)
		case !now.Before(t.deadline):
			s.fail(t, "no answer in time", now)
		}
	}
	for key, r := range s.tries {
		if now.Sub(r.until) > time.Hour {
			delete(s.tries, key)
		}
	}
	underway := make(map[inventory.Version][]meta.EdgeID)
	for _, t := range s.tasks {
		if t.work.Kind != meta.Drop && !t.verifies {
			underway[t.version()] = append(underway[t.version()], t.edge)
		}
	}
	avoid := make(map[try]bool)
	for key, r := range s.tries {
		if now.Before(r.until) {
			avoid[key] = true
		}
	}
	snapshot.Underway = func(v inventory.Version) []meta.EdgeID { return underway[v] }
	snapshot.Avoid = func(v inventory.Version, id meta.EdgeID) bool { return avoid[try{v, id}] }
}

// Work returns what an edge has to do, oldest first, at most limit. It is
// returned again until it is finished, for replies get lost; edges know the
// numbers that they have seen. A number that is no longer returned was called
// off.
func (s *Scheduler) Work(edge meta.EdgeID, limit int) []meta.Work {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]meta.Work, 0, min(len(s.byEdge[edge]), limit))
	for _, t := range s.byEdge[edge] {
		out = append(out, t.work)
	}
	slices.SortFunc(out, func(a, b meta.Work) int { return cmp.Compare(a.Number, b.Number) })
	return out[:min(len(out), limit)]
}

// Finished takes what an edge says of its work. The inventory should know the
// same beat's changes already: work that is said to be done without the holding
// to show for it is believed when that comes, and has failed when it does not
// come soon. Numbers of others' work are ignored.
func (s *Scheduler) Finished(edge meta.EdgeID, done []uint64, failed map[uint64]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	for _, number := range done {
		if t := s.byEdge[edge][number]; t != nil {
			s.finish(t, now)
		}
	}
	for number, reason := range failed {
		if t := s.byEdge[edge][number]; t != nil {
			s.fail(t, reason, now)
		}
	}
}

// finish believes a task that is done. The caller holds mu.
func (s *Scheduler) finish(t *task, now time.Time) {
	if t.work.Kind != meta.Drop && !s.complete(t.version(), t.edge) {
		if t.claimed.IsZero() {
			t.claimed = now
		}
		if now.Sub(t.claimed) >= claimPatience {
			s.fail(t, "said done, but does not hold the unit completely", now)
		}
		return
	}
	delete(s.tries, try{t.version(), t.edge})
	if x := s.surplus[t.version()]; x != nil && t.work.Kind != meta.Drop {
		x.verified[t.edge] = now
	}
	s.forget(t)
}

func (s *Scheduler) complete(v inventory.Version, edge meta.EdgeID) bool {
	return s.copies != nil && slices.ContainsFunc(s.copies(v), func(c inventory.Copy) bool {
		return c.Edge == edge && c.State == meta.Complete
	})
}

// fail ends a task and waits longer each time before the same is tried again.
// The caller holds mu.
func (s *Scheduler) fail(t *task, reason string, now time.Time) {
	key := try{t.version(), t.edge}
	r := s.tries[key]
	if r == nil {
		r = &retry{}
		s.tries[key] = r
	}
	wait := min(s.config.RetryFirst<<min(r.failed, 20), s.config.RetryMost)
	// A quarter more or less, by the unit, so that not all come back at once.
	wait += wait * time.Duration(int(key.version.Unit[7])-128) / 512
	r.failed, r.until, r.reason = r.failed+1, now.Add(wait), reason
	s.forget(t)
}

// forget takes a task off the books. The caller holds mu.
func (s *Scheduler) forget(t *task) {
	delete(s.tasks, t.work.Number)
	delete(s.byEdge[t.edge], t.work.Number)
	if len(s.byEdge[t.edge]) == 0 {
		delete(s.byEdge, t.edge)
	}
}

// give puts a task on the books. The caller holds mu.
func (s *Scheduler) give(t *task, now time.Time) {
	t.work.Number = s.config.Number()
	t.started = now
	t.deadline = now.Add(3*t.expected + s.config.Patience)
	s.tasks[t.work.Number] = t
	if s.byEdge[t.edge] == nil {
		s.byEdge[t.edge] = make(map[uint64]*task)
	}
	s.byEdge[t.edge][t.work.Number] = t
}
