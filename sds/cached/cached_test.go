package cached

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/mem"
	"github.com/stratos-mesh/stratos/sds/storetest"
)

// below is a store whose reads can be held up and are counted.
type below struct {
	mu      sync.Mutex // guards blocks and touched
	blocks  map[sds.CID][]byte
	touched []sds.CID
	reads   atomic.Int64
	gate    chan struct{} // when set, a Get waits for it or its context
}

func newBelow() *below { return &below{blocks: map[sds.CID][]byte{}} }

func (b *below) Get(ctx context.Context, cid sds.CID) ([]byte, error) {
	b.reads.Add(1)
	if b.gate != nil {
		select {
		case <-b.gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if block, ok := b.blocks[cid]; ok {
		return block, nil
	}
	return nil, fmt.Errorf("below: %w", sds.ErrNotFound)
}

func (b *below) Put(_ context.Context, cid sds.CID, block []byte, _ sds.Class) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.blocks[cid] = bytes.Clone(block)
	return nil
}

func (b *below) Has(_ context.Context, cid sds.CID) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.blocks[cid]
	return ok, nil
}

func (b *below) Delete(_ context.Context, cid sds.CID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.blocks, cid)
	return nil
}

func (b *below) Touch(cids ...sds.CID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.touched = append(b.touched, cids...)
}

func newTest(t testing.TB, config Config) *Store {
	t.Helper()
	s, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s sds.Store, block []byte) sds.CID {
	t.Helper()
	cid := sds.Sum(sds.Raw, block)
	if err := s.Put(context.Background(), cid, block, sds.Pinned); err != nil {
		t.Fatal(err)
	}
	return cid
}

func TestASecondReadComesFromMemory(t *testing.T) {
	t.Parallel()
	b := newBelow()
	s := newTest(t, Config{Store: b})
	cid := put(t, s, []byte("a block"))
	for range 3 {
		got, err := s.Get(t.Context(), cid)
		if err != nil || string(got) != "a block" {
			t.Fatalf("Get: got %q, %v", got, err)
		}
	}
	if n := b.reads.Load(); n != 1 {
		t.Fatalf("reads below: got %d, want 1", n)
	}
	if got := s.Stats(); got.Hits != 2 || got.Misses != 1 || got.Reads != 1 || got.Blocks != 1 {
		t.Fatalf("stats: got %+v, want 2 hits, 1 miss, 1 read, 1 block", got)
	}
}

func TestManyWaitersShareOneRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBelow()
		b.gate = make(chan struct{})
		s := newTest(t, Config{Store: b})
		cid := put(t, s, []byte("a block"))
		var wait sync.WaitGroup
		for range 100 {
			wait.Go(func() {
				if got, err := s.Get(t.Context(), cid); err != nil || string(got) != "a block" {
					t.Errorf("Get: got %q, %v", got, err)
				}
			})
		}
		synctest.Wait()
		close(b.gate)
		wait.Wait()
		if n := b.reads.Load(); n != 1 {
			t.Fatalf("reads below: got %d, want 1", n)
		}
		synctest.Wait()
	})
}

func TestAWaiterWhoLeavesDoesNotFailTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBelow()
		b.gate = make(chan struct{})
		s := newTest(t, Config{Store: b})
		cid := put(t, s, []byte("a block"))
		first, leave := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		wait.Go(func() {
			if _, err := s.Get(first, cid); !errors.Is(err, context.Canceled) {
				t.Errorf("first: got %v, want Canceled", err)
			}
		})
		synctest.Wait()
		wait.Go(func() {
			if _, err := s.Get(t.Context(), cid); err != nil {
				t.Errorf("second: %v", err)
			}
		})
		synctest.Wait()
		leave()
		synctest.Wait()
		close(b.gate)
		wait.Wait()
	})
}

func TestTheLastWaiterWhoLeavesCallsTheReadOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBelow()
		var ended atomic.Bool
		s := newTest(t, Config{Store: b, Fetch: func(ctx context.Context, _ sds.CID) ([]byte, error) {
			<-ctx.Done()
			ended.Store(true)
			return nil, ctx.Err()
		}})
		cid := sds.Sum(sds.Raw, []byte("far away"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Get(ctx, cid); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Get: got %v, want DeadlineExceeded", err)
		}
		synctest.Wait()
		if !ended.Load() {
			t.Fatal("the fetch goes on with nobody waiting")
		}
	})
}

func TestFetchBringsWhatTheStoreLacksOrHasLost(t *testing.T) {
	t.Parallel()
	block := []byte("from a peer")
	cid := sds.Sum(sds.Raw, block)
	s := newTest(t, Config{Store: newBelow(), Fetch: func(_ context.Context, asked sds.CID) ([]byte, error) {
		if asked != cid {
			return nil, sds.ErrNotFound
		}
		return block, nil
	}})
	for range 2 {
		if got, err := s.Get(t.Context(), cid); err != nil || !bytes.Equal(got, block) {
			t.Fatalf("Get: got %q, %v", got, err)
		}
	}
	if _, err := s.Get(t.Context(), sds.Sum(sds.Raw, nil)); !errors.Is(err, sds.ErrNotFound) {
		t.Fatalf("Get of what nobody has: got %v, want ErrNotFound", err)
	}
	if got := s.Stats(); got.Fetches != 2 || got.Failures != 1 {
		t.Fatalf("stats: got %+v, want 2 fetches, 1 failure", got)
	}
}

