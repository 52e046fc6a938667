package journal_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stratos-mesh/stratos/meta/journal"
	"github.com/stratos-mesh/stratos/meta/journal/journaltest"
)

func openAt(t *testing.T, dir string) *journal.File {
	t.Helper()
	f, err := journal.OpenFile(journal.Config{Dir: dir, SegmentBytes: 1000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func appendSome(t *testing.T, f *journal.File, n int) {
	t.Helper()
	for i := range n {
		if _, err := f.Append(t.Context(), journaltest.Record(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
}

func says(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

func snapshotOf(t *testing.T, f *journal.File) string {
	t.Helper()
	var text []byte
	err := f.Snapshot(func(r io.Reader) (err error) {
		text, err = io.ReadAll(r)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestASnapshotStandsForTheRecordsBeforeIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := openAt(t, dir)
	appendSome(t, f, 50)
	before, _ := f.Sizes()
	if err := f.Compact(t.Context(), 40, says("forty")); err != nil {
		t.Fatal(err)
	}
	if after, _ := f.Sizes(); after >= before/2 {
		t.Errorf("%d bytes of segments, %d before", after, before)
	}
	for round := range 2 {
		if got := heights(t, f, 40); len(got) != 10+10*round || got[0] != 41 {
			t.Errorf("heights after the snapshot %v", got)
		}
		if err := f.Read(t.Context(), 0, func(*journal.Record) error { return nil }); !errors.Is(err, journal.ErrCompacted) {
			t.Errorf("reading what is gone: %v", err)
		}
		if f.Base() != 40 || snapshotOf(t, f) != "forty" {
			t.Errorf("base %d, snapshot %q", f.Base(), snapshotOf(t, f))
		}
		if round == 0 {
			appendSome(t, f, 10)
			f.Close()
			f = openAt(t, dir)
		}
	}
	if err := f.Compact(t.Context(), 40, says("again")); err == nil {
		t.Error("compacted to where it is")
	}
	if err := f.Compact(t.Context(), 61, says("beyond")); err == nil {
		t.Error("compacted beyond the end")
	}
	if err := f.Compact(t.Context(), 60, func(io.Writer) error { return io.ErrShortWrite }); !errors.Is(err, io.ErrShortWrite) || f.Base() != 40 {
		t.Errorf("a snapshot that could not be written: %v, base %d", err, f.Base())
	}
	if err := f.Compact(t.Context(), 60, says("sixty")); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if f = openAt(t, dir); f.Height() != 60 || snapshotOf(t, f) != "sixty" {
		t.Errorf("height %d, snapshot %q", f.Height(), snapshotOf(t, f))
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.snapshot*")); len(left) != 1 {
		t.Errorf("snapshots left: %v", left)
	}
}

// Whatever was on the disk when the process ended between two steps of a
// compaction, the journal opens with every fact: from the records, or from the
// snapshot.
func TestACompactionThatWasCutOffLeavesAJournalThatOpens(t *testing.T) {
	t.Parallel()
	whole, done := t.TempDir(), t.TempDir()
	f := openAt(t, whole)
	appendSome(t, f, 50)
	f.Close()
	if err := os.CopyFS(done, os.DirFS(whole)); err != nil {
		t.Fatal(err)
	}
	f = openAt(t, done)
	if err := f.Compact(t.Context(), 50, says(strings.Repeat("all ", 100))); err != nil {
		t.Fatal(err)
	}
	f.Close()
	name := fmt.Sprintf("%020d.snapshot", 50)
	text, err := os.ReadFile(filepath.Join(done, name))
	if err != nil {
		t.Fatal(err)
	}
	at := func(prepare func(dir string)) *journal.File {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
			t.Fatal(err)
		}
		prepare(dir)
		return openAt(t, dir)
	}
	for n := 0; n <= len(text); n += 7 { // while it was written aside
		f := at(func(dir string) { os.WriteFile(filepath.Join(dir, name+".new"), text[:n], 0o600) })
		if f.Base() != 0 || len(heights(t, f, 0)) != 50 {
			t.Fatalf("%d bytes of a snapshot: base %d, %d records", n, f.Base(), len(heights(t, f, 0)))
		}
		f.Close()
	}
	segments, _ := filepath.Glob(filepath.Join(whole, "*.journal"))
	for n := range segments { // after the rename, while segments went
		f := at(func(dir string) {
			os.WriteFile(filepath.Join(dir, name), text, 0o600)
			for _, s := range segments[:n] {
				os.Remove(filepath.Join(dir, filepath.Base(s)))
			}
		})
		if f.Base() != 50 || f.Height() != 50 {
			t.Fatalf("%d segments gone: base %d, height %d", n, f.Base(), f.Height())
		}
		appendSome(t, f, 1)
		f.Close()
	}
	// A snapshot that was synced and is not what it was is damage, and said.
	for _, i := range []int{0, 10, 20, 30, len(text) - 20, len(text) - 1} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(done)); err != nil {
			t.Fatal(err)
		}
		flipped := append([]byte{}, text...)
		flipped[i] ^= 1
		os.WriteFile(filepath.Join(dir, name), flipped, 0o600)
		if _, err := journal.OpenFile(journal.Config{Dir: dir}); !errors.Is(err, journal.ErrDamaged) {
			t.Errorf("byte %d flipped: %v", i, err)
		}
	}
	// So are segments that begin too late for it.
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
		t.Fatal(err)
	}
	os.Remove(segments[0])
	if err := os.Remove(filepath.Join(dir, filepath.Base(segments[0]))); err != nil {
		t.Fatal(err)
	}
	if _, err := journal.OpenFile(journal.Config{Dir: dir}); !errors.Is(err, journal.ErrDamaged) {
		t.Errorf("no snapshot and no first segment: %v", err)
	}
}
