package e2e

import (
	"bytes"
	"testing"
	"time"
)

func TestAPublishedFolderReadsBackByteForByte(t *testing.T) {
	n := start(t, "--edges", "5")
	files := map[string][]byte{
		"index.html":      []byte("<h1>hello</h1>"),
		"empty.txt":       {},
		"one-slice.bin":   content(1, 1<<20),
		"more.bin":        content(2, 5<<20+17),
		"deep/er/ä b.txt": []byte("spaces and UTF-8 in the path"),
	}
	n.stratos("put", folder(t, files), "demo/site")
	for path, want := range files {
		if got := n.fetch("demo/site/"+path, 10*time.Second); !bytes.Equal(got, want) {
			t.Errorf("%s: got %d bytes, want %d, or others", path, len(got), len(want))
		}
	}
}

func TestTwoOfFiveEdgesMayDie(t *testing.T) {
	n := start(t, "--edges", "5")
	files := map[string][]byte{"a.bin": content(3, 3<<20), "b.txt": []byte("b"), "c/d.bin": content(4, 10_000)}
	n.stratos("put", folder(t, files), "demo/site")
	n.kill("edge-1", "edge-2")
	for path, want := range files {
		if got := n.fetch("demo/site/"+path, 5*time.Second); !bytes.Equal(got, want) {
			t.Errorf("%s: got %d bytes, want %d, or others", path, len(got), len(want))
		}
	}
}
