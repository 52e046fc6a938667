package disk

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stratos-mesh/stratos/sds"
)

const damageBlocks = 12

// damageBlock is small, and one in three has a file: many copies of the store
// are made.
func damageBlock(seed uint64) (sds.CID, []byte, sds.Class) {
	size := int(seed) * 40
	if seed%3 == 0 {
		size = inlineBelow + int(seed)
	}
	cid, b := block(seed, size)
	return cid, b, sds.Class(seed / 3 % 2)
}

// filled makes a store with blocks of all kinds and returns its file system,
// with the store closed or as a kill would leave it.
func filled(t *testing.T, closed bool) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewCrashableMem()
	s := openMem(t, fs, Config{})
	for seed := range uint64(damageBlocks) {
		cid, b, class := damageBlock(seed)
		if err := s.Put(t.Context(), cid, b, class); err != nil {
			t.Fatal(err)
		}
		if seed == damageBlocks/2 { // some of the index in a table, some in its log
			if err := s.index.db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if closed {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return clone(fs)
	}
	killed := clone(fs)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return killed
}

func clone(fs *vfs.MemFS) *vfs.MemFS {
	return fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
}

// tree lists the files below a folder.
func tree(t *testing.T, fs vfs.FS, dir string) (names []string) {
	t.Helper()
	list, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range list {
		name = path.Join(dir, name)
		info, err := fs.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			names = append(names, tree(t, fs, name)...)
		} else {
			names = append(names, name)
		}
	}
	return names
}

// damage is a way to spoil the bytes of a file.
type damage struct {
	name  string
	apply func(b []byte, at int) []byte
}

var damages = []damage{
	{"cut", func(b []byte, at int) []byte { return b[:at] }},
	{"bit flipped", func(b []byte, at int) []byte { b[at] ^= 1 << (at % 8); return b }},
	{"zeros from here", func(b []byte, at int) []byte { clear(b[at:]); return b }},
	{"noise from here", func(b []byte, at int) []byte {
		fill(rand.New(rand.NewPCG(uint64(at), 3)), b[at:min(len(b), at+64)])
		return b
	}},
}

// Whatever happens to a file of a store: it opens, or says why not, and never
// serves bytes that are not what was put. Blocks with a file of their own do not
// depend on the index.
func TestADamagedFileNeverMakesTheStoreLie(t *testing.T) {
	t.Parallel()
	for _, closed := range []bool{true, false} {
		whole := filled(t, closed)
		for _, name := range tree(t, whole, "/store") {
			t.Run(fmt.Sprintf("closed=%v%s", closed, strings.TrimPrefix(name, "/store")), func(t *testing.T) {
				t.Parallel()
				damageAt(t, whole, name)
			})
		}
	}
}

func damageAt(t *testing.T, whole *vfs.MemFS, name string) {
	b, err := files{fs: whole}.read(name, sds.MaxBlockSize)
	if err != nil {
		t.Fatal(err)
	}
	positions := []int{0, len(b) / 2, len(b) - 1}
	if thorough && strings.Contains(name, indexName) { // its format is not ours: look closer
		for at := 0; at < len(b); at += max(1, min(61, len(b)/24)) {
			positions = append(positions, at)
		}
	}
	for _, at := range positions {
		if at < 0 || at >= len(b) {
			continue
		}
		for _, d := range damages {
			fs := clone(whole)
			spoilt(t, fs, name, d.apply(bytes.Clone(b), at))
			if !honest(t, fs, name) {
				t.Fatalf("%s at %d of %d", d.name, at, len(b))
			}
		}
	}
}

// spoilt writes other bytes into a file.
func spoilt(t *testing.T, fs vfs.FS, name string, b []byte) {
	t.Helper()
	f, err := files{fs: fs}.write(name, b)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestALostFileNeverMakesTheStoreLie(t *testing.T) {
	t.Parallel()
	for _, closed := range []bool{true, false} {
		whole := filled(t, closed)
		for _, name := range tree(t, whole, "/store") {
			fs := clone(whole)
			if err := fs.Remove(name); err != nil {
				t.Fatal(err)
			}
			if !honest(t, fs, name) {
				t.Fatalf("closed=%v without %s", closed, name)
			}
		}
	}
}

func TestABrokenIndexIsMadeAnewAndKeptAside(t *testing.T) {
	t.Parallel()
	fs := filled(t, true)
	for _, name := range tree(t, fs, "/store/index") {
		if path.Ext(name) == ".sst" {
			spoilt(t, fs, name, []byte("no table"))
		}
	}
	s := openMem(t, fs, Config{})
	defer s.Close()
	stats := s.Stats()
	if !stats.IndexRebuilt || stats.Adopted != damageBlocks/3 {
		t.Fatalf("stats: got %+v, want a rebuilt index with %d files adopted", stats, damageBlocks/3)
	}
	if names := tree(t, fs, s.files.at(quarantineDir, indexName)); len(names) == 0 {
		t.Fatal("the old index is not kept")
	}
	classes := map[sds.CID]sds.Class{}
	if err := s.List(t.Context(), func(info sds.Info) error { classes[info.CID] = info.Class; return nil }); err != nil {
		t.Fatal(err)
	}
	for seed := uint64(0); seed < damageBlocks; seed += 3 {
		cid, _, class := damageBlock(seed)
		if got, there := classes[cid]; !there || got != class {
			t.Errorf("block %d: there %v in class %d, want class %d", seed, there, got, class)
		}
	}
	put(t, s, 1000, 10, sds.Pinned)
	wantBlock(t, s, 1000, 10)
}

// honest opens a damaged store and looks whether it lies.
func honest(t *testing.T, fs vfs.FS, damaged string) bool {
	t.Helper()
	s, err := open(Config{Dir: "/store", MinFree: -1}, fs, systemClock)
	if err != nil {
		// Only the file that says what the folder is may keep it shut.
		if path.Base(damaged) != formatName {
			t.Errorf("open: %v", err)
		}
		return !t.Failed()
	}
	for seed := range uint64(damageBlocks) {
		cid, want, class := damageBlock(seed)
		got, err := s.Get(t.Context(), cid)
		switch {
		case err == nil && !bytes.Equal(got, want):
			t.Errorf("block %d: other bytes than were put", seed)
		case err != nil && len(want) >= inlineBelow && damaged != s.files.block(class, cid):
			t.Errorf("block %d of %d bytes, whose file is whole: %v", seed, len(want), err)
		case err != nil && !errors.Is(err, sds.ErrNotFound) && !errors.Is(err, sds.ErrCorrupt):
			t.Logf("block %d: %v", seed, err)
		}
	}
	_ = s.Close() // what a damaged index says to that is no matter
	return !t.Failed()
}
