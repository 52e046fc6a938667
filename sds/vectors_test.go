package sds_test

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"runtime"
	"testing"

	"github.com/stratos-mesh/stratos/sds"
)

// vectors are the roots that other implementations must make as well.
type vectors struct {
	Files []struct {
		Size int64  `json:"size"`
		Root string `json:"root"`
	} `json:"files"`
	Folders []folderVector `json:"folders"`
}

type folderVector struct {
	Name  string           `json:"name"`
	Files map[string]int64 `json:"files"`
	Count int              `json:"count"`
	Root  string           `json:"root"`
}

func (v folderVector) files() map[string]int64 {
	if v.Count > 0 {
		return many(v.Count)
	}
	return v.Files
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// pattern reads as bytes of which the i-th is i mod 251.
type pattern struct{ at, size int64 }

// period is a multiple of 251 bytes, copied from instead of counted out.
var period = func() []byte {
	b := make([]byte, 251*521)
	for i := range b {
		b[i] = byte(i % 251)
	}
	return b
}()

func (p *pattern) Read(b []byte) (int, error) {
	if p.at == p.size {
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), p.size-p.at)]
	n := copy(b, period[p.at%251:])
	p.at += int64(n)
	return n, nil
}

func discard(context.Context, sds.CID, []byte) error { return nil }

// Not parallel: while it runs no other test allocates.
func TestImportMakesTheRootsThatOthersMakeInLittleMemory(t *testing.T) {
	for _, v := range readVectors(t).Files {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		built, err := sds.Import(t.Context(), &pattern{size: v.Size}, discard)
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatalf("%d bytes: %v", v.Size, err)
		}
		if got := built.Root.String(); got != v.Root {
			t.Errorf("%d bytes: got root %s, want %s", v.Size, got, v.Root)
		}
		if want := max(1, (v.Size+sds.SliceSize-1)/sds.SliceSize); built.Size != v.Size || int64(built.Slices) != want {
			t.Errorf("got %d bytes in %d slices, want %d in %d", built.Size, built.Slices, v.Size, want)
		}
		// All that was ever allocated, freed or not.
		if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(8<<20); got > limit {
			t.Errorf("%d bytes: allocated %d bytes, want at most %d", v.Size, got, limit)
		}
	}
}
