package disk

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stratos-mesh/stratos/sds"
)

// lay writes a file into a store's folder, as a crash may have left it.
func lay(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestWhatACrashLeavesIsMended(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	const size = 100_000
	put(t, s, 1, size, sds.Cached)
	put(t, s, 2, size, sds.Pinned)
	lost := put(t, s, 3, size, sds.Pinned)
	f := s.files
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	// An entry without a file; a promotion that did not come to its end.
	if err := os.Remove(f.block(sds.Pinned, lost)); err != nil {
		t.Fatal(err)
	}
	promoted, b := block(1, size)
	lay(t, f.block(sds.Pinned, promoted), b)
	if err := os.Remove(f.block(sds.Cached, promoted)); err != nil {
		t.Fatal(err)
	}
	// Files without an entry: good, torn, empty, too large, in both folders.
	good, b := block(10, size)
	lay(t, f.block(sds.Pinned, good), b)
	torn, b := block(11, size)
	lay(t, f.block(sds.Cached, torn), append(b[:size/2:size/2], make([]byte, size/2)...))
	empty, _ := block(12, size)
	lay(t, f.block(sds.Cached, empty), nil)
	large, b := block(13, sds.MaxBlockSize+1)
	lay(t, f.block(sds.Cached, large), b)
	double, b := block(14, size)
	lay(t, f.block(sds.Cached, double), b)
	lay(t, f.block(sds.Pinned, double), b)
	// Things that are no blocks.
	lay(t, f.temp(7), []byte("half a blo"))
	lay(t, f.at(tempName, "folder", "file"), []byte("?"))
	stranger := f.shard(sds.Pinned, 0) + "/notes.txt"
	lay(t, stranger, []byte("not ours"))
	misplaced, b := block(15, size)
	lay(t, f.shard(sds.Pinned, misplaced.Digest[0]+1)+"/"+misplaced.String(), b)

	s = openTest(t, Config{Dir: dir})
	classes := map[sds.CID]sds.Class{}
	if err := s.List(t.Context(), func(info sds.Info) error { classes[info.CID] = info.Class; return nil }); err != nil {
		t.Fatal(err)
	}
	kept, _ := block(2, size)
	want := map[sds.CID]sds.Class{promoted: sds.Cached, kept: sds.Pinned, good: sds.Pinned, double: sds.Pinned}
	for cid, class := range want {
		if got, there := classes[cid]; !there || got != class {
			t.Errorf("%s: there %v in class %d, want class %d", cid, there, got, class)
		}
	}
	if len(classes) != len(want) {
		t.Errorf("listed: got %v, want %v", classes, want)
	}
	verifyAll(t, s)
	stats := s.Stats()
	if stats.TempsRemoved != 2 || stats.Adopted != 2 || stats.Dropped != 4 || stats.IndexRebuilt {
		t.Errorf("stats: got %+v, want 2 temporaries, 2 adopted, 4 dropped", stats)
	}
	for _, name := range []string{f.block(sds.Cached, torn), f.block(sds.Cached, double), f.temp(7)} {
		if _, err := os.Stat(name); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: got %v, want it gone", name, err)
		}
	}
	if _, err := os.Stat(stranger); err != nil {
		t.Error(err)
	}
}

func TestQuarantineKeepsTheNewest(t *testing.T) {
	t.Parallel()
	s := openTest(t, Config{QuarantineFiles: 3})
	for seed := range uint64(8) {
		cid := put(t, s, seed, 70_000, sds.Pinned)
		flip(t, s.files.block(sds.Pinned, cid), 5)
		if _, err := s.Get(t.Context(), cid); !errors.Is(err, sds.ErrCorrupt) {
			t.Fatalf("Get: got %v, want ErrCorrupt", err)
		}
	}
	names, err := os.ReadDir(s.files.at(quarantineDir))
	if err != nil || len(names) != 3 {
		t.Fatalf("quarantine: got %v, %v, want 3 files", names, err)
	}
}

func TestAnotherFormatIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lay(t, filepath.Join(dir, formatName), []byte("stratos disk store 2\n"))
	if s, err := Open(Config{Dir: dir}); err == nil {
		s.Close()
		t.Fatal("a folder of another format was opened")
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 {
		t.Fatalf("folder: got %v, %v, want it as it was", names, err)
	}
}
