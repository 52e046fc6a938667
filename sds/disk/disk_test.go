package disk

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/storetest"
)

// block makes a block of its own for each seed.
func block(seed uint64, size int) (sds.CID, []byte) {
	b := make([]byte, size)
	fill(rand.New(rand.NewPCG(seed, 1)), b)
	return sds.Sum(sds.Raw, b), b
}

func fill(r *rand.Rand, b []byte) {
	for i := range b {
		if i%8 == 0 {
			v := r.Uint64()
			for j := range min(8, len(b)-i) {
				b[i+j] = byte(v >> (8 * j))
			}
		}
	}
}

func openTest(t *testing.T, config Config) *Store {
	t.Helper()
	if config.Dir == "" {
		config.Dir = t.TempDir()
	}
	s, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func put(t *testing.T, s *Store, seed uint64, size int, class sds.Class) sds.CID {
	t.Helper()
	cid, b := block(seed, size)
	if err := s.Put(t.Context(), cid, b, class); err != nil {
		t.Fatal(err)
	}
	return cid
}

func wantBlock(t *testing.T, s *Store, seed uint64, size int) {
	t.Helper()
	cid, want := block(seed, size)
	got, err := s.Get(t.Context(), cid)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("block %d: got other bytes than were put", seed)
	}
}

func wantGone(t *testing.T, s *Store, cid sds.CID) {
	t.Helper()
	if _, err := s.Get(t.Context(), cid); !errors.Is(err, sds.ErrNotFound) {
		t.Fatalf("Get %s: got %v, want ErrNotFound", cid, err)
	}
	if has, err := s.Has(t.Context(), cid); has || err != nil {
		t.Fatalf("Has %s: got %v, %v, want false", cid, has, err)
	}
}

// flip changes one bit of a file of the store.
func flip(t *testing.T, name string, at int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) sds.Store { return openTest(t, Config{}) })
}

func TestBlocksOfAllSizesComeBackAfterReopening(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sizes := []int{0, 1, inlineBelow - 1, inlineBelow, sds.SliceSize, sds.MaxBlockSize}
	s, err := Open(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, class := range []sds.Class{sds.Cached, sds.Pinned} {
		for i, size := range sizes {
			put(t, s, uint64(class)<<8|uint64(i), size, class)
		}
	}
	pinned, cached := s.Usage()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, Config{Dir: dir})
	for _, class := range []sds.Class{sds.Cached, sds.Pinned} {
		for i, size := range sizes {
			wantBlock(t, s, uint64(class)<<8|uint64(i), size)
		}
	}
	if p, c := s.Usage(); p != pinned || c != cached {
		t.Fatalf("usage after reopening: got %v %v, want %v %v", p, c, pinned, cached)
	}
	// The empty block is one block, whatever the seed.
	if pinned.Blocks != 6 || cached.Blocks != 5 {
		t.Fatalf("usage: got %v %v, want 6 and 5 blocks", pinned, cached)
	}
}

func TestAFlippedBitIsNeverServedAndTheBlockCanComeBack(t *testing.T) {
	t.Parallel()
	for _, class := range []sds.Class{sds.Cached, sds.Pinned} {
		var told []sds.CID
		s := openTest(t, Config{OnCorrupt: func(cid sds.CID, _ sds.Class) { told = append(told, cid) }})
		cid := put(t, s, 1, sds.SliceSize, class)
		flip(t, s.files.block(class, cid), 77777)
		if _, err := s.Get(t.Context(), cid); !errors.Is(err, sds.ErrCorrupt) {
			t.Fatalf("Get: got %v, want ErrCorrupt", err)
		}
		wantGone(t, s, cid)
		if len(told) != 1 || told[0] != cid {
			t.Fatalf("OnCorrupt: got %v, want %v once", told, cid)
		}
		if _, err := os.Stat(s.files.quarantined(cid)); err != nil {
			t.Fatal(err)
		}
		stats := s.Stats()
		if stats.Corrupt != 1 || stats.Pinned.Bytes+stats.Cached.Bytes != 0 {
			t.Fatalf("stats: got %+v, want one corrupt and nothing held", stats)
		}
		put(t, s, 1, sds.SliceSize, class)
		wantBlock(t, s, 1, sds.SliceSize)
	}
}

func TestATruncatedOrMissingFileIsNotServed(t *testing.T) {
	t.Parallel()
	s := openTest(t, Config{})
	short, missing := put(t, s, 1, sds.SliceSize, sds.Pinned), put(t, s, 2, sds.SliceSize, sds.Pinned)
	if err := os.Truncate(s.files.block(sds.Pinned, short), 4096); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.files.block(sds.Pinned, missing)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), short); !errors.Is(err, sds.ErrCorrupt) {
		t.Fatalf("truncated: got %v, want ErrCorrupt", err)
	}
	wantGone(t, s, missing)
	if stats := s.Stats(); stats.Corrupt != 1 || stats.Missing != 1 || stats.Pinned.Blocks != 0 {
		t.Fatalf("stats: got %+v, want one corrupt, one missing, none held", stats)
	}
}

