package health

import (
	"fmt"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

// Halt says whether repair must wait.
//
// It must when this node hears less than half of the edges that it should hear;
// when more than max(10, a tenth of them) fell silent within the window, until
// enough of these are back or GiveUp is over; and after either, until nothing
// has changed for Settle, so that edges coming back one by one after a cut are
// not repaired around meanwhile. The edges that should be heard are those heard
// before, but not ones that drained before they fell silent nor ones silent
// for longer than Expect.
type Halt struct {
	Active bool
	// Reason is a sentence for people; empty when repair is not halted.
	Reason string
	// Calm: no edge fell silent or came back during Settle. In a halt, units
	// with one replica left may be repaired when it is calm: what is heard is
	// then all that there is to be heard.
	Calm bool
}

type halting struct {
	active     bool
	reason     string
	clearSince time.Time // when the reason ended; zero while it holds
	mass       time.Time // start of the window in which too many fell silent; zero when none
	changed    time.Time // when an edge last fell silent or came back, or this process began
}

// Halt is the judgement of the last Tick.
func (t *Tracker) Halt() Halt {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := Halt{Active: t.halt.active, Calm: t.config.Now().Sub(t.halt.changed) >= t.config.Settle}
	if h.Active {
		h.Reason = t.halt.reason
	}
	return h
}

// watch looks at silence as a whole. The caller holds mu.
func (t *Tracker) watch(now time.Time) {
	expected, heard := 0, 0
	for _, e := range t.edges {
		t.listen(e, now)
		if !t.expected(e, now) {
			continue
		}
		expected++
		if !e.silent && !e.last.IsZero() {
			heard++
		}
	}
	t.darken(now, heard, expected)
	h := &t.halt
	reason := t.massSilence(now, expected)
	if 2*heard < expected {
		reason = fmt.Sprintf("this node hears from %d of %d edges, less than half", heard, expected)
	}
	switch {
	case reason != "":
		h.active, h.reason, h.clearSince = true, reason, time.Time{}
	case h.active && h.clearSince.IsZero():
		h.clearSince = now
		fallthrough
	case h.active:
		calm := h.clearSince
		if h.changed.After(calm) {
			calm = h.changed
		}
		if now.Sub(calm) >= t.config.Settle {
			h.active = false
		} else {
			h.reason = fmt.Sprintf("%d of %d edges are heard again, waiting until all is calm for %v", heard, expected, t.config.Settle)
		}
	}
}

// darken notes that of several edges none is heard any more. Those that were
// heard until shortly before the last one are then judged as before; one that
// was gone already stays so. After a start nothing is dark: nobody was heard
// yet.
func (t *Tracker) darken(now time.Time, heard, expected int) {
	t.dark = time.Time{}
	if heard > 0 || expected < 2 {
		return
	}
	var newest time.Time
	for _, e := range t.edges {
		if e.last.After(newest) {
			newest = e.last
		}
	}
	if !newest.IsZero() && now.Sub(newest) < t.config.GiveUp {
		t.dark = newest.Add(-2 * t.missed())
	}
}

// listen notes when an edge falls silent and when it comes back.
func (t *Tracker) listen(e *edge, now time.Time) {
	silent := e.known && now.Sub(t.heard(e)) > t.missed()
	if silent == e.silent {
		return
	}
	e.silent = silent
	if silent {
		e.silentSince = now
	}
	t.halt.changed = now
}

func (t *Tracker) expected(e *edge, now time.Time) bool {
	left := e.silent && (e.draining || e.ordered)
	return e.known && !left && now.Sub(t.heard(e)) < t.config.Expect
}

// massSilence tells that too many edges fell silent at about one time and are
// silent still.
func (t *Tracker) massSilence(now time.Time, expected int) (reason string) {
	h, limit := &t.halt, max(10, expected/10)
	from := now.Add(-t.config.Window)
	if !h.mass.IsZero() {
		from = h.mass
	}
	count := 0
	var last time.Time
	for _, e := range t.edges {
		if t.expected(e, now) && e.silent && !e.silentSince.Before(from) {
			count++
			if e.silentSince.After(last) {
				last = e.silentSince
			}
		}
	}
	if count <= limit {
		h.mass = time.Time{}
		return ""
	}
	if h.mass.IsZero() {
		h.mass = from
	}
	if now.Sub(last) >= t.config.GiveUp {
		// They are gone for good. Others that fall silent from now on count anew.
		h.mass = time.Time{}
		return ""
	}
	return fmt.Sprintf("%d of %d edges fell silent within %v, more than %d", count, expected, t.config.Window, limit)
}

// Heard counts the edges heard of those that should be, as of the last Tick.
func (t *Tracker) Heard() (heard, expected int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.config.Now()
	for _, e := range t.edges {
		if t.expected(e, now) {
			expected++
			if !e.silent && !e.last.IsZero() {
				heard++
			}
		}
	}
	return heard, expected
}

// Reachable tells states in which an edge's copies can be read.
func Reachable(s meta.EdgeState) bool {
	return s == meta.Live || s == meta.Suspect || s == meta.Draining
}
