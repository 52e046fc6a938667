package journal_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta/journal"
	"github.com/stratos-mesh/stratos/meta/journal/journaltest"
)

const childDir = "STRATOS_JOURNAL_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := appendForever(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// appendForever is the child: eight writers append, and every height that was
// acknowledged goes to standard output, in one write each.
func appendForever(dir string) error {
	f, err := journal.OpenFile(journal.Config{Dir: dir, SegmentBytes: 20_000})
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := 0; ; i++ {
				height, err := f.Append(context.Background(), journaltest.Record(fmt.Sprint(i)))
				if err != nil {
					return
				}
				if _, err := os.Stdout.Write(binary.BigEndian.AppendUint64(nil, height)); err != nil {
					return
				}
			}
		})
	}
	group.Wait()
	return nil
}

// A process killed at any moment leaves a journal that opens, with everything
// that it acknowledged.
func TestNothingAcknowledgedIsLostWhenTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acknowledged := uint64(0)
	for round := range 25 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childDir+"="+dir)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		// Killed after a random number of acknowledgements and a random moment
		// more.
		kill := rand.IntN(200)
		in := bufio.NewReader(out)
		for n := 0; ; n++ {
			if n == kill {
				time.AfterFunc(rand.N(3*time.Millisecond), func() { child.Process.Kill() })
			}
			var b [8]byte
			if _, err := io.ReadFull(in, b[:]); err != nil {
				break
			}
			acknowledged = max(acknowledged, binary.BigEndian.Uint64(b[:]))
		}
		child.Wait() // killed
		f, err := journal.OpenFile(journal.Config{Dir: dir, SegmentBytes: 20_000})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if f.Height() < acknowledged {
			t.Fatalf("round %d: height %d, yet %d was acknowledged", round, f.Height(), acknowledged)
		}
		if got := uint64(len(heights(t, f, 0))); got != f.Height() {
			t.Fatalf("round %d: %d records are readable of %d", round, got, f.Height())
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if acknowledged == 0 {
		t.Fatal("the children acknowledged nothing")
	}
}
