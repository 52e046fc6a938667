package e2e

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

func TestWhatWasRevokedByItsOwnerCanBePublishedAgain(t *testing.T) {
	n := start(t, "--edges", "3")
	want := content(80, 2<<20)
	file := folderFile(t, "a.bin", want)
	n.stratos("put", file, "undo/a.bin")
	n.stratos("rm", "--now", "undo/a.bin")
	for i := range n.Edges {
		eventually(t, 15*time.Second, "the revocation is in force", func() error {
			if n.edge(i).Revocation == 0 {
				return errors.New("not heard yet")
			}
			return nil
		})
	}
	n.stratos("put", file, "undo/a.bin")
	if got := n.fetch("undo/a.bin", 15*time.Second); !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, want %d, or others", len(got), len(want))
	}
}
