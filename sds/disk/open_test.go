package disk

import (
	"encoding/binary"
	"os"
	"runtime"
	"testing"

	"github.com/stratos-mesh/stratos/sds"
)

// TestOpeningALargeStoreNeedsLittleMemory opens a store of 100,000 entries, a
// tenth of them files, and looks at what stays in memory.
func TestOpeningALargeStoreNeedsLittleMemory(t *testing.T) {
	if testing.Short() || !thorough {
		t.Skip("writes ten thousand files")
	}
	dir := t.TempDir()
	s, err := Open(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	const entries, withFile = 100_000, 10_000
	b := s.index.batch()
	for i := range uint64(entries) {
		cid := sds.CID{Codec: sds.Raw}
		binary.BigEndian.PutUint64(cid.Digest[:], (i+1)*0x9E3779B97F4A7C15)
		e := entry{inline: i >= withFile, size: sds.SliceSize, stored: 1, used: int64(i), class: sds.Class(i % 2)}
		if !e.inline {
			if err := s.files.fs.MkdirAll(s.files.shard(e.class, cid.Digest[0]), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(s.files.block(e.class, cid), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.put(cid, e, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.commit(true); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before := heap()
	s = openTest(t, Config{Dir: dir})
	grown := heap() - before
	pinned, cached := s.Usage()
	if pinned.Blocks+cached.Blocks != entries || s.Stats().Dropped+s.Stats().Adopted != 0 {
		t.Fatalf("stats: got %+v, want %d blocks as they were", s.Stats(), entries)
	}
	// Pebble's memory tables and cache are most of it; 100 bytes an entry would
	// be 10 MB more.
	if grown > 24<<20 {
		t.Fatalf("the heap has grown by %d bytes, want less than 24 MiB", grown)
	}
	t.Logf("heap grown by %d KiB", grown>>10)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func FuzzEntry(f *testing.F) {
	f.Add(entry{class: sds.Pinned, size: 5, stored: 1, used: 2}.encode())
	f.Add([]byte{1, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEntry(b)
		if err == nil && string(e.encode()) != string(b) {
			t.Fatalf("%x decodes to %+v, which encodes to %x", b, e, e.encode())
		}
	})
}

func FuzzKey(f *testing.F) {
	cid := sds.Sum(sds.Raw, nil)
	f.Add(entryKey(cid))
	f.Add(usedKey(7, cid))
	f.Fuzz(func(t *testing.T, b []byte) {
		if cid, err := idOf(b); err == nil && string(appendID(nil, cid)) != string(b[len(b)-idSize:]) {
			t.Fatalf("%x is read as %v", b, cid)
		}
	})
}
