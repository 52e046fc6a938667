package disk

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stratos-mesh/stratos/sds"
)

// openMem opens a store in a file system in memory.
func openMem(t *testing.T, fs vfs.FS, config Config) *Store {
	t.Helper()
	config.Dir, config.MinFree = "/store", -1
	s, err := open(config, fs, systemClock)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A power cut keeps what was synced and any part of the rest, file by file and
// name by name.
func TestAPowerCutLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	rounds := uint64(4)
	if !thorough {
		rounds = 1
	}
	for _, kept := range []int{0, 20, 50, 80, 100} {
		for round := range rounds {
			powerCut(t, kept, round)
		}
	}
}

func powerCut(t *testing.T, unsyncedKept int, round uint64) {
	fs := vfs.NewCrashableMem()
	s := openMem(t, fs, Config{})
	r := rand.New(rand.NewPCG(round, uint64(unsyncedKept)))
	var (
		mu      sync.Mutex // guards here, written and stop
		here    = map[uint64]bool{}
		deleted = map[uint64]bool{}
		written int
		writers sync.WaitGroup
		enough  = make(chan struct{})
		closing = sync.OnceFunc(func() { close(enough) })
	)
	ctx, stop := context.WithCancel(t.Context())
	goal := 3 + r.IntN(40)
	for writer := range uint64(4) {
		writers.Go(func() {
			for i := range uint64(1000) {
				seed := writer<<16 + i
				cid, b, class := crashBlock(seed)
				if err := s.Put(ctx, cid, b, class); err != nil {
					if ctx.Err() == nil {
						t.Error(err)
					}
					closing()
					return
				}
				mu.Lock()
				here[seed] = class == sds.Pinned || len(b) < inlineBelow
				if written++; written == goal {
					closing()
				}
				mu.Unlock()
				if i%5 == 4 {
					cid, _, _ := crashBlock(seed - 3)
					mu.Lock()
					here[seed-3] = false
					mu.Unlock()
					if s.Delete(ctx, cid) == nil {
						mu.Lock()
						deleted[seed-3] = true
						mu.Unlock()
					}
				}
			}
		})
	}
	<-enough
	mu.Lock() // what is acknowledged now must be in the clone
	after := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: unsyncedKept, RNG: rand.New(rand.NewPCG(round, 7))})
	promised, gone := map[uint64]bool{}, map[uint64]bool{}
	for seed, sure := range here {
		promised[seed] = sure
	}
	for seed := range deleted {
		gone[seed] = true
	}
	mu.Unlock()
	stop()
	writers.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = openMem(t, after, Config{})
	for seed, sure := range promised {
		cid, want, class := crashBlock(seed)
		got, err := s.Get(t.Context(), cid)
		switch {
		case err == nil && !bytes.Equal(got, want):
			t.Errorf("block %d: other bytes than were put", seed)
		case err != nil && sure:
			t.Errorf("block %d of %d bytes in class %d: %v", seed, len(want), class, err)
		case gone[seed] && !errors.Is(err, sds.ErrNotFound):
			t.Errorf("block %d was deleted and is back: %v", seed, err)
		}
	}
	// Torn cached blocks may be found now; the second time all is well.
	for range 2 {
		_ = s.List(t.Context(), func(info sds.Info) error {
			if _, err := s.Get(t.Context(), info.CID); err != nil && info.Class == sds.Pinned {
				t.Errorf("pinned %s: %v", info.CID, err)
			}
			return nil
		})
	}
	verifyAll(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if t.Failed() {
		t.Fatalf("with %d %% of what was not synced kept, round %d", unsyncedKept, round)
	}
}