func TestPuttingABlockWhoseFileIsGoneWritesItAgain(t *testing.T) {
	t.Parallel()
	s := openTest(t, Config{})
	cid := put(t, s, 1, sds.SliceSize, sds.Pinned)
	if err := os.Truncate(s.files.block(sds.Pinned, cid), 4096); err != nil {
		t.Fatal(err)
	}
	put(t, s, 1, sds.SliceSize, sds.Cached)
	wantBlock(t, s, 1, sds.SliceSize)
	if pinned, _ := s.Usage(); pinned.Bytes != sds.SliceSize || pinned.Blocks != 1 {
		t.Fatalf("usage: got %v, want the block pinned as before", pinned)
	}
}

func TestPinningACachedBlockAndNeverBack(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1000, sds.SliceSize} {
		s := openTest(t, Config{})
		put(t, s, 1, size, sds.Cached)
		put(t, s, 1, size, sds.Pinned)
		put(t, s, 1, size, sds.Cached)
		wantBlock(t, s, 1, size)
		pinned, cached := s.Usage()
		if pinned.Bytes != int64(size) || cached.Bytes != 0 {
			t.Fatalf("usage: got %v %v, want all pinned", pinned, cached)
		}
	}
}

func TestThePinnedClassIsFullAtItsLimit(t *testing.T) {
	t.Parallel()
	s := openTest(t, Config{PinnedLimit: 3 << 20})
	for i := range uint64(3) {
		put(t, s, i, sds.SliceSize, sds.Pinned)
	}
	for _, size := range []int{1, sds.SliceSize} {
		cid, b := block(9, size)
		if err := s.Put(t.Context(), cid, b, sds.Pinned); !errors.Is(err, sds.ErrFull) {
			t.Fatalf("%d bytes more: got %v, want ErrFull", size, err)
		}
		wantGone(t, s, cid)
	}
	put(t, s, 1, sds.SliceSize, sds.Pinned) // what is there costs nothing
	cached := put(t, s, 10, sds.SliceSize, sds.Cached)
	_, b := block(10, sds.SliceSize)
	if err := s.Put(t.Context(), cached, b, sds.Pinned); !errors.Is(err, sds.ErrFull) {
		t.Fatalf("pinning a cached block: got %v, want ErrFull", err)
	}
	wantBlock(t, s, 10, sds.SliceSize)
	first, _ := block(0, sds.SliceSize)
	if err := s.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	put(t, s, 10, sds.SliceSize, sds.Pinned)
}

func TestDeleteForgetsBlocksOfAnyClassAndSize(t *testing.T) {
	t.Parallel()
	s := openTest(t, Config{})
	for i, size := range []int{0, 100, sds.SliceSize} {
		for _, class := range []sds.Class{sds.Cached, sds.Pinned} {
			cid := put(t, s, uint64(i), size, class)
			for range 2 {
				if err := s.Delete(t.Context(), cid); err != nil {
					t.Fatal(err)
				}
				wantGone(t, s, cid)
			}
		}
	}
	if names, err := filepath.Glob(filepath.Join(s.config.Dir, "*", "*", "b*")); err != nil || len(names) != 0 {
		t.Fatalf("files left: %v, %v", names, err)
	}
}

func TestAClosedStoreRefusesAndClosesTwice(t *testing.T) {
	t.Parallel()
	s := openTest(t, Config{})
	cid := put(t, s, 1, 10, sds.Pinned)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), cid); !errors.Is(err, ErrClosed) {
		t.Fatalf("Get: got %v, want ErrClosed", err)
	}
	if err := s.Scrub(t.Context()); !errors.Is(err, ErrClosed) {
		t.Fatalf("Scrub: got %v, want ErrClosed", err)
	}
}

func TestOneFolderIsOpenOnce(t *testing.T) {
	t.Parallel()
	s := openTest(t, Config{})
	if again, err := Open(Config{Dir: s.config.Dir}); err == nil {
		again.Close()
		t.Fatal("a second Open of the same folder worked")
	}
	put(t, s, 1, sds.SliceSize, sds.Pinned)
	wantBlock(t, s, 1, sds.SliceSize)
}

func TestACancelledPutLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := openTest(t, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cid, b := block(1, sds.SliceSize)
	if err := s.Put(ctx, cid, b, sds.Pinned); !errors.Is(err, context.Canceled) {
		t.Fatalf("Put: got %v, want Canceled", err)
	}
	if names, err := os.ReadDir(s.files.at(tempName)); err != nil || len(names) != 0 {
		t.Fatalf("temporary files: %v, %v", names, err)
	}
}

func TestConfigTellsAllItsMistakes(t *testing.T) {
	t.Parallel()
	err := Config{PinnedLimit: -1, ScrubPeriod: -time.Second}.Validate()
	for _, word := range []string{"Dir", "PinnedLimit", "ScrubPeriod"} {
		if err == nil || !bytes.Contains([]byte(err.Error()), []byte(word)) {
			t.Errorf("Validate: got %v, want a line about %s", err, word)
		}
	}
	if err := (Config{Dir: "x"}).Validate(); err != nil {
		t.Error(err)
	}
}
