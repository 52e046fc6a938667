// Package fill gets blocks: from this edge's memory and disk, or on a miss from
// another edge.
//
// One fetch serves everybody who waits for the same block. Sources are asked in
// order; when one is slower than it usually is, the next is raced against it,
// and the first verified answer wins. A block reaches its waiters as soon as
// its hash is checked; the disk gets its copy behind their backs.
package fill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/cached"
)

// Config of a Filler.
type Config struct {
	// Store keeps blocks on this edge's disk; Memory bounds the blocks that are
	// kept in front of it, in bytes, 0 is 64 MiB.
	Store  sds.Store
	Memory int64
	Peers  *peers.Table
	// HTTP reaches other edges; Sign signs a request with the node's key.
	HTTP *http.Client
	Sign func(*http.Request) error
	// Revoked says why a CID must not be fetched, nil when it may.
	Revoked func(cid sds.CID) error
	// Filled is told of every unit of which something was cached; may be nil.
	Filled func(unit meta.UnitKey)
	// Flights bounds the fetches under way; 0 is 64.
	Flights int
}

// Origin says where a block came from.
type Origin uint8

const (
	// Hit: it was here.
	Hit Origin = iota
	// Miss: it was fetched for this request.
	Miss
	// Collapsed: it was being fetched for another request.
	Collapsed
)

// ErrUnavailable: no source gave the block.
var ErrUnavailable = errors.New("no source has it")

// Filler gets blocks. Close it to end the fetches under way.
type Filler struct {
	config Config
	cache  *cached.Store
	room   chan struct{}
	scores scores
	races  races
	behind *behind

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex // guards following
	flights map[sds.CID]int

	Counters Counters
}

// Counters of a Filler, to be read at any time.
type Counters struct {
	// Fills and FillBytes that were fetched from other edges and verified.
	Fills, FillBytes atomic.Int64
	// Collapsed requests that shared another's fetch.
	Collapsed atomic.Int64
	// Raced fetches that asked a second source before the first had answered.
	Raced atomic.Int64
	// Corrupt answers of other edges.
	Corrupt atomic.Int64
	// Failed fetches that no source answered.
	Failed atomic.Int64
	// Unstored blocks that were served but not kept: queue or class full.
	Unstored atomic.Int64
}

// flightTimeout bounds a fetch over all its sources.
const flightTimeout = 30 * time.Second

// New makes a Filler.
func New(config Config) (*Filler, error) {
	if config.Flights == 0 {
		config.Flights = 64
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &Filler{
		config: config, room: make(chan struct{}, config.Flights),
		ctx: ctx, cancel: cancel, flights: make(map[sds.CID]int),
		races: races{left: maxRaces},
	}
	var err error
	f.cache, err = cached.New(cached.Config{Store: config.Store, Bytes: config.Memory, Fetch: f.fly})
	if err != nil {
		cancel()
		return nil, err
	}
	f.behind = newBehind(f)
	return f, nil
}

// Close ends the fetches under way and waits until what waits for the disk is
// written.
func (f *Filler) Close() error {
	f.cancel()
	f.wg.Wait()
	f.behind.close()
	return nil
}

// Memory is the store in front of the disk, for its counters.
func (f *Filler) Memory() *cached.Store { return f.cache }

// Peek returns a block if it is in memory.
func (f *Filler) Peek(cid sds.CID) ([]byte, bool) { return f.cache.Peek(cid) }

// trace goes with a request through the cache and comes back with what
// happened to it.
type trace struct {
	want    peers.Want
	fetched atomic.Bool
}

type traceKey struct{}

// Get returns a block from here or, by want, from another edge. The bytes are
// shared: nobody may change them.
func (f *Filler) Get(ctx context.Context, cid sds.CID, want peers.Want) ([]byte, Origin, error) {
	if block, ok := f.cache.Peek(cid); ok {
		return block, Hit, nil
	}
	origin := Hit
	if f.flying(cid) {
		origin = Collapsed
		f.Counters.Collapsed.Add(1)
	}
	t := &trace{want: want}
	block, err := f.cache.Get(context.WithValue(ctx, traceKey{}, t), cid)
	if t.fetched.Load() {
		origin = Miss
	}
	return block, origin, err
}

func (f *Filler) flying(cid sds.CID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.flights[cid] > 0
}

// fly is what the cache calls for a block that the disk lacks or has lost, once
// for all who wait. The context ends when nobody waits any more.
func (f *Filler) fly(ctx context.Context, cid sds.CID) ([]byte, error) {
	t, ok := ctx.Value(traceKey{}).(*trace)
	if !ok {
		return nil, sds.ErrNotFound // who asked without a want does not want a fetch
	}
	t.fetched.Store(true)
	f.mu.Lock()
	if f.ctx.Err() != nil {
		f.mu.Unlock()
		return nil, f.ctx.Err()
	}
	f.wg.Add(1)
	f.flights[cid]++
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		if f.flights[cid]--; f.flights[cid] == 0 {
			delete(f.flights, cid)
		}
		f.mu.Unlock()
		f.wg.Done()
	}()
	block, err := f.Fetch(ctx, cid, t.want)
	if err != nil {
		return nil, err
	}
	f.keep(ctx, cid, block, t.want)
	return block, nil
}

// Fetch gets a block from another edge, whatever is here, and keeps no copy.
func (f *Filler) Fetch(ctx context.Context, cid sds.CID, want peers.Want) ([]byte, error) {
	if err := f.config.Revoked(cid); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, flightTimeout)
	defer cancel()
	defer context.AfterFunc(f.ctx, cancel)()
	select {
	case f.room <- struct{}{}:
		defer func() { <-f.room }()
	case <-ctx.Done():
		return nil, fmt.Errorf("fetch %s: %w", cid, ctx.Err())
	}
	block, err := f.race(ctx, cid, want)
	if err != nil {
		f.Counters.Failed.Add(1)
		return nil, err
	}
	f.Counters.Fills.Add(1)
	f.Counters.FillBytes.Add(int64(len(block)))
	return block, nil
}

// Local reads blocks that are here, and fetches none.
func (f *Filler) Local() sds.Store { return f.cache }

// Getter reads blocks through Get with one want: what resolving a path needs.
func (f *Filler) Getter(want peers.Want) sds.Getter { return getter{f, want} }

type getter struct {
	filler *Filler
	want   peers.Want
}

func (g getter) Get(ctx context.Context, cid sds.CID) ([]byte, error) {
	block, _, err := g.filler.Get(ctx, cid, g.want)
	return block, err
}
