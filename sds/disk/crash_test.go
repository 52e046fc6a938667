package disk

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/sds"
)

// crashDir, when set, makes the test binary a writer that waits to be killed.
const crashDir = "DISK_TEST_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		if err := writeUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// crashBlock is the block of a seed: its size and class are drawn from it too.
func crashBlock(seed uint64) (sds.CID, []byte, sds.Class) {
	r := rand.New(rand.NewPCG(seed, 2))
	size := []int{r.IntN(2000), inlineBelow - 2 + r.IntN(4), 100_000 + r.IntN(100_000), sds.SliceSize}[r.IntN(4)]
	cid, b := block(seed, size)
	return cid, b, sds.Class(r.IntN(2))
}

// writeUntilKilled puts and deletes blocks with several writers. It prints a
// line when a Put has returned, before a Delete begins, and when it has
// returned: +seed, ?seed, -seed.
func writeUntilKilled(dir string) error {
	s, err := Open(Config{Dir: dir, CachedLimit: 1 << 30})
	if err != nil {
		return err
	}
	fmt.Println("open")
	round := uint64(time.Now().UnixNano()) << 20
	failed := make(chan error)
	for writer := range uint64(6) {
		go func() {
			for i := range uint64(1 << 16) {
				seed := round + writer<<16 + i
				cid, b, class := crashBlock(seed)
				if err := s.Put(context.Background(), cid, b, class); err != nil {
					failed <- err
				}
				fmt.Printf("+%d\n", seed)
				if i%4 == 3 {
					seed -= 2
					cid, _, _ := crashBlock(seed)
					fmt.Printf("?%d\n", seed)
					if err := s.Delete(context.Background(), cid); err != nil {
						failed <- err
					}
					fmt.Printf("-%d\n", seed)
				}
			}
		}()
	}
	return <-failed
}

// TestKilledWritersLoseNothingAcknowledged kills a writing process again and
// again, at moments drawn anew in every run.
func TestKilledWritersLoseNothingAcknowledged(t *testing.T) {
	t.Parallel()
	rounds, roundsInOneFolder := 30, 5
	if !thorough {
		rounds = 10
	}
	var dir string
	var here map[uint64]bool // by seed: false when it may be there or not
	for round := range rounds {
		if round%roundsInOneFolder == 0 {
			if dir != "" {
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
			}
			dir, here = t.TempDir(), map[uint64]bool{}
		}
		gone := killOnce(t, dir, here)
		verifyAfterCrash(t, dir, here, gone)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

// killOnce runs a writer, kills it, and notes what it has acknowledged.
func killOnce(t *testing.T, dir string, here map[uint64]bool) (gone []uint64) {
	t.Helper()
	writer := exec.Command(os.Args[0], "-test.run=^$")
	writer.Env = append(os.Environ(), crashDir+"="+dir)
	var complaint bytes.Buffer
	writer.Stderr = &complaint
	out, err := writer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); line != "open\n" {
		t.Fatalf("the writer does not start: %q, %v, %s", line, err, complaint.String())
	}
	var timer sync.WaitGroup
	after := time.Duration(rand.IntN(80_000)) * time.Microsecond
	timer.Go(func() {
		<-time.After(after)
		if err := writer.Process.Kill(); err != nil {
			t.Error(err)
		}
	})
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // a line that is cut off was never said
			if !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			break
		}
		var seed uint64
		if _, err := fmt.Sscanf(line[1:], "%d\n", &seed); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		switch line[0] {
		case '+':
			here[seed] = true
		case '?':
			here[seed] = false
		case '-':
			delete(here, seed)
			gone = append(gone, seed)
		}
	}
	timer.Wait()
	_ = writer.Wait() // it says that the process was killed
	if complaint.Len() > 0 {
		t.Fatalf("the writer failed before it was killed: %s", complaint.String())
	}
	return gone
}

func verifyAfterCrash(t *testing.T, dir string, here map[uint64]bool, gone []uint64) {
	t.Helper()
	s, err := Open(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for seed, sure := range here {
		cid, want, class := crashBlock(seed)
		got, err := s.Get(t.Context(), cid)
		switch {
		case err == nil && !bytes.Equal(got, want):
			t.Errorf("block %d: other bytes than were put", seed)
		case err != nil && (sure || !errors.Is(err, sds.ErrNotFound)):
			t.Errorf("block %d of %d bytes in class %d: %v", seed, len(want), class, err)
		}
	}
	for _, seed := range gone {
		cid, _, _ := crashBlock(seed)
		if has, err := s.Has(t.Context(), cid); has || err != nil {
			t.Errorf("deleted block %d: Has is %v, %v", seed, has, err)
		}
	}
	verifyAll(t, s)
	if left, err := os.ReadDir(s.files.at(tempName)); err != nil || len(left) != 0 {
		t.Errorf("temporary files: %v, %v", left, err)
	}
}

// verifyAll reads every block there is and checks the budgets against them.
func verifyAll(t *testing.T, s *Store) {
	t.Helper()
	var sum [2]budget
	err := s.List(t.Context(), func(info sds.Info) error {
		block, err := s.Get(t.Context(), info.CID)
		if err != nil {
			return err
		}
		if sds.Sum(info.CID.Codec, block) != info.CID {
			return fmt.Errorf("%s is served with other bytes", info.CID)
		}
		sum[info.Class] = sum[info.Class].plus(info.Size, 1)
		return nil
	})
	if err != nil {
		t.Errorf("a block does not read: %v", err)
	}
	if got := [2]budget{s.used(sds.Cached), s.used(sds.Pinned)}; got != sum {
		t.Errorf("usage: got %v, want %v", got, sum)
	}
}
