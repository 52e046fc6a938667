package journal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stratos-mesh/stratos/meta/journal"
	"github.com/stratos-mesh/stratos/meta/journal/journaltest"
)

func open(t *testing.T, dir string, segment int64) *journal.File {
	t.Helper()
	f, err := journal.OpenFile(journal.Config{Dir: dir, SegmentBytes: segment})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestFile(t *testing.T) {
	t.Parallel()
	for _, segment := range []int64{0, 300} {
		t.Run(fmt.Sprintf("segments of %d", segment), func(t *testing.T) {
			t.Parallel()
			journaltest.Run(t, func(t *testing.T) journal.Journal { return open(t, t.TempDir(), segment) })
		})
	}
}

// fill appends texts, a record each, and returns what is read afterwards.
func fill(t *testing.T, f *journal.File, count int) {
	t.Helper()
	for i := range count {
		if _, err := f.Append(t.Context(), journaltest.Record(fmt.Sprint("text ", i))); err != nil {
			t.Fatal(err)
		}
	}
}

func heights(t *testing.T, f *journal.File, after uint64) (out []uint64) {
	t.Helper()
	err := f.Read(t.Context(), after, func(rec *journal.Record) error {
		out = append(out, rec.Height)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAJournalIsTheSameAfterItWasOpenedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := open(t, dir, 1000)
	fill(t, f, 700) // more than two marks of a segment would need, over many files
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f = open(t, dir, 0)
	fill(t, f, 600)
	for _, after := range []uint64{0, 1, 255, 256, 257, 699, 700, 1000, 1299, 1300} {
		got := heights(t, f, after)
		if len(got) != 1300-int(after) || len(got) > 0 && got[0] != after+1 {
			t.Fatalf("after %d: %d records from %v", after, len(got), got[:min(len(got), 1)])
		}
	}
}

func TestASecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := open(t, dir, 0)
	if _, err := journal.OpenFile(journal.Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("opened twice: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, 0)
}

func TestAClosedJournalSaysSo(t *testing.T) {
	t.Parallel()
	f := open(t, t.TempDir(), 0)
	waited := make(chan error)
	go func() {
		_, err := f.Wait(context.Background(), 0)
		waited <- err
	}()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Append(t.Context(), journaltest.Record("x")); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("append: %v, want ErrClosed", err)
	}
	if err := <-waited; !errors.Is(err, journal.ErrClosed) {
		t.Errorf("wait: %v, want ErrClosed", err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}

func segments(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.journal"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return files
}

// A crash may leave any part of the last write. Whatever is cut off, the journal
// opens with all records before, and goes on.
func TestATornTailIsCutOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := open(t, dir, 0)
	fill(t, f, 3)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	path := segments(t, dir)[0]
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	size := (len(whole) - 24) / 3
	for n := 0; n < len(whole); n++ {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := journal.OpenFile(journal.Config{Dir: dir})
		if err != nil {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
		want := max(0, n-24) / size
		if got := int(f.Height()); got != want {
			t.Fatalf("cut after %d bytes: height %d, want %d", n, got, want)
		}
		fill(t, f, 1)
		if got := len(heights(t, f, 0)); got != want+1 {
			t.Fatalf("cut after %d bytes and gone on: %d records, want %d", n, got, want+1)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestZerosAtTheEndAreATornTail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := open(t, dir, 0)
	fill(t, f, 2)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	path := segments(t, dir)[0]
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(whole, make([]byte, 5000)...), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := open(t, dir, 0).Height(); got != 2 {
		t.Errorf("height %d, want 2", got)
	}
}

// Of one write, a later part may reach the disk and an earlier one not.
func TestAWriteThatReachedTheDiskInPartsIsATornTail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := open(t, dir, 0)
	fill(t, f, 1)
	records := []*journal.Record{journaltest.Record("a"), journaltest.Record("b"), journaltest.Record("c")}
	if _, err := f.Append(t.Context(), records...); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	path := segments(t, dir)[0]
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	size := (len(whole) - 24) / 4
	whole[24+size+30] ^= 1 // in "a"
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := open(t, dir, 0).Height(); got != 1 {
		t.Errorf("height %d, want 1", got)
	}
}

// A record that was acknowledged and is no longer readable is not passed over:
// whichever byte of it is wrong, the error says where and what to do.
func TestDamageInTheMiddleIsAnErrorThatSaysWhatToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := open(t, dir, 0)
	fill(t, f, 4)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	path := segments(t, dir)[0]
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	size := (len(whole) - 24) / 4
	for i := 24 + size; i < 24+2*size; i++ {
		spoiled := bytes.Clone(whole)
		spoiled[i] ^= 0x10
		if err := os.WriteFile(path, spoiled, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := journal.OpenFile(journal.Config{Dir: dir})
		if !errors.Is(err, journal.ErrDamaged) || !strings.Contains(err.Error(), "record 2") || !strings.Contains(err.Error(), "Restore") {
			t.Fatalf("byte %d: %v", i, err)
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, spoiled) {
			t.Fatal("a damaged journal was changed")
		}
	}
}

func TestDamageInAnOlderSegmentIsFound(t *testing.T) {
	t.Parallel()
	for why, spoil := range map[string]func(path string) error{
		"a byte changed":   func(path string) error { return flip(path, 60) },
		"its header":       func(path string) error { return flip(path, 9) },
		"its end cut off":  func(path string) error { return os.Truncate(path, 100) },
		"the file is gone": os.Remove,
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			f := open(t, dir, 200)
			fill(t, f, 9)
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			if err := spoil(segments(t, dir)[1]); err != nil {
				t.Fatal(err)
			}
			if _, err := journal.OpenFile(journal.Config{Dir: dir}); !errors.Is(err, journal.ErrDamaged) {
				t.Errorf("got %v, want ErrDamaged", err)
			}
		})
	}
}

func flip(path string, at int) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[at] ^= 1
	return os.WriteFile(path, b, 0o600)
}

func FuzzDecode(f *testing.F) {
	for _, entry := range journaltest.Entries() {
		rec := &journal.Record{Authority: 1, Entry: entry}
		rec.Sign(journaltest.Key(), journaltest.ChainID)
		f.Add(rec.Encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, err := journal.Decode(b)
		if err == nil && !bytes.Equal(rec.Encode(), b) {
			t.Fatalf("%x decodes and encodes to %x", b, rec.Encode())
		}
	})
}

// Any bytes in a segment file: the journal opens or is refused, and what it then
// reads it has checked.
func FuzzOpenFile(f *testing.F) {
	dir := f.TempDir()
	j, err := journal.OpenFile(journal.Config{Dir: dir})
	if err != nil {
		f.Fatal(err)
	}
	for i := range 3 {
		if _, err := j.Append(context.Background(), journaltest.Record(fmt.Sprint(i))); err != nil {
			f.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%020d.journal", 1)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%020d.journal", 1)), b, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := journal.OpenFile(journal.Config{Dir: dir})
		if err != nil {
			return
		}
		defer j.Close()
		var count uint64
		if err := j.Read(t.Context(), 0, func(*journal.Record) error { count++; return nil }); err == nil && count != j.Height() {
			t.Fatalf("read %d records, height %d", count, j.Height())
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	f, err := journal.OpenFile(journal.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	rec := journaltest.Record("x")
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := f.Append(context.Background(), rec); err != nil {
				b.Error(err)
			}
		}
	})
}
