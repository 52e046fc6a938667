package origin

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/origin/origintest"
	"github.com/stratos-mesh/stratos/origin/work"
	"github.com/stratos-mesh/stratos/transcode"
)

// The test of killed workers starts this test binary again as a worker.
const (
	workerDir    = "STRATOS_ORIGIN_TEST_WORKER"
	workerSocket = "STRATOS_ORIGIN_TEST_SOCKET"
)

// beWorker works, writes down what it begins, and kills itself in the middle of
// the pieces that the folder does not say it died in already.
func beWorker(dir, socket string) error {
	fake := &origintest.Transcoder{Speed: 8, Gate: func(ctx context.Context, task transcode.Task, r string, segment int) error {
		if segment == task.Piece.First && r == task.Renditions[0] {
			if err := appendLine(filepath.Join(dir, "begun"), fmt.Sprintf("%d %s", task.Piece.Index, r)); err != nil {
				return err
			}
		}
		if strings.HasPrefix(r, "video/") && (segment == 4 || segment == 10) {
			died := filepath.Join(dir, fmt.Sprintf("died-%d", segment))
			if f, err := os.OpenFile(died, os.O_CREATE|os.O_EXCL, 0o600); err == nil {
				f.Close()
				return syscall.Kill(os.Getpid(), syscall.SIGKILL)
			}
		}
		return sleep(ctx, 5*time.Millisecond)
	}}
	return work.Run(context.Background(), work.Config{Origin: socket, Dir: filepath.Join(dir, "work"), Encode: fake.Encode})
}

func appendLine(path, line string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(line + "\n")
	return err
}

func TestKillingAWorkerCostsItsPieceAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startStudio(t, func(c *Config, _ *origintest.Transcoder) {
		c.Video.Worker = func(ctx context.Context, socket string) error {
			cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^$")
			cmd.Env = append(os.Environ(), workerDir+"="+dir, workerSocket+"="+socket)
			return cmd.Run()
		}
	})
	v := s.make(`{"name":"films/film"}`)
	s.send(v.ID, "video 60") // 15 segments, 5 pieces
	s.until(v.ID, assetReady)
	text, err := os.ReadFile(filepath.Join(dir, "begun"))
	if err != nil {
		t.Fatal(err)
	}
	begun := map[string]int{}
	for line := range strings.Lines(string(text)) {
		begun[strings.TrimSpace(line)]++
	}
	if len(begun) != 11 {
		t.Errorf("begun: %v, want 5 pieces twice and the sound", begun)
	}
	again := 0
	for what, n := range begun {
		if n > 1 {
			again += n - 1
			t.Logf("%s was begun %d times", what, n)
		}
	}
	// Two kills, each with a piece of pictures and perhaps the sound under way.
	if again < 1 || again > 4 {
		t.Errorf("%d tasks were begun again after 2 kills", again)
	}
	for _, rung := range []string{"video/720p", "video/234p", "audio/und"} {
		for n := range 15 {
			if got := string(s.read(fmt.Sprintf("films/film/%s/%05d.m4s", rung, n))); got != origintest.SegmentText(rung, n) {
				t.Errorf("%s %d: %.40q", rung, n, got)
			}
		}
	}
}
