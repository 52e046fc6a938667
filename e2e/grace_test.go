package e2e

import (
	"bytes"
	"fmt"
	"io/fs"
	"path/filepath"
	"testing"
	"time"
)

func TestContentSharedWithARemovedNameStays(t *testing.T) {
	n := start(t, "--edges", "3", "--grace", "3s")
	common, alone := content(60, 4<<20+5), content(61, 6<<20)
	n.stratos("put", folder(t, map[string][]byte{"common.bin": common, "alone.bin": alone}), "share/removed")
	n.stratos("put", folder(t, map[string][]byte{"deep/common.bin": common, "own.txt": []byte("own")}), "share/folder")
	n.stratos("put", folderFile(t, "loose.bin", common), "share/loose.bin")
	n.replicated(20*time.Second, 3)
	before := n.sliceBytes()

	n.stratos("rm", "share/removed")
	if after := n.sliceBytes(); after != before {
		t.Errorf("%d bytes of slices right after the removal, want %d as before: it rests for the grace", after, before)
	}
	// Each of three edges gives back what only the removed folder had.
	want := before - 3*int64(len(alone))
	eventually(t, 30*time.Second, "the disks shrink", func() error {
		if now := n.sliceBytes(); now > want {
			return fmt.Errorf("%d bytes of slices, want %d", now, want)
		}
		return nil
	})
	if now := n.sliceBytes(); now != want {
		t.Errorf("%d bytes of slices after the sweep, want %d: shared slices stay", now, want)
	}

	n.kill("edge-1", "edge-2", "edge-3") // memory caches must not help
	n.up("--grace", "3s")
	for _, from := range []string{"198.18.0.9", "198.18.1.9", "198.18.2.9"} {
		for path, want := range map[string][]byte{
			"share/folder/deep/common.bin": common, "share/folder/own.txt": []byte("own"), "share/loose.bin": common,
		} {
			if got := n.fetchFrom(path, from, 10*time.Second); !bytes.Equal(got, want) {
				t.Errorf("%s from %s: got %d bytes, want %d, or others", path, from, len(got), len(want))
			}
		}
	}
}

// sliceBytes counts the files of whole slices on the disks of all edges; smaller
// blocks are packed and go when their store compacts.
func (n *network) sliceBytes() (sum int64) {
	n.t.Helper()
	for _, e := range n.Edges {
		err := filepath.WalkDir(e.Dir, func(_ string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return nil // files come and go under a running store
			}
			if info, err := entry.Info(); err == nil && info.Size() == 1<<20 {
				sum += info.Size()
			}
			return nil
		})
		if err != nil {
			n.t.Fatal(err)
		}
	}
	return sum
}
