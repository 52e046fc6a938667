package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestGetGoesOnAtTheNextEdgeWithinOneTransfer(t *testing.T) {
	n := start(t, "--edges", "5")
	want := content(80, 64<<20)
	n.stratos("put", folderFile(t, "film.bin", want), "next/film.bin")
	n.replicated(20*time.Second, 3)

	// A pipe that nobody empties holds the transfer: what the sockets buffer is
	// far less than the file.
	cmd := exec.CommandContext(t.Context(), program, "get", "next/film.bin", "-o", "-", "--dir", n.dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 1<<20, len(want))
	if _, err := io.ReadFull(stdout, got); err != nil {
		t.Fatalf("the first bytes: %v\n%s", err, stderr.String())
	}
	serving := n.serving()
	n.kill(serving)
	rest, err := io.ReadAll(stdout)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("get: %v\n%s", err, stderr.String())
	}
	if !bytes.Equal(append(got, rest...), want) {
		t.Errorf("got %d bytes, want %d, or others", len(got)+len(rest), len(want))
	}
	if !strings.Contains(stderr.String(), "going on at the next edge") {
		t.Errorf("%s was killed and get says only %q", serving, stderr.String())
	}
}

// serving names the one edge that has a session.
func (n *network) serving() (name string) {
	n.t.Helper()
	for i := range n.Edges {
		if n.edge(i).Sessions > 0 {
			if name != "" {
				n.t.Fatalf("both %s and edge-%d have sessions", name, i+1)
			}
			name = fmt.Sprintf("edge-%d", i+1)
		}
	}
	if name == "" {
		n.t.Fatal("no edge has a session")
	}
	return name
}
