package disk

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/stratos-mesh/stratos/sds"
)

// TestADiskThatFailsToWriteLosesNothingAcknowledged lets one write, sync or
// rename fail, or all from one on, and then cuts the power.
func TestADiskThatFailsToWriteLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	for _, forever := range []bool{false, true} {
		for n := int64(0); ; n++ {
			if n > 40 { // the later ones are alike
				n += 6
			}
			if reached := failFrom(t, n, forever); !reached {
				break
			}
			if t.Failed() {
				t.Fatalf("with write %d failing, and all later ones: %v", n, forever)
			}
		}
	}
}

// failFrom reports whether there were as many writes as n.
func failFrom(t *testing.T, n int64, forever bool) bool {
	disk := vfs.NewCrashableMem()
	var writes atomic.Int64
	fs := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch {
		case op.Kind.ReadOrWrite() != errorfs.OpIsWrite || op.Kind == errorfs.OpFileClose:
			return nil
		case op.Kind == errorfs.OpFileSync && op.Path == "/store/index":
			return nil // Pebble ends the process, which is another test
		}
		if i := writes.Add(1) - 1; i == n || forever && i > n {
			return fmt.Errorf("write %d: %w", i, syscall.EIO)
		}
		return nil
	}))
	acked := map[uint64]bool{}
	s, err := open(Config{Dir: "/store", MinFree: -1}, fs, systemClock)
	if err == nil {
		for seed := range uint64(damageBlocks) {
			cid, b, _ := damageBlock(seed)
			if s.Put(t.Context(), cid, b, sds.Pinned) == nil {
				acked[seed] = true
			}
			if seed%4 == 3 {
				cid, _, _ := damageBlock(seed - 3)
				delete(acked, seed-3)
				_ = s.Delete(t.Context(), cid) // it may fail, that is the point
			}
		}
		for seed := range acked {
			cid, want, _ := damageBlock(seed)
			if got, err := s.Get(t.Context(), cid); err != nil || !bytes.Equal(got, want) {
				t.Errorf("block %d before the crash: %v", seed, err)
			}
		}
	}
	after := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: int(n % 3 * 50), RNG: rand.New(rand.NewPCG(uint64(n), 1))})
	if err == nil {
		_ = s.Close() // a disk that has failed may say so once more
	}
	s = openMem(t, after, Config{})
	for seed := range acked {
		cid, want, _ := damageBlock(seed)
		if got, err := s.Get(t.Context(), cid); err != nil || !bytes.Equal(got, want) {
			t.Errorf("block %d after the crash: %v", seed, err)
		}
	}
	verifyAll(t, s)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return writes.Load() > n
}
