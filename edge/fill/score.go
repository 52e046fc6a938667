package fill

import (
	"slices"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/meta"
)

// scores remember how each edge has answered lately.
type scores struct {
	mu    sync.Mutex // guards following
	edges map[meta.EdgeID]*score
}

type score struct {
	// latency is the moving mean of good answers.
	latency time.Duration
	// failures in a row, outruns too; until is when the edge is asked in its turn
	// again.
	failures int
	outrun   int
	until    time.Time
}

const (
	// Patience with a source before a second one is raced: three times its usual
	// answer, within these bounds; the middle one is for an edge never asked.
	shortestPatience = 50 * time.Millisecond
	firstPatience    = 300 * time.Millisecond
	longestPatience  = 2 * time.Second
	// longestPenalty for an edge that fails again and again.
	longestPenalty = 30 * time.Second
)

func (s *scores) of(id meta.EdgeID) *score {
	if s.edges == nil {
		s.edges = make(map[meta.EdgeID]*score)
	}
	e := s.edges[id]
	if e == nil {
		e = &score{}
		s.edges[id] = e
	}
	return e
}

func (s *scores) good(id meta.EdgeID, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.of(id)
	e.failures, e.outrun = 0, 0
	if e.latency == 0 {
		e.latency = took
		return
	}
	e.latency += (took - e.latency) / 8
}

// lacked: the edge answered, but did not have it. That is no failure.
func (s *scores) lacked(id meta.EdgeID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of(id).failures = 0
}

func (s *scores) bad(id meta.EdgeID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.of(id)
	e.failures++
	e.until = time.Now().Add(min(longestPenalty, time.Second<<min(e.failures, 5)))
}

// maxOutrun is how often in a row another source may be faster, before an edge
// is taken for one that fails.
const maxOutrun = 2

// outrun: a source that was asked later was faster.
func (s *scores) outrun(id meta.EdgeID) {
	s.mu.Lock()
	e := s.of(id)
	e.outrun++
	tooOften := e.outrun >= maxOutrun
	s.mu.Unlock()
	if tooOften {
		s.bad(id)
	}
}

// patience with a source. One that has to ask others itself takes twice as long.
func (s *scores) patience(e peers.Source) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	latency := s.of(e.ID).latency
	if latency == 0 {
		return firstPatience << e.Step
	}
	return min(longestPatience, max(shortestPatience<<e.Step, 3*latency))
}

// order moves edges that failed just now to the end.
func (s *scores) order(sources []peers.Source) []peers.Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	slices.SortStableFunc(sources, func(a, b peers.Source) int {
		return s.penalty(a.ID, now) - s.penalty(b.ID, now)
	})
	return sources
}

func (s *scores) penalty(id meta.EdgeID, now time.Time) int {
	if e := s.edges[id]; e != nil && e.failures > 0 && now.Before(e.until) {
		return 1
	}
	return 0
}
