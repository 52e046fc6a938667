// Package health judges edges by their beats, and notices when it is rather
// this node that is cut off.
//
// An edge's state follows from facts alone: when it was last heard, whether it
// is draining, what those who dialled it saw, what viewers reported.
//
//	Joining   never heard, or never dialled with success where that is asked
//	Live      heard
//	Suspect   two beats missed, or viewers or dialling nodes cannot reach it:
//	          not routed to
//	Draining  heard, and asked or asking to stop
//	Down      not heard for long: repaired around
//
// Judgements of single edges are worth nothing when many fall silent at once:
// then a cable is cut or this node is, and copying everything everywhere would
// be the real damage. Halt says when repair must wait; halt.go has its rules.
// And when not one of several edges is heard any more, it is surely this node
// that is cut off: those that fell silent together keep the state they had, so
// that viewers are still sent to them, until one is heard again or GiveUp is
// over.
package health

import (
	"slices"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

// Config of a Tracker. Defaults fills it.
type Config struct {
	// Interval between beats.
	Interval time.Duration
	// DownAfter is how long an edge is silent before it is down.
	DownAfter time.Duration
	// MustDial keeps edges joining until Dialled says that they were reached.
	MustDial bool
	// Reporters from different networks make an edge suspect, for ReportedFor
	// after the last of them.
	Reporters   int
	ReportedFor time.Duration
	// Window in which edges that fall silent count as one event.
	Window time.Duration
	// Settle is how long things must be calm before repair goes on after a
	// halt.
	Settle time.Duration
	// GiveUp ends a halt for many silent edges: by then they are gone.
	GiveUp time.Duration
	// Expect is how long a silent edge still counts among those that should be
	// heard.
	Expect time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Defaults are the values of a real network, or of one for development, where
// minutes are seconds.
func Defaults(development bool) Config {
	c := Config{
		Interval: 5 * time.Second, DownAfter: 10 * time.Minute, MustDial: true,
		Reporters: 3, ReportedFor: time.Minute,
		Window: 5 * time.Minute, Settle: time.Minute, GiveUp: time.Hour, Expect: 24 * time.Hour,
	}
	if development {
		c.Interval, c.DownAfter, c.MustDial = time.Second, 5*time.Second, false
		c.Reporters, c.ReportedFor = 1, 5*time.Second
		c.Settle = 10 * time.Second
	}
	return c
}

// maxReporters bounds the networks that are remembered of an edge.
const maxReporters = 32

// Tracker judges edges. It is safe for concurrent use. Call Tick every beat's
// interval or more often.
type Tracker struct {
	config Config

	mu    sync.Mutex // guards all below
	edges map[meta.EdgeID]*edge
	halt  halting
	// dark is the last time before which nothing was heard of edges that are
	// judged as if it was now; zero while any edge is heard.
	dark time.Time
}

type edge struct {
	since             time.Time // when it was added
	last              time.Time // zero: not heard by this process
	known             bool      // it was heard, by this process or one before
	draining, ordered bool      // by its own word, by the operator's
	admitted          bool      // it was reached once, or by a process before
	unreachable       bool      // those who dialled it last could not
	reporters         map[string]time.Time
	shown             meta.EdgeState // what Tick told last
	silent            bool           // what Tick saw last
	silentSince       time.Time
}

// New makes a tracker that knows no edges.
func New(config Config) *Tracker {
	if config.Now == nil {
		config.Now = time.Now
	}
	t := &Tracker{config: config, edges: make(map[meta.EdgeID]*edge)}
	t.halt.changed = config.Now()
	return t
}

// Add makes an edge known; adding it again changes nothing. One that was heard
// before this process began is expected to be heard again, and live until it
// misses beats, so that a restart does not empty the routers' lists.
func (t *Tracker) Add(id meta.EdgeID, heardBefore bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(id, heardBefore)
}

func (t *Tracker) add(id meta.EdgeID, heardBefore bool) *edge {
	e := t.edges[id]
	if e == nil {
		e = &edge{since: t.config.Now(), known: heardBefore, admitted: heardBefore, reporters: make(map[string]time.Time)}
		t.edges[id] = e
	}
	return e
}

// Remove forgets an edge.
func (t *Tracker) Remove(id meta.EdgeID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.edges, id)
}

// Beat says that an edge was heard, and whether it wants to stop.
func (t *Tracker) Beat(id meta.EdgeID, draining bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.add(id, true)
	e.last, e.known, e.draining = t.config.Now(), true, draining
	t.listen(e, e.last)
}

// Drain orders an edge to stop, or takes the order back.
func (t *Tracker) Drain(id meta.EdgeID, draining bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(id, false).ordered = draining
}

// Dialled says what those agreed on who dialled an edge from outside. Success
// also clears what viewers reported.
func (t *Tracker) Dialled(id meta.EdgeID, reached bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.add(id, false)
	e.unreachable = !reached
	if reached {
		e.admitted = true
		clear(e.reporters)
	}
}

// Report says that a viewer in some network (an address prefix) could not get
// something from an edge. Edges that are not known are not reported.
func (t *Tracker) Report(id meta.EdgeID, network string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.edges[id]
	if e == nil {
		return
	}
	now := t.config.Now()
	for reporter, at := range e.reporters {
		if now.Sub(at) >= t.config.ReportedFor {
			delete(e.reporters, reporter)
		}
	}
	if _, again := e.reporters[network]; again || len(e.reporters) < maxReporters {
		e.reporters[network] = now
	}
}

// State is the judgement of an edge now; Joining for one that is not known.
func (t *Tracker) State(id meta.EdgeID) meta.EdgeState {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.edges[id]; e != nil {
		return t.state(e, t.config.Now())
	}
	return meta.Joining
}

// States is the judgement of all edges now.
func (t *Tracker) States() map[meta.EdgeID]meta.EdgeState {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, out := t.config.Now(), make(map[meta.EdgeID]meta.EdgeState, len(t.edges))
	for id, e := range t.edges {
		out[id] = t.state(e, now)
	}
	return out
}

// LastBeat is when this process last heard an edge; zero if never.
func (t *Tracker) LastBeat(id meta.EdgeID) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.edges[id]; e != nil {
		return e.last
	}
	return time.Time{}
}

