// Package cached puts a bounded memory in front of a store.
//
// A hit is one look-up in a map and allocates nothing. A miss reads the store
// below, or what Config.Fetch brings, once for all who wait for it: a waiter
// who leaves does not fail the others, and when the last one has left the read
// is called off. What is kept in memory is chosen by W-TinyLFU, so one pass
// over a large object does not push out what many ask for.
//
// A block that is put belongs to the store from then on, as sds.Receive says.
package cached

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/maypok86/otter/v2/stats"

	"github.com/stratos-mesh/stratos/sds"
)

// overhead is about what a block costs in memory besides its bytes. It also
// keeps empty blocks from being free, and so from never being evicted.
const overhead = 256

// Config says what is cached and in how much memory.
type Config struct {
	// Store is what lies below. It must be set.
	Store sds.Store
	// Bytes bounds the blocks in memory. Zero means 64 MiB.
	Bytes int64
	// Fetch, if set, is asked for a block that Store lacks or has lost, once for
	// all who wait. It returns bytes that it has checked against the name, as
	// slicehttp.Client does, and that nobody changes later; and it puts them into
	// Store itself, through sds.Receive, if they shall stay. Its context ends
	// when nobody waits any more.
	Fetch func(ctx context.Context, cid sds.CID) ([]byte, error)
	// TouchEvery is how often Store, if it has a Touch method as disk.Store does,
	// is told what is in memory, as it sees nothing of the hits. Zero means 5
	// minutes.
	TouchEvery time.Duration
}

// Validate tells what is wrong with a Config.
func (c Config) Validate() error {
	var errs []error
	if c.Store == nil {
		errs = append(errs, errors.New("cached: Store is nil: name the store below"))
	}
	if c.Bytes < 0 {
		errs = append(errs, fmt.Errorf("cached: Bytes is %d: want 0 or more", c.Bytes))
	}
	if c.TouchEvery < 0 {
		errs = append(errs, fmt.Errorf("cached: TouchEvery is %s: want 0 or more", c.TouchEvery))
	}
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	if c.Bytes == 0 {
		c.Bytes = 64 << 20
	}
	if c.TouchEvery == 0 {
		c.TouchEvery = 5 * time.Minute
	}
	return c
}

// Store is a sds.Store with a memory.
type Store struct {
	config  Config
	blocks  *otter.Cache[sds.CID, []byte]
	toucher toucher      // nil when the store below is none
	limit   atomic.Int64 // Config.Bytes, or what SetBytes said
	touched atomic.Int64 // when the store below was last told, in nanoseconds

	mu    sync.Mutex // guards loads and what is in each
	loads map[sds.CID]*load

	reads, fetches, failures atomic.Int64
}

var _ sds.Store = (*Store)(nil)

// New makes a Store. It does nothing yet and needs no closing.
func New(config Config) (*Store, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	config = config.withDefaults()
	blocks, err := otter.New(&otter.Options[sds.CID, []byte]{
		MaximumWeight: uint64(config.Bytes),
		Weigher:       func(_ sds.CID, block []byte) uint32 { return uint32(len(block)) + overhead },
		StatsRecorder: stats.NewCounter(),
	})
	if err != nil {
		return nil, fmt.Errorf("cached: %w", err)
	}
	s := &Store{config: config, blocks: blocks, loads: map[sds.CID]*load{}}
	s.toucher, _ = config.Store.(toucher)
	s.touched.Store(time.Now().UnixNano())
	s.limit.Store(config.Bytes)
	return s, nil
}

// SetBytes replaces Config.Bytes while the store is in use; what does not fit
// any more leaves memory at once.
func (s *Store) SetBytes(bytes int64) {
	s.limit.Store(max(bytes, 0))
	s.blocks.SetMaximum(uint64(max(bytes, 0)))
}

// Get returns a block from memory, else from below; see sds.Store.
func (s *Store) Get(ctx context.Context, cid sds.CID) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if block, ok := s.blocks.GetIfPresent(cid); ok {
		return block, nil
	}
	return s.load(ctx, cid)
}

// Peek returns a block if it is in memory.
func (s *Store) Peek(cid sds.CID) ([]byte, bool) { return s.blocks.GetIfPresent(cid) }

// Put writes through; see sds.Store. A cached block is one that somebody asked
// for, so it is kept in memory as well; pinned ones come from uploads and
// repairs, which would push out what is in use.
func (s *Store) Put(ctx context.Context, cid sds.CID, block []byte, class sds.Class) error {
	if err := s.config.Store.Put(ctx, cid, block, class); err != nil {
		return err
	}
	if class == sds.Cached {
		s.blocks.SetIfAbsent(cid, block)
	}
	return nil
}

// Has asks the memory, then the store below; see sds.Store. What only Fetch
// could bring is not there.
func (s *Store) Has(ctx context.Context, cid sds.CID) (bool, error) {
	if _, ok := s.blocks.GetEntryQuietly(cid); ok {
		return true, nil
	}
	return s.config.Store.Has(ctx, cid)
}

// Size tells the size of a block, without reading it if the store below has a
// Size method too.
func (s *Store) Size(ctx context.Context, cid sds.CID) (int64, error) {
	if e, ok := s.blocks.GetEntryQuietly(cid); ok {
		return int64(len(e.Value)), nil
	}
	if below, ok := s.config.Store.(interface {
		Size(context.Context, sds.CID) (int64, error)
	}); ok {
		return below.Size(ctx, cid)
	}
	block, err := s.config.Store.Get(ctx, cid)
	return int64(len(block)), err
}

// Delete forgets a block below and in memory; see sds.Store. A read that is
// under way may still return it, but leaves nothing in memory.
func (s *Store) Delete(ctx context.Context, cid sds.CID) error {
	err := s.config.Store.Delete(ctx, cid)
	s.Forget(cid)
	return err
}

// Forget takes a block out of memory only.
func (s *Store) Forget(cid sds.CID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.loads, cid) // who waits for it is served, who comes now reads anew
	s.blocks.Invalidate(cid)
}
