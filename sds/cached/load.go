package cached

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/stratos-mesh/stratos/sds"
)

// A load is one read from below, and those who wait for it.
type load struct {
	waiters int // guarded by Store.mu
	cancel  context.CancelFunc

	done  chan struct{} // closed when block and err are set
	block []byte
	err   error
}

// load waits for a block from below, beginning to read it if nobody has.
func (s *Store) load(ctx context.Context, cid sds.CID) ([]byte, error) {
	l := s.join(ctx, cid)
	select {
	case <-l.done:
		return l.block, l.err
	case <-ctx.Done():
		s.abandon(cid, l)
		return nil, ctx.Err()
	}
}

func (s *Store) join(ctx context.Context, cid sds.CID) *load {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.loads[cid]; l != nil {
		l.waiters++
		return l
	}
	// The values of the first waiter's context serve all; its end does not.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &load{waiters: 1, cancel: cancel, done: make(chan struct{})}
	s.loads[cid] = l
	go s.run(ctx, cid, l)
	return l
}

// abandon takes one waiter off; the last one calls the read off.
func (s *Store) abandon(cid sds.CID, l *load) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.waiters--; l.waiters > 0 {
		return
	}
	l.cancel()
	if s.loads[cid] == l {
		delete(s.loads, cid)
	}
}

// run reads a block. It ends soon after its context does, which is when it has
// no waiter left, so there are never more of them than callers of Get.
func (s *Store) run(ctx context.Context, cid sds.CID, l *load) {
	defer l.cancel()
	l.block, l.err = s.below(ctx, cid)
	s.mu.Lock()
	if s.loads[cid] == l { // else forgotten meanwhile
		delete(s.loads, cid)
		if l.err == nil {
			s.blocks.Set(cid, l.block)
		}
	}
	s.mu.Unlock()
	close(l.done)
	if l.err != nil && ctx.Err() == nil {
		s.failures.Add(1)
	}
	s.touchBelow()
}

// below reads from the store, or fetches what it lacks.
func (s *Store) below(ctx context.Context, cid sds.CID) ([]byte, error) {
	// Another load may have ended between the look-up and the join.
	if e, ok := s.blocks.GetEntryQuietly(cid); ok {
		return e.Value, nil
	}
	s.reads.Add(1)
	block, err := s.config.Store.Get(ctx, cid)
	lost := errors.Is(err, sds.ErrNotFound) || errors.Is(err, sds.ErrCorrupt)
	if !lost || s.config.Fetch == nil {
		return block, err
	}
	s.fetches.Add(1)
	return s.config.Fetch(ctx, cid)
}

// toucher is what a store has that wants to know what is used above it.
type toucher interface{ Touch(cids ...sds.CID) }

// touchBelow tells the store below, now and then, what is in memory. It happens
// on a miss, as only then does the store below choose what to evict.
func (s *Store) touchBelow() {
	last, now := s.touched.Load(), time.Now().UnixNano()
	if s.toucher == nil || now-last < int64(s.config.TouchEvery) || !s.touched.CompareAndSwap(last, now) {
		return
	}
	s.toucher.Touch(slices.Collect(s.blocks.Keys())...)
}
