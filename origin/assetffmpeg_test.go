package origin

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/origin/origintest"
	"github.com/stratos-mesh/stratos/origin/work"
	"github.com/stratos-mesh/stratos/transcode"
	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

// clip makes a video of 1080 lines that lasts so many seconds, with sound. Ten
// seconds are encoded, what is longer repeats them.
func clip(t testing.TB, seconds, lines string, length string) string {
	t.Helper()
	dir := t.TempDir()
	short, long := filepath.Join(dir, "short.mp4"), filepath.Join(dir, "long.mp4")
	run := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "ffmpeg", append([]string{"-hide_banner", "-nostdin", "-v", "error", "-y"}, args...)...)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("ffmpeg: %v: %s (these tests need ffmpeg; make setup installs it)", err, text)
		}
	}
	run("-f", "lavfi", "-i", "testsrc2=size="+lines+":rate=30:duration="+seconds, "-f", "lavfi", "-i", "sine=frequency=440:duration="+seconds,
		"-vf", "noise=alls=10:allf=t", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "28", "-g", "60", "-c:a", "aac", short)
	run("-stream_loop", "-1", "-i", short, "-t", length, "-c", "copy", long)
	return long
}

// realStudio is an origin with ffmpeg.
func realStudio(t testing.TB) (*studio, *sandbox.Box) {
	t.Helper()
	box, err := sandbox.Open(t.Context(), sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s := startStudio(t, func(c *Config, _ *origintest.Transcoder) {
		dir := filepath.Join(t.TempDir(), "worker")
		c.Video = Video{
			Probe: transcode.Probe, Ladder: transcode.Ladder, Assemble: transcode.Assemble, Grow: transcode.Grow,
			Box: func(context.Context) (*sandbox.Box, error) { return box, nil },
			Worker: func(ctx context.Context, socket string) error {
				return work.Run(ctx, work.Config{Origin: socket, Dir: dir, Encode: transcode.Encode, Box: box})
			},
		}
	})
	return s, box
}

func TestARealVideo(t *testing.T) {
	t.Parallel()
	s, _ := realStudio(t)
	source, err := os.ReadFile(clip(t, "6", "320x180", "6"))
	if err != nil {
		t.Fatal(err)
	}
	v := s.make(`{"name":"films/real"}`)
	s.want(http.StatusAccepted, "PUT", "/v1/assets/"+v.ID+"/source", bytes.NewReader(source))
	v = s.until(v.ID, assetReady)
	s.checkDigests("films/real")
	if v.Source.Width != 320 || v.Source.Duration < 5.9 || v.Source.Duration > 6.1 {
		t.Errorf("source: %+v", v.Source)
	}
	for _, path := range []string{"poster.jpg"} {
		s.want(http.StatusOK, "GET", "/v1/files/films/real/"+path, nil)
	}
}

func TestARealFileThatIsNoVideo(t *testing.T) {
	t.Parallel()
	s, _ := realStudio(t)
	for name, source := range map[string]string{
		"text": "once upon a time", "empty": "", "list": "#EXTM3U\n#EXTINF:4,\n/etc/passwd\n#EXT-X-ENDLIST\n", "concat": "ffconcat version 1.0\nfile /etc/passwd\n",
	} {
		v := s.make(`{"name":"films/` + name + `"}`)
		s.send(v.ID, source)
		v = s.until(v.ID, assetFailed)
		if !strings.HasPrefix(v.Reason.Type, "urn:stratos:problem:source-") || v.Reason.Detail == "" || v.Reason.Hint == "" {
			t.Errorf("%s: %+v", name, v.Reason)
		}
	}
}

// benchClip is a source for benchmarks: STRATOS_BENCH_VIDEO or one that is made.
func benchClip(b *testing.B, seconds string) string {
	if path := os.Getenv("STRATOS_BENCH_VIDEO"); path != "" {
		return path
	}
	return clip(b, "10", "1920x1080", seconds)
}

// BenchmarkFirstPlayable is the time from the end of an upload of ten minutes to
// its first playable seconds.
func BenchmarkFirstPlayable(b *testing.B) {
	path := benchClip(b, "600")
	s, _ := realStudio(b)
	for b.Loop() {
		b.StopTimer()
		source, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		v := s.make(`{"name":"films/bench"}`)
		s.want(http.StatusAccepted, "PUT", "/v1/assets/"+v.ID+"/source", source)
		source.Close()
		b.StartTimer()
		v = s.until(v.ID, assetPlayable, assetReady)
		b.StopTimer()
		if v.State == assetReady {
			b.Error("nothing was shown early")
		}
		s.want(http.StatusNoContent, "DELETE", "/v1/assets/"+v.ID, nil)
		b.StartTimer()
	}
}

// processor reports what this process and its programs use of the processor, in
// seconds, until the function that it returns is called.
func processor(b *testing.B) func() {
	b.Helper()
	used := func(who int) float64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
	}
	self, programs := used(syscall.RUSAGE_SELF), used(syscall.RUSAGE_CHILDREN)
	return func() {
		b.ReportMetric((used(syscall.RUSAGE_SELF)-self)/float64(b.N), "self-s/op")
		b.ReportMetric((used(syscall.RUSAGE_CHILDREN)-programs)/float64(b.N), "ffmpeg-s/op")
	}
}

// BenchmarkMake is a minute of video from its upload to its name, the edges of
// the test included; bare is the same tasks without an origin, one after the
// other. On a busy machine the processor's time says more than the clock.
func BenchmarkMake(b *testing.B) {
	path := benchClip(b, "60")
	s, box := realStudio(b)
	b.Run("origin", func(b *testing.B) {
		defer processor(b)()
		for b.Loop() {
			source, err := os.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			v := s.make(`{"name":"films/bench"}`)
			s.want(http.StatusAccepted, "PUT", "/v1/assets/"+v.ID+"/source", source)
			source.Close()
			for s.origin.assets.get(v.ID).state().State != assetReady {
				time.Sleep(10 * time.Millisecond)
			}
			b.StopTimer()
			began := v.Created
			for _, h := range s.origin.assets.get(v.ID).state().History {
				b.Logf("%s after %.1f s", h.State, h.Time.Sub(began).Seconds())
			}
			s.want(http.StatusNoContent, "DELETE", "/v1/assets/"+v.ID, nil)
			b.StartTimer()
		}
	})
	b.Run("bare", func(b *testing.B) {
		defer processor(b)()
		for b.Loop() {
			source, err := transcode.Probe(b.Context(), box, path)
			if err != nil {
				b.Fatal(err)
			}
			plan, err := transcode.Ladder(source, transcode.Policy{})
			if err != nil {
				b.Fatal(err)
			}
			dir := b.TempDir()
			j := &job{plan: plan, made: map[part]float64{}}
			j.regroup(guessLow(plan, runtime.GOMAXPROCS(0)))
			for _, task := range j.tasks {
				if err := transcode.Encode(b.Context(), box, path, plan, task.work, dir, nil); err != nil {
					b.Fatal(err)
				}
			}
			if _, err := transcode.Assemble(b.Context(), box, plan, dir); err != nil {
				b.Fatal(err)
			}
		}
	})
}
