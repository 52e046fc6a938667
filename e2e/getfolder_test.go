package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAFolderComesBackWholeWhileAnEdgeIsKilled(t *testing.T) {
	n := start(t, "--edges", "4")
	files := map[string][]byte{"film.bin": content(90, 96<<20), "empty": {}}
	for i := range 3000 {
		// All in one folder: it is sharded.
		files[fmt.Sprintf("many/file %04d.txt", i)] = fmt.Appendf(nil, "content of file %d\n", i)
	}
	dir := folder(t, files)
	n.stratos("put", dir, "back/folder")
	n.replicated(20*time.Second, 3)
	root := strings.TrimSpace(n.stratos("root", dir))

	out := filepath.Join(t.TempDir(), "out")
	cmd := exec.CommandContext(t.Context(), program, "get", "back/folder", "-o", out, "--root", root, "--dir", n.dir)
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := ""
	eventually(t, 20*time.Second, "an edge has the session", func() error {
		for i := range n.Edges {
			if n.edge(i).Sessions > 0 {
				killed = fmt.Sprintf("edge-%d", i+1)
				return nil
			}
		}
		return fmt.Errorf("none has")
	})
	n.kill(killed)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("get: %v\n%s", err, said.String())
	}
	if got := strings.TrimSpace(n.stratos("root", out)); got != root {
		t.Errorf("root %s came back, want %s\n%s", got, root, said.String())
	}
	t.Logf("%s was killed: %s", killed, said.String())
	// Once more: all is there.
	if again := n.stratos("get", "back/folder/many", "-o", filepath.Join(out, "many"), "--json"); !strings.Contains(again, `"fetched":0`) {
		t.Errorf("the second run fetched again: %s", again)
	}
}
