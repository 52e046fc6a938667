package viewstore_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stratos-mesh/stratos/meta/viewstore"
)

const crashDir = "STRATOS_TEST_CRASH_DIR"

// pairs is how many keys every batch of the crash test keeps in step.
const pairs = 40

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		writeUntilKilled(dir)
		return
	}
	os.Exit(m.Run())
}

// writeUntilKilled counts a height up, with as many keys beside it in the same
// batch, and says so when it has begun.
func writeUntilKilled(dir string) {
	ctx := context.Background()
	s, err := viewstore.Open(dir)
	if err != nil {
		panic(err)
	}
	scope := s.Scope("a")
	if _, err := scope.Begin(ctx); err != nil {
		panic(err)
	}
	var height uint64
	if old, err := scope.Get(ctx, "height"); err == nil {
		height = binary.BigEndian.Uint64(old)
	}
	for n := 0; ; n++ {
		height++
		value := binary.BigEndian.AppendUint64(nil, height)
		var b viewstore.Batch
		b.Set("height", value, 0)
		for i := range pairs {
			b.Set(fmt.Sprint("key", i), append(value, make([]byte, 2000)...), 0)
		}
		if err := scope.Apply(ctx, &b); err != nil {
			panic(err)
		}
		if n == 20 {
			fmt.Println("writing")
		}
	}
}

// After kill -9 a store opens, and is what it was after some whole batch.
func TestEmbeddedKilledInMidWrite(t *testing.T) {
	t.Parallel()
	dir, last := t.TempDir(), uint64(0)
	for range 8 {
		command := exec.Command(os.Args[0])
		command.Env = append(os.Environ(), crashDir+"="+dir)
		out, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		if !bufio.NewScanner(out).Scan() {
			t.Error("the writer ended by itself")
		}
		command.Process.Kill()
		command.Wait()

		s := openEmbedded(t, viewstore.Config{Dir: dir})
		scope := begin(t, s, "a", false)
		raw, err := scope.Get(t.Context(), "height")
		if err != nil {
			t.Fatal(err)
		}
		height := binary.BigEndian.Uint64(raw)
		if height < last {
			t.Errorf("height went from %d to %d", last, height)
		}
		last = height
		entries, err := scope.Scan(t.Context(), "key", "", 1000)
		if err != nil || len(entries) != pairs {
			t.Fatalf("%d keys, %v", len(entries), err)
		}
		for _, entry := range entries {
			if got := binary.BigEndian.Uint64(entry.Value); got != height {
				t.Fatalf("%s is of height %d beside %d", entry.Key, got, height)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
