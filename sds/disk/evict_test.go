package disk

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/stratos-mesh/stratos/sds"
)

// testClock is a clock that stands until it is moved; to sleep moves it.
type testClock struct{ nanoseconds atomic.Int64 }

func newTestClock() *testClock {
	c := &testClock{}
	c.nanoseconds.Store(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *testClock) now() time.Time          { return time.Unix(0, c.nanoseconds.Load()) }
func (c *testClock) advance(d time.Duration) { c.nanoseconds.Add(int64(d)) }

func (c *testClock) clock() clock {
	return clock{now: c.now, sleep: func(ctx context.Context, d time.Duration) error {
		c.advance(d)
		return ctx.Err()
	}}
}

// openAt opens a store in memory with a clock of its own.
func openAt(t *testing.T, fs vfs.FS, c *testClock, config Config) *Store {
	t.Helper()
	config.Dir, config.MinFree = "/store", -1
	s, err := open(config, fs, c.clock())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// settled waits until the committer has done all that was queued before.
func settled(t *testing.T, s *Store) {
	t.Helper()
	for len(s.touched) > 0 {
		if err := s.submit(t.Context(), &request{change: changeNote, key: []byte{scrubPrefix, 't'}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.submit(t.Context(), &request{change: changeNote, key: []byte{scrubPrefix, 't'}}); err != nil {
		t.Fatal(err)
	}
}

func has(t *testing.T, s *Store, seed uint64, size int) bool {
	t.Helper()
	cid, _ := block(seed, size)
	found, err := s.Has(t.Context(), cid)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestTheLeastRecentlyReadBlocksMakeRoom(t *testing.T) {
	t.Parallel()
	for _, size := range []int{10_000, 100_000} {
		c := newTestClock()
		s := openAt(t, vfs.NewMem(), c, Config{CachedLimit: int64(10 * size)})
		for seed := range uint64(10) {
			put(t, s, seed, size, sds.Cached)
			c.advance(time.Minute)
		}
		c.advance(time.Hour)
		for _, seed := range []uint64{0, 1, 2, 5} {
			wantBlock(t, s, seed, size)
		}
		settled(t, s)
		for seed := range uint64(6) {
			put(t, s, 100+seed, size, sds.Cached)
			c.advance(time.Minute)
		}
		for seed := range uint64(10) {
			want := seed < 3 || seed == 5
			if got := has(t, s, seed, size); got != want {
				t.Errorf("%d bytes: block %d is there: %v, want %v", size, seed, got, want)
			}
		}
		if stats := s.Stats(); stats.Evicted != 6 || stats.EvictedBytes != int64(6*size) || stats.Cached.Bytes != int64(10*size) {
			t.Errorf("stats: got %+v, want 6 evicted and a full class", stats)
		}
		verifyAll(t, s)
	}
}

func TestUseAboveTheStoreCountsAsUse(t *testing.T) {
	t.Parallel()
	c := newTestClock()
	s := openAt(t, vfs.NewMem(), c, Config{CachedLimit: 400_000})
	hot := put(t, s, 0, 100_000, sds.Cached)
	for seed := range uint64(40) {
		c.advance(time.Hour)
		s.Touch(hot)
		settled(t, s)
		put(t, s, 1+seed, 100_000, sds.Cached)
	}
	if !has(t, s, 0, 100_000) {
		t.Fatal("the block that is used all the time was evicted")
	}
}

func TestPinnedBlocksAreNeverEvicted(t *testing.T) {
	t.Parallel()
	c := newTestClock()
	s := openAt(t, vfs.NewMem(), c, Config{CachedLimit: 300_000})
	for seed := range uint64(5) {
		put(t, s, seed, 100_000, sds.Cached)
		put(t, s, seed, 100_000, sds.Pinned)
		c.advance(time.Hour)
	}
	for seed := range uint64(50) {
		put(t, s, 100+seed, 100_000, sds.Cached)
	}
	for seed := range uint64(5) {
		wantBlock(t, s, seed, 100_000)
	}
	if pinned, cached := s.Usage(); pinned.Blocks != 5 || cached.Bytes > 300_000 {
		t.Fatalf("usage: got %v %v", pinned, cached)
	}
}

func TestABlockLargerThanTheCachedClassIsRefused(t *testing.T) {
	t.Parallel()
	s := openAt(t, vfs.NewMem(), newTestClock(), Config{CachedLimit: 150_000})
	put(t, s, 1, 100_000, sds.Cached)
	cid, b := block(2, 200_000)
	if err := s.Put(t.Context(), cid, b, sds.Cached); !errors.Is(err, sds.ErrFull) {
		t.Fatalf("Put: got %v, want ErrFull", err)
	}
	wantBlock(t, s, 1, 100_000)
}

func TestEvictionGoesOnWhenTheClockGoesBack(t *testing.T) {
	t.Parallel()
	c := newTestClock()
	s := openAt(t, vfs.NewMem(), c, Config{CachedLimit: 300_000})
	for seed := range uint64(30) {
		put(t, s, seed, 100_000, sds.Cached)
		c.advance(-time.Hour)
	}
	if _, cached := s.Usage(); cached.Bytes > 300_000 {
		t.Fatalf("usage: got %v", cached)
	}
}

func TestTheOrderOfUseOutlivesARestart(t *testing.T) {
	t.Parallel()
	c, fs := newTestClock(), vfs.NewMem()
	s := openAt(t, fs, c, Config{CachedLimit: 300_000})
	for seed := range uint64(3) {
		put(t, s, seed, 100_000, sds.Cached)
		c.advance(time.Hour)
	}
	wantBlock(t, s, 0, 100_000)
	settled(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, fs, c, Config{CachedLimit: 300_000})
	put(t, s, 3, 100_000, sds.Cached)
	if !has(t, s, 0, 100_000) || has(t, s, 1, 100_000) {
		t.Fatal("evicted: want block 1, the one not read for longest")
	}
}

func TestALimitThatWasLoweredHoldsFromTheNextPut(t *testing.T) {
	t.Parallel()
	c, fs := newTestClock(), vfs.NewMem()
	s := openAt(t, fs, c, Config{})
	for seed := range uint64(200) {
		put(t, s, seed, 10_000, sds.Cached)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, fs, c, Config{CachedLimit: 100_000})
	put(t, s, 1000, 10_000, sds.Cached)
	if _, cached := s.Usage(); cached.Bytes > 100_000 {
		t.Fatalf("usage: got %v, want 100000 bytes at most", cached)
	}
}

func TestLimitsCanChangeWhileTheStoreIsOpen(t *testing.T) {
	t.Parallel()
	s := openAt(t, vfs.NewMem(), newTestClock(), Config{PinnedLimit: 100})
	s.SetLimits(20_000, 15_000)
	put(t, s, 1, 10_000, sds.Pinned)
	put(t, s, 2, 10_000, sds.Cached)
	put(t, s, 3, 10_000, sds.Cached)
	pinned, cached := s.Usage()
	if pinned != (sds.Budget{Bytes: 10_000, Blocks: 1, Limit: 20_000}) || cached != (sds.Budget{Bytes: 10_000, Blocks: 1, Limit: 15_000}) {
		t.Fatalf("usage: got %v %v", pinned, cached)
	}
}

// Puts, reads, promotions, deletes and evictions of the same few blocks at once
// never show wrong bytes, and in the end the books agree with what is there.
func TestTheBooksAgreeAfterMuchAtOnce(t *testing.T) {
	t.Parallel()
	s := openAt(t, vfs.NewMem(), newTestClock(), Config{CachedLimit: 800_000, PinnedLimit: 700_000, UseResolution: time.Nanosecond})
	var wait sync.WaitGroup
	for worker := range uint64(8) {
		wait.Go(func() {
			r := rand.New(rand.NewPCG(worker, 5))
			for range 300 {
				seed := uint64(r.IntN(24))
				size := []int{3000, 70_000}[seed%2]
				cid, b := block(seed, size)
				var err error
				switch r.IntN(6) {
				case 0, 1:
					err = s.Put(t.Context(), cid, b, sds.Cached)
				case 2:
					err = s.Put(t.Context(), cid, b, sds.Pinned)
				case 3:
					err = s.Delete(t.Context(), cid)
				default:
					var got []byte
					if got, err = s.Get(t.Context(), cid); err == nil && !bytes.Equal(got, b) {
						t.Errorf("block %d: other bytes than were put", seed)
					}
				}
				if err != nil && !errors.Is(err, sds.ErrFull) && !errors.Is(err, sds.ErrNotFound) {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	verifyAll(t, s)
	if pinned, cached := s.Usage(); pinned.Bytes > pinned.Limit || cached.Bytes > cached.Limit {
		t.Errorf("usage: got %v %v, want both within their limits", pinned, cached)
	}
	if stats := s.Stats(); stats.Corrupt+stats.Missing != 0 {
		t.Errorf("stats: got %+v, want nothing corrupt or missing", stats)
	}
	for _, class := range []sds.Class{sds.Cached, sds.Pinned} {
		held := 0
		for first := range 256 {
			names, err := s.files.list(s.files.shard(class, byte(first)))
			if err != nil {
				t.Fatal(err)
			}
			held += len(names)
		}
		if err := s.List(t.Context(), func(info sds.Info) error {
			if info.Class == class && info.Size >= inlineBelow {
				held--
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if held != 0 {
			t.Errorf("class %d: %d files more than blocks", class, held)
		}
	}
}

func TestADiskThatFillsUpIsFullAndLeavesNoTemporaryFile(t *testing.T) {
	t.Parallel()
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite && strings.HasPrefix(op.Path, "/store/tmp/") && path.Base(op.Path) != formatName {
			return syscall.ENOSPC
		}
		return nil
	}))
	s := openAt(t, fs, newTestClock(), Config{})
	cid, b := block(1, sds.SliceSize)
	if err := s.Put(t.Context(), cid, b, sds.Pinned); !errors.Is(err, sds.ErrFull) {
		t.Fatalf("Put: got %v, want ErrFull", err)
	}
	if names, err := fs.List("/store/tmp"); err != nil || len(names) != 0 {
		t.Fatalf("temporary files: %v, %v", names, err)
	}
}

func TestAFullDiskEvictsThenRefuses(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 30})
	s, err := open(Config{Dir: "/store", MinFree: 1 << 20}, fs, newTestClock().clock())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	put(t, s, 1, 100_000, sds.Cached)
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 20})
	put(t, s, 2, 100_000, sds.Pinned) // takes the place of block 1
	if has(t, s, 1, 100_000) {
		t.Fatal("the cached block has not made room")
	}
	for _, class := range []sds.Class{sds.Cached, sds.Pinned} {
		cid, b := block(3, 100_000)
		if err := s.Put(t.Context(), cid, b, class); !errors.Is(err, sds.ErrFull) {
			t.Fatalf("Put: got %v, want ErrFull", err)
		}
	}
	wantBlock(t, s, 2, 100_000)
	if full := s.Stats().Full; full != 2 {
		t.Fatalf("Full: got %d, want 2", full)
	}
}
