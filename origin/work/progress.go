package work

import (
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/transcode"
)

const (
	// renewEarly is how often a lease is renewed at first: the speed of the first
	// seconds decides whether a video plays early.
	renewEarly = 500 * time.Millisecond
	// slopeAfter is the shortest time over which a speed is measured.
	slopeAfter = 700 * time.Millisecond
)

// progress of a task, set by the encoder and read by who renews. Its speed is
// that since the first sign of progress: what the encoder says counts the time
// that it needs to start, which misleads in the first seconds.
type progress struct {
	length float64 // of the task, in seconds of video

	mu    sync.Mutex // guards following
	last  Progress
	first float64 // done at the first sign
	since time.Time
}

func (p *progress) set(e transcode.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.last.Done = e.Done
	said := e.Speed
	switch elapsed := now.Sub(p.since); {
	case p.since.IsZero() && e.Done > 0:
		p.first, p.since = e.Done, now
	case p.since.IsZero() || elapsed < slopeAfter:
	default:
		said = (e.Done - p.first) * p.length / elapsed.Seconds()
	}
	if said > 0 {
		p.last.Speed = said
	}
}

func (p *progress) get() Progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}