func TestADeleteWhileReadingLeavesNothingInMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBelow()
		release := make(chan struct{})
		block := []byte("banned")
		s := newTest(t, Config{Store: b, Fetch: func(context.Context, sds.CID) ([]byte, error) {
			<-release
			return block, nil
		}})
		cid := sds.Sum(sds.Raw, block)
		var wait sync.WaitGroup
		wait.Go(func() { _, _ = s.Get(t.Context(), cid) })
		synctest.Wait()
		if err := s.Delete(t.Context(), cid); err != nil {
			t.Fatal(err)
		}
		close(release)
		wait.Wait()
		synctest.Wait()
		if _, ok := s.Peek(cid); ok {
			t.Fatal("the block is in memory after Delete")
		}
	})
}

func TestMemoryStaysWithinItsBoundAndHotSlicesStayInIt(t *testing.T) {
	t.Parallel()
	b := newBelow()
	s := newTest(t, Config{Store: b, Bytes: 64 << 20})
	slice := func(i int) sds.CID { return sds.CID{Codec: sds.Raw, Digest: [32]byte{byte(i), byte(i >> 8)}} }
	bytes := make([]byte, sds.SliceSize) // their names are no matter here
	for i := range 1000 {
		b.blocks[slice(i)] = bytes
	}
	get := func(i int) {
		if _, err := s.Get(t.Context(), slice(i)); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 { // ten hot slices, asked for between a scan of cold ones
		for i := range 10 {
			get(i)
		}
	}
	for i := range 990 {
		get(10 + i)
		get(i % 10)
	}
	s.blocks.CleanUp()
	stats := s.Stats()
	if stats.Bytes > stats.Limit {
		t.Fatalf("in memory: %d bytes, want %d at most", stats.Bytes, stats.Limit)
	}
	if stats.Blocks < 50 {
		t.Fatalf("in memory: %d slices, want most of 64", stats.Blocks)
	}
	if reads := b.reads.Load(); reads > 1100 {
		t.Fatalf("reads below: %d, want about 1000: the hot slices were pushed out", reads)
	}
}

func TestANewSliceThatManyAskForGetsIntoAFullMemory(t *testing.T) {
	t.Parallel()
	b := newBelow()
	s := newTest(t, Config{Store: b, Bytes: 8 << 20})
	slice := func(i int) sds.CID { return sds.CID{Codec: sds.Raw, Digest: [32]byte{byte(i), byte(i >> 8)}} }
	block := make([]byte, sds.SliceSize)
	for i := range 100 {
		b.blocks[slice(i)] = block
		for range 5 {
			if _, err := s.Get(t.Context(), slice(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := b.reads.Load()
	b.blocks[slice(200)] = block
	for range 100 {
		if _, err := s.Get(t.Context(), slice(200)); err != nil {
			t.Fatal(err)
		}
		s.blocks.CleanUp()
	}
	if reads := b.reads.Load() - before; reads > 20 {
		t.Fatalf("reads below for 100 requests of a new slice: %d, want a few", reads)
	}
}

func TestTheStoreBelowHearsWhatIsUsedInMemory(t *testing.T) {
	t.Parallel()
	b := newBelow()
	s := newTest(t, Config{Store: b, TouchEvery: time.Minute})
	cid := put(t, s, []byte("hot"))
	if _, err := s.Get(t.Context(), cid); err != nil {
		t.Fatal(err)
	}
	s.touchBelow()
	if len(b.touched) != 0 {
		t.Fatalf("told of %v before its time", b.touched)
	}
	s.touched.Store(time.Now().Add(-time.Hour).UnixNano())
	s.touchBelow()
	if len(b.touched) != 1 || b.touched[0] != cid {
		t.Fatalf("told of %v, want %v", b.touched, cid)
	}
}

func TestWhatIsPutAsCachedIsInMemoryAndWhatIsPinnedIsNot(t *testing.T) {
	t.Parallel()
	s := newTest(t, Config{Store: newBelow()})
	for _, class := range []sds.Class{sds.Cached, sds.Pinned} {
		block := []byte{byte(class)}
		cid := sds.Sum(sds.Raw, block)
		if err := s.Put(t.Context(), cid, block, class); err != nil {
			t.Fatal(err)
		}
		if _, ok := s.Peek(cid); ok != (class == sds.Cached) {
			t.Errorf("class %d: in memory %v", class, ok)
		}
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) sds.Store {
		return newTest(t, Config{Store: mem.New(), Bytes: 1 << 20})
	})
}

func TestConfigWithoutAStoreIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := New(Config{Bytes: -1}); err == nil {
		t.Fatal("New worked without a store")
	}
}

func BenchmarkHit(b *testing.B) {
	s := newTest(b, Config{Store: newBelow()})
	cid := put(b, s, make([]byte, sds.SliceSize))
	if _, err := s.Get(b.Context(), cid); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Get(b.Context(), cid); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestAHitAllocatesNothing(t *testing.T) {
	s := newTest(t, Config{Store: newBelow()})
	cid := put(t, s, make([]byte, sds.SliceSize))
	ctx := t.Context()
	if _, err := s.Get(ctx, cid); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(1000, func() { _, _ = s.Get(ctx, cid) }); n >= 1 {
		t.Fatalf("allocations in a hit: got %v, want none", n)
	}
}
