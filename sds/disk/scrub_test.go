package disk

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stratos-mesh/stratos/sds"
)

// spoil changes a byte of a block's file, whatever file system it is in.
func spoil(t *testing.T, s *Store, class sds.Class, cid sds.CID) {
	t.Helper()
	name := s.files.block(class, cid)
	b, err := s.files.read(name, sds.MaxBlockSize)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 0x10
	f, err := s.files.write(name, b)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// scrubFor runs Scrub until so much time has passed on the store's clock, and
// returns how many bytes it read.
func scrubFor(t *testing.T, s *Store, c *testClock, d time.Duration) int64 {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	end, before := c.now().Add(d), s.Stats().ScrubbedBytes
	s.clock.sleep = func(ctx context.Context, d time.Duration) error {
		c.advance(d)
		if c.now().After(end) {
			cancel()
		}
		return ctx.Err()
	}
	if err := s.Scrub(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("Scrub: got %v, want Canceled", err)
	}
	return s.Stats().ScrubbedBytes - before
}

func TestScrubFindsWhatIsCorruptWithinThePeriod(t *testing.T) {
	t.Parallel()
	c := newTestClock()
	var told []sds.CID
	s := openAt(t, vfs.NewMem(), c, Config{
		ScrubPeriod: 24 * time.Hour,
		OnCorrupt:   func(cid sds.CID, _ sds.Class) { told = append(told, cid) },
	})
	for seed := range uint64(60) {
		put(t, s, seed, 5000, sds.Pinned)
		put(t, s, 100+seed, 100_000, sds.Class(seed%2))
	}
	bad, _ := block(142, 100_000)
	spoil(t, s, sds.Cached, bad)
	gone, _ := block(143, 100_000)
	if err := s.files.remove(s.files.block(sds.Pinned, gone)); err != nil {
		t.Fatal(err)
	}
	read := scrubFor(t, s, c, 24*time.Hour)
	if len(told) != 1 || told[0] != bad {
		t.Fatalf("told of %v, want %v", told, bad)
	}
	wantGone(t, s, bad)
	wantGone(t, s, gone)
	if all := int64(60 * 105_000); read < all || read > 4*all {
		t.Fatalf("read %d bytes in a period, want each of %d about twice", read, all)
	}
	if stats := s.Stats(); stats.Corrupt != 1 || stats.Missing != 1 || stats.ScrubPasses < 1 {
		t.Fatalf("stats: got %+v", stats)
	}
}

func TestScrubGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	c, fs := newTestClock(), vfs.NewMem()
	config := Config{ScrubPeriod: 48 * time.Hour}
	s := openAt(t, fs, c, config)
	const blocks = 3 * pageSize
	for seed := range uint64(blocks) {
		put(t, s, seed, 100, sds.Pinned)
	}
	read := scrubFor(t, s, c, 16*time.Hour) // of a pass of 24
	if read <= pageSize*100 || read >= blocks*100 {
		t.Fatalf("read %d bytes in two thirds of a pass over %d", read, blocks*100)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, fs, c, config)
	read += scrubFor(t, s, c, 8*time.Hour-time.Minute)
	// At most a page is read twice, the one that was under way.
	if read < blocks*98 || read > (blocks+pageSize)*100 {
		t.Fatalf("read %d bytes in a pass with a restart, want %d and a page at most", read, blocks*100)
	}
}

func TestScrubKeepsToItsRate(t *testing.T) {
	t.Parallel()
	c := newTestClock()
	s := openAt(t, vfs.NewMem(), c, Config{ScrubPeriod: time.Second, ScrubRate: 100_000})
	for seed := range uint64(50) {
		put(t, s, seed, 100_000, sds.Pinned)
	}
	if read := scrubFor(t, s, c, 30*time.Second); read > 3_200_000 {
		t.Fatalf("read %d bytes in 30 s, want 100000 a second at most", read)
	}
}
