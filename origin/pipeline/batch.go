package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// Tally says which edges have how many of an upload's blocks. It is kept with
// the state of an upload that goes on later.
type Tally struct {
	Blocks int64                 `json:"blocks"`
	Edges  map[meta.EdgeID]int64 `json:"edges,omitempty"`
}

// Full tells whether an edge acknowledged every block.
func (t Tally) Full(e meta.EdgeID) bool { return t.Edges[e] == t.Blocks }

// Holders are the edges that acknowledged every block, in order of number.
func (t Tally) Holders() []meta.EdgeID {
	var out []meta.EdgeID
	for e := range t.Edges {
		if t.Full(e) {
			out = append(out, e)
		}
	}
	slices.Sort(out)
	return out
}

func (t Tally) clone() Tally {
	out := Tally{Blocks: t.Blocks, Edges: make(map[meta.EdgeID]int64, len(t.Edges))}
	for e, n := range t.Edges {
		out.Edges[e] = n
	}
	return out
}

// A Batch takes the blocks of one import. Sink is called by one goroutine; Wait
// may be called in between to have everything so far safe.
type Batch struct {
	session *Session
	ctx     context.Context // the batch's own, not a request's: its goroutines end with it
	cancel  context.CancelCauseFunc
	memory  *semaphore.Weighted
	running sync.WaitGroup

	mu    sync.Mutex // guards tally
	tally Tally
}

// Batch starts one whose earlier blocks are counted in tally. Cancelling ctx
// gives it up; Close must be called in the end.
func (s *Session) Batch(ctx context.Context, tally Tally) *Batch {
	b := &Batch{session: s, memory: semaphore.NewWeighted(s.writer.config.BatchMemory), tally: tally.clone()}
	b.ctx, b.cancel = context.WithCancelCause(ctx)
	return b
}

// Sink is an sds.Sink: it copies the block, sends it on its way and returns,
// unless as many bytes are under way as may be.
func (b *Batch) Sink(ctx context.Context, cid sds.CID, block []byte) error {
	size := int64(len(block))
	if size > sds.MaxBlockSize {
		return fmt.Errorf("block %s of %d bytes: %w", cid, size, sds.ErrTooLarge)
	}
	weight := min(size+1024, b.session.writer.config.BatchMemory)
	if err := b.acquire(ctx, weight); err != nil {
		return err
	}
	kept := bytes.Clone(block)
	b.running.Go(func() {
		defer b.release(weight)
		if err := b.session.write(b.ctx, cid, kept, b.count); err != nil {
			b.cancel(fmt.Errorf("write %s: %w", cid, err))
		}
	})
	return nil
}

// acquire waits for memory, first of the batch, then of the whole origin: one
// that holds some always lets it go without asking for more.
func (b *Batch) acquire(ctx context.Context, weight int64) error {
	if err := b.failed(); err != nil {
		return err
	}
	both, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(b.ctx, stop)()
	if err := b.memory.Acquire(both, weight); err != nil {
		return errors.Join(b.failed(), ctx.Err())
	}
	if err := b.session.writer.memory.Acquire(both, weight); err != nil {
		b.memory.Release(weight)
		return errors.Join(b.failed(), ctx.Err())
	}
	b.session.writer.config.Counters.InFlight.Add(weight)
	return nil
}

func (b *Batch) release(weight int64) {
	b.session.writer.config.Counters.InFlight.Add(-weight)
	b.session.writer.memory.Release(weight)
	b.memory.Release(weight)
}

// count takes down that a block is durable on edges.
func (b *Batch) count(edges []meta.EdgeID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tally.Blocks++
	for _, e := range edges {
		b.tally.Edges[e]++
	}
}

func (b *Batch) failed() error {
	if b.ctx.Err() != nil {
		return context.Cause(b.ctx)
	}
	return nil
}

// Wait returns when every block so far is durable on all edges of its grant,
// and their tally.
func (b *Batch) Wait() (Tally, error) {
	b.running.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tally.clone(), b.failed()
}

// Close gives up what is still under way and waits for its goroutines.
func (b *Batch) Close() {
	b.cancel(context.Canceled)
	b.running.Wait()
}
