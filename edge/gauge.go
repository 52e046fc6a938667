package edge

import (
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/edge/serve"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// gauge makes the load of a beat out of counters, by keeping those of the last
// minute.
type gauge struct {
	node *node

	mu      sync.Mutex // guards following
	samples []sample
	latest  meta.Load
}

type sample struct {
	at                            time.Time
	hit, miss, requests, failures int64
}

const (
	sendingOver = 10 * time.Second
	rateOver    = time.Minute
)

func newGauge(n *node) *gauge { return &gauge{node: n} }

func (g *gauge) sample(now time.Time) sample {
	c := &g.node.viewers.Counters
	s := sample{at: now, hit: c.HitBytes.Load(), miss: c.MissBytes.Load()}
	c.Requests(func(label serve.ClassLabel, status int, n int64) {
		if label == serve.ClassNone && status < 500 {
			return
		}
		s.requests += n
		if status >= 500 {
			s.failures += n
		}
	})
	return s
}

// read is called by the agent, before each beat.
func (g *gauge) read() meta.Load {
	now := time.Now()
	latest := g.sample(now)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.samples = append(g.samples, latest)
	for len(g.samples) > 2 && now.Sub(g.samples[1].at) >= rateOver {
		g.samples = g.samples[1:]
	}
	short, long := g.since(now.Add(-sendingOver)), g.samples[0]
	load := meta.Load{
		Sessions: g.node.sessions.Active(now.Add(-rateOver)),
		Requests: g.node.viewers.UnderWay(),
		Capacity: g.node.app.Load().Edge.Capacity,
	}
	if passed := now.Sub(short.at).Seconds(); passed > 0 {
		load.Sending = int64(float64(8*(latest.hit+latest.miss-short.hit-short.miss)) / passed)
	}
	if n := latest.requests - long.requests; n > 0 {
		load.Failures = 1000 * (latest.failures - long.failures) / n
	}
	if n := latest.hit + latest.miss - long.hit - long.miss; n > 0 {
		load.HitRate = 1000 * (latest.hit - long.hit) / n
	}
	pinned, cached := g.node.disk.Usage()
	load.PinnedFree, load.CachedFree = g.node.room(pinned), g.node.room(cached)
	g.latest = load
	return load
}

// peek is what the last beat said.
func (g *gauge) peek() meta.Load {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.latest
}

// since is the oldest sample that is not older than a moment.
func (g *gauge) since(moment time.Time) sample {
	for _, s := range g.samples {
		if !s.at.Before(moment) {
			return s
		}
	}
	return g.samples[len(g.samples)-1]
}

// room is what a class has left: of its budget, or of the disk without one.
func (n *node) room(b sds.Budget) int64 {
	free, ok := diskFree(n.app.Load().DataDir)
	if !ok {
		free = 1 << 40
	}
	if b.Limit == 0 {
		return free
	}
	return max(0, min(b.Limit-b.Bytes, free))
}
