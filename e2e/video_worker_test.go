package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// output of a process that may be read while it runs.
type output struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// worker starts `stratos worker` and ends it with the test.
func (n *network) worker(name string) (*exec.Cmd, *output) {
	n.t.Helper()
	said := new(output)
	cmd := exec.CommandContext(n.t.Context(), program, "worker", "--origin", n.Origin, "--key", folderFile(n.t, "key", []byte(n.APIKey)),
		"--dir", n.t.TempDir(), "--name", name, "--jobs", "1")
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, said
}

func (n *network) asset(name string) (a asset) {
	n.t.Helper()
	var answer struct {
		asset
		Video, Coming *asset
	}
	if err := json.Unmarshal([]byte(n.stratos("stat", "--json", name)), &answer); err != nil {
		n.t.Fatal(err)
	}
	switch {
	case answer.Video != nil:
		return *answer.Video
	case answer.Coming != nil:
		return *answer.Coming
	}
	return answer.asset
}

func TestAVideoOutlivesItsWorkers(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	n := start(t, "--edges", "1", "--workers", "0")
	n.putVideo(videoClip(t, "854x480", "16"), "films/film", "--wait", "uploaded")
	busy := func(after float64) {
		t.Helper()
		eventually(t, 60*time.Second, "a worker is in the middle", func() error {
			if a := n.asset("films/film"); a.Progress <= after || a.Progress >= 0.9 {
				return fmt.Errorf("%s, %.0f %%", a.State, a.Progress*100)
			}
			return nil
		})
	}

	first, _ := n.worker("first")
	busy(0)
	// Asked to stop it gives its pieces back, which another takes at once.
	_ = first.Process.Signal(syscall.SIGTERM)
	if err := first.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	at := n.asset("films/film").Progress
	second, _ := n.worker("second")
	asked := time.Now()
	busy(at)
	if took := time.Since(asked); took > 25*time.Second {
		t.Errorf("what the first gave back rested for %s, as if it had been lost", took)
	}

	// Killed, it costs the piece it was at.
	_ = second.Process.Kill()
	_ = second.Wait()
	_, said := n.worker("third")
	eventually(t, 180*time.Second, "the third makes what is left", func() error {
		if a := n.asset("films/film"); a.State != "ready" {
			return fmt.Errorf("%s, %.0f %%: %s", a.State, a.Progress*100, said)
		}
		return nil
	})
	if !strings.Contains(said.String(), "task done") {
		t.Errorf("the third worker says %s", said)
	}
	decodes(t, n.Router+"/films/film/master.m3u8")
}
