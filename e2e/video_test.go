package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/e2e/browser"
)

const (
	// hang is when a test gives up; nothing is expected to take that long.
	hang = 3 * time.Minute
	// standstill is the longest that playback may stand still, with machines in
	// mind that do ten things at once. `bench -what video` says how long it is.
	standstill = 5 * time.Second

	film        = "films/film"
	filmSeconds = 40
	filmFrames  = filmSeconds * 25
)

// TestVideo publishes one film and shows it to one Chromium in all its parts,
// since making a ladder and starting a browser take longer than to look.
func TestVideo(t *testing.T) {
	s := startStudio(t)
	// The film is still being made here, and ready from then on.
	t.Run("a growing film plays to its end", s.run(growingFilmPlays))
	for _, part := range []struct {
		name string
		test func(*scene)
	}{
		{"the watch page plays, seeks and ends", watchPagePlays},
		{"the embed page plays in a frame of another origin", embedPagePlays},
		{"rungs follow the line down and up", rungsFollowTheLine},
		{"an edge changes bytes", edgeChangesBytes},
		{"every kind of src plays", everySrcPlays},
		{"Shaka plays", shakaPlays},
		{"Chromium's native player plays", nativePlays},
		{"ffmpeg reads all frames", ffmpegReads},
		{"an edge is cut off without a reset", edgeIsCutOff},
		{"an edge is stopped", edgeIsStopped},
		{"an edge is killed", edgeIsKilled},
		{"hls.js plays and is steered away from a dead edge", hlsjsIsSteered},
	} {
		t.Run(part.name, s.run(part.test))
	}
}

// studio is what the parts share: a network with a film, a browser, and a
// server for pages.
type studio struct {
	network *network
	browser *browser.Browser
	pages   *httptest.Server
	clip    string
	// worker makes the film; it stands still until growth has been looked at, so
	// that no machine is too fast for that.
	worker *os.Process
}

func startStudio(t *testing.T) *studio {
	t.Helper()
	s := &studio{clip: filepath.Join(t.TempDir(), "clip.mp4")}
	ffmpeg := exec.Command("ffmpeg", "-hide_banner", "-nostdin", "-v", "error",
		"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=768x432:rate=25:duration=%d", filmSeconds),
		"-f", "lavfi", "-i", fmt.Sprintf("sine=frequency=330:duration=%d", filmSeconds),
		"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", s.clip)
	if out, err := ffmpeg.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg makes the clip (`make setup` installs it): %v\n%s", err, out)
	}
	var err error
	if s.browser, err = browser.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.browser.Close(); err != nil {
			t.Errorf("close Chromium: %v", err)
		}
	})
	s.pages = httptest.NewServer(http.HandlerFunc(servePage))
	t.Cleanup(s.pages.Close)
	s.network = start(t, "--edges", "5", "--workers", "0")
	worker, _ := s.network.worker("film")
	s.worker = worker.Process
	s.publish(s.network, "playable")
	s.signal(t, syscall.SIGSTOP)
	return s
}

// signal stops the worker or has it go on.
func (s *studio) signal(t *testing.T, signal os.Signal) {
	t.Helper()
	if err := s.worker.Signal(signal); err != nil {
		t.Fatalf("signal the worker: %v", err)
	}
}

// publish uploads the film, or follows one that is being made.
func (s *studio) publish(n *network, wait string) {
	n.t.Helper()
	n.stratos("put", "--video", s.clip, film, "--wait", wait)
}

// libraries are players of others, as npm has them.
var libraries = map[string]string{
	"/hls.js":   "../player/node_modules/hls.js/dist/hls.min.js",
	"/shaka.js": "../player/node_modules/shaka-player/dist/shaka-player.compiled.js",
}

// servePage serves a library, or a page whose body is in the query.
func servePage(w http.ResponseWriter, r *http.Request) {
	if file, ok := libraries[r.URL.Path]; ok {
		http.ServeFile(w, r, file)
		return
	}
	fmt.Fprintf(w, "<!doctype html><meta charset=utf-8><link rel=icon href=data:,>"+
		"<style>body{margin:0}iframe,video,stratos-player{width:1280px;height:720px}</style><body>%s", r.URL.Query().Get("body"))
}

// run makes a test of a part.
func (s *studio) run(part func(*scene)) func(*testing.T) {
	return func(t *testing.T) {
		for _, file := range libraries {
			if _, err := os.Stat(file); err != nil {
				t.Fatalf("%v: run `make player`", err)
			}
		}
		n := *s.network
		n.t = t
		v := &scene{network: &n, studio: s}
		t.Cleanup(func() {
			if t.Failed() {
				n.printLogs()
			}
		})
		part(v)
	}
}
