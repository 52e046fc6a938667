// Package agent talks to the meta node: it tells that this edge is alive and
// what it holds, and does the work that comes back.
//
// The edge dials out, the meta node never in. Without a meta node everything
// but this package goes on: the network as it was last seen, the units and the
// revocations are kept over a restart.
package agent

import (
	"context"
	"crypto/rand"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stratos-mesh/stratos/edge/keep"
	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/edge/revoke"
	"github.com/stratos-mesh/stratos/edge/state"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/receipt"
)

// Meta is what an agent asks of a meta node.
type Meta interface {
	meta.Directory
	meta.Nodes
}

// Config of an Agent. All but Revoked and Now are required.
type Config struct {
	Meta        Meta
	Peers       *peers.Table
	State       *state.State
	Keeper      *keep.Keeper
	Revocations *revoke.List
	// Revoked is called when new revocations are in force; may be nil.
	Revoked func()
	// Load measures this edge.
	Load func() meta.Load
	// Accepted takes the ids of tickets accepted since the last call.
	Accepted func() []receipt.TicketID
	// Cached is the Bloom filter of cached units, nil when it has not changed.
	Cached func() []byte
	// Draining tells that no new sessions are taken.
	Draining func() bool
	// Dial looks at another edge from outside.
	Dial    func(ctx context.Context, target *meta.Edge) meta.DialReport
	Version string
	Logger  *slog.Logger
}

// Agent runs until its context ends.
type Agent struct {
	config Config
	boot   [8]byte
	sooner chan struct{}

	sequence atomic.Uint64

	// lastBeat is when the meta node last answered, in seconds; 0 is never.
	lastBeat atomic.Int64
	// digest asks for a comparison of everything with the next beat.
	digest atomic.Bool

	mu     sync.Mutex // guards following
	known  map[uint64]bool
	done   []uint64
	failed map[uint64]string
	// reports of dials, each of which is done with it.
	reports []meta.DialReport

	queue chan meta.Work
	// dials have a queue of their own: nobody's first viewer waits for a replica.
	dials chan meta.Work
}

const (
	// maxWork bounds the tasks that wait or run; more come again with later beats.
	maxWork = 1024
	// workers is how many tasks run at once.
	workers = 3
	// maxDials bounds the dials that wait, and diallers those that run.
	maxDials = meta.MaxDialReports
	diallers = 2
	// beatTimeout bounds one beat.
	beatTimeout = 10 * time.Second
	// firstInterval until a meta node says otherwise.
	firstInterval = time.Second
	// longestInterval between tries while no meta node answers.
	longestInterval = 30 * time.Second
	// digestEvery is how often everything is compared without being asked.
	digestEvery = 10 * time.Minute
	// networkWait is how long a question for the network may hang.
	networkWait = 30 * time.Second
)

// New makes an Agent that does nothing before Run.
func New(config Config) *Agent {
	a := &Agent{
		config: config, sooner: make(chan struct{}, 1), known: make(map[uint64]bool),
		failed: make(map[uint64]string), queue: make(chan meta.Work, maxWork),
		dials: make(chan meta.Work, maxDials),
	}
	rand.Read(a.boot[:]) // never fails
	return a
}

// Run beats, watches the network and works until ctx ends.
func (a *Agent) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { a.watch(ctx) })
	wg.Go(func() { a.beats(ctx) })
	for range workers {
		wg.Go(func() { a.works(ctx) })
	}
	for range diallers {
		wg.Go(func() { a.dial(ctx) })
	}
	wg.Wait()
}

// Soon asks for a beat now, because something changed that matters.
func (a *Agent) Soon() {
	select {
	case a.sooner <- struct{}{}:
	default:
	}
}

// LastBeat is when a meta node last answered, the zero time when none did.
func (a *Agent) LastBeat() time.Time {
	if s := a.lastBeat.Load(); s != 0 {
		return time.Unix(s, 0)
	}
	return time.Time{}
}

// watch follows the network by long polls.
func (a *Agent) watch(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		since := a.config.Peers.Now().Version
		asked, cancel := context.WithTimeout(ctx, networkWait+beatTimeout)
		n, err := a.config.Meta.Network(asked, since, networkWait)
		cancel()
		if err != nil {
			if failures == 0 && ctx.Err() == nil {
				a.config.Logger.Warn("no meta node tells the network; the last one known is used", "error", err)
			}
			failures++
			pause(ctx, backoff(failures))
			continue
		}
		failures = 0
		if n.Version == since {
			pause(ctx, 50*time.Millisecond) // a meta node that does not wait must not be flooded
			continue
		}
		if err := a.config.State.PutNetwork(n); err != nil {
			a.config.Logger.Error("the network could not be kept for a restart", "error", err)
		}
		a.config.Peers.Set(n)
		a.Soon()
	}
}

// backoff doubles from a second and is spread, so that a thousand edges do not
// come back in the same moment.
func backoff(failures int) time.Duration {
	d := min(longestInterval, firstInterval<<min(failures-1, 5))
	return d/2 + mathrand.N(d)
}

// pause waits, and says whether ctx is still on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