// Change is a new judgement of an edge.
type Change struct {
	Edge     meta.EdgeID
	From, To meta.EdgeState
}

// Tick brings the tracker to now and returns what changed since the last one,
// in the order of edges.
func (t *Tracker) Tick() []Change {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.config.Now()
	t.watch(now)
	var out []Change
	for id, e := range t.edges {
		if state := t.state(e, now); state != e.shown {
			out = append(out, Change{id, e.shown, state})
			e.shown = state
		}
	}
	slices.SortFunc(out, func(a, b Change) int { return int(int64(a.Edge) - int64(b.Edge)) })
	return out
}

func (t *Tracker) state(e *edge, now time.Time) meta.EdgeState {
	silence := now.Sub(t.heard(e))
	if !t.dark.IsZero() && !t.heard(e).Before(t.dark) {
		silence = 0
	}
	switch {
	case !e.known:
		return meta.Joining
	case silence >= t.config.DownAfter:
		return meta.Down
	case silence > t.missed():
		return meta.Suspect
	case e.draining || e.ordered:
		return meta.Draining
	case t.config.MustDial && !e.admitted:
		return meta.Joining
	case e.unreachable, t.reported(e, now):
		return meta.Suspect
	}
	return meta.Live
}

// heard is since when an edge's silence counts.
func (t *Tracker) heard(e *edge) time.Time {
	if e.last.IsZero() {
		return e.since
	}
	return e.last
}

// missed is how long an edge may be silent: two beats and half of one for the
// way.
func (t *Tracker) missed() time.Duration { return 5 * t.config.Interval / 2 }

func (t *Tracker) reported(e *edge, now time.Time) bool {
	var count int
	var newest time.Time
	for _, at := range e.reporters {
		count++
		if at.After(newest) {
			newest = at
		}
	}
	return count > 0 && count >= t.config.Reporters && now.Sub(newest) < t.config.ReportedFor
}
