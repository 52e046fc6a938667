package transcode

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// BenchmarkOverheadOverBareFFmpeg runs a piece through Encode and through ffmpeg
// alone with the same arguments, in turns, and reports the medians' ratio. The
// bare one throws its output away.
func BenchmarkOverheadOverBareFFmpeg(b *testing.B) {
	box := openBox(b)
	path := filepath.Join(b.TempDir(), "a.mp4")
	ffmpeg(b, with(lavfi("testsrc2=s=640x360:r=30:d=16,noise=alls=20:allf=t"), with(h264, "-crf", "18", path)...)...)
	source, err := Probe(b.Context(), box, path)
	if err != nil {
		b.Fatal(err)
	}
	plan, err := Ladder(source, Policy{})
	if err != nil {
		b.Fatal(err)
	}
	task := plan.Tasks()[0]
	args, outputs, err := plan.arguments(task)
	if err != nil {
		b.Fatal(err)
	}
	args = slices.Clone(args)
	for i, a := range args {
		if a == "in/source" {
			args[i] = path
		}
	}
	var ours, bare []time.Duration
	for b.Loop() {
		start := time.Now()
		if err := Encode(b.Context(), box, path, plan, task, b.TempDir(), nil); err != nil {
			b.Fatal(err)
		}
		ours = append(ours, time.Since(start))
		start = time.Now()
		runBare(b, args, len(outputs))
		bare = append(bare, time.Since(start))
	}
	slices.Sort(ours)
	slices.Sort(bare)
	b.ReportMetric(100*(ours[len(ours)/2].Seconds()/bare[len(bare)/2].Seconds()-1), "%overhead")
	b.ReportMetric(ours[len(ours)/2].Seconds(), "s/ours")
	b.ReportMetric(bare[len(bare)/2].Seconds(), "s/bare")
}

func runBare(b *testing.B, args []string, outputs int) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), "ffmpeg", args...)
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = io.Discard, &said
	for range outputs {
		cmd.ExtraFiles = append(cmd.ExtraFiles, null)
	}
	if err := cmd.Run(); err != nil {
		b.Fatal(fmt.Errorf("%w: %s", err, said.String()))
	}
}
