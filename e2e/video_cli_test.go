package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/internal/hls"
)

// videoClip makes a film with sound; it fails without ffmpeg.
func videoClip(t *testing.T, size string, seconds string, more ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "clip.mp4")
	args := append([]string{
		"-hide_banner", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=" + size + ":rate=25:duration=" + seconds,
		"-f", "lavfi", "-i", "sine=duration=" + seconds, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac",
	}, more...)
	if out, err := exec.CommandContext(t.Context(), "ffmpeg", append(args, file)...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v: %s (these tests need ffmpeg; make setup installs it)", err, out)
	}
	return file
}

// asset is what `stratos put --video --json` and `stat --json` tell.
type asset struct {
	ID, State, Root string
	Progress        float64
	Source          struct{ Received int64 }
	URLs            struct{ Watch, Embed, HLS, Poster string }
}

// putVideo runs the command to its end.
func (n *network) putVideo(file, name string, args ...string) asset {
	n.t.Helper()
	var a asset
	out := n.stratos(append([]string{"put", "--video", "--json", file, name}, args...)...)
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		n.t.Fatalf("put --video prints %q: %v", out, err)
	}
	return a
}

// exitCode of a command; -1 when it did not end by itself.
func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}

// decodes reads all renditions of a stream from first byte to last, as ffplay
// would, and takes no complaint.
func decodes(t *testing.T, url string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-hide_banner", "-nostdin", "-v", "error", "-xerror", "-i", url, "-map", "0", "-f", "null", "-")
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		// It opens all pathways, and says so of each host that is another one.
		if !strings.Contains(line, "Cannot reuse HTTP connection for different host") {
			t.Errorf("ffmpeg reads %s and says %s", url, line)
		}
	}
	if err != nil {
		t.Errorf("ffmpeg reads %s: %v", url, err)
	}
}

func TestOneCommandPublishesAVideo(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	n := start(t, "--edges", "3")
	a := n.putVideo(videoClip(t, "320x180", "6"), "films/short", "--title", "A short film")
	if a.State != "ready" || a.URLs.HLS != n.Router+"/films/short/master.m3u8" {
		t.Fatalf("got %+v", a)
	}
	decodes(t, a.URLs.HLS)
	for address, kind := range map[string]string{a.URLs.Watch: "text/html", a.URLs.Embed: "text/html", a.URLs.Poster: "image/jpeg", n.Origin + "/upload": "text/html"} {
		resp, body := get(t, http.DefaultClient, address, "")
		if got := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || !strings.HasPrefix(got, kind) || len(body) == 0 {
			t.Errorf("%s: %s %s", address, resp.Status, got)
		}
	}
	// Every segment from both edges, under the rules and with its digest.
	var summary struct{ Segments, Measured, Must int }
	lines := strings.Split(strings.TrimSpace(n.stratos("check", "--all", "--json", "films/short")), "\n")
	for i, line := range lines {
		var f hls.Finding
		if i == len(lines)-1 {
			if err := json.Unmarshal([]byte(line), &summary); err != nil {
				t.Fatal(err)
			}
		} else if err := json.Unmarshal([]byte(line), &f); err != nil || f.Severity == hls.Must {
			t.Errorf("check: %s %v", line, err)
		}
	}
	if summary.Must != 0 || summary.Segments == 0 || summary.Measured != summary.Segments {
		t.Errorf("check: %+v", summary)
	}
	// What edges serve is what the root says.
	n.stratos("get", "films/short", "-o", t.TempDir(), "--root", a.Root)

	if out := n.stratos("ls", "films"); !strings.Contains(out, "video") {
		t.Errorf("ls: %s", out)
	}
	if out := n.stratos("stat", "films/short"); !strings.Contains(out, a.URLs.Watch) || !strings.Contains(out, "<stratos-player src=") {
		t.Errorf("stat: %s", out)
	}
	n.stratos("rm", "films/short")
	if _, _, err := n.try("stat", "films/short"); err == nil {
		t.Error("after rm it is still there")
	}
	if out := n.stratos("ls", "films"); strings.Contains(out, "short") {
		t.Errorf("ls after rm: %s", out)
	}
}

func TestALadderMadeElsewhereIsPublished(t *testing.T) {
	n := start(t, "--edges", "2")
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-hide_banner", "-nostdin", "-v", "error", "-i", videoClip(t, "320x180", "6"), "-c", "copy",
		"-f", "hls", "-hls_segment_type", "fmp4", "-hls_playlist_type", "vod", "-master_pl_name", "master.m3u8", filepath.Join(dir, "media.m3u8")).CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg: %v: %s", err, out)
	}
	n.stratos("put", "--hls", dir, "films/ladder")
	decodes(t, n.Router+"/films/ladder/master.m3u8")
	if _, text := get(t, http.DefaultClient, n.Router+"/films/ladder/master.m3u8", ""); !bytes.Contains(text, []byte("X-STRATOS-SHA256=")) {
		t.Errorf("its playlists have no digests: %s", text)
	}
	if err := os.Remove(filepath.Join(dir, "master.m3u8")); err != nil {
		t.Fatal(err)
	}
	if _, errOut, err := n.try("put", "--hls", dir, "films/other"); exitCode(err) != 5 || !strings.Contains(errOut, "no multivariant playlist") {
		t.Errorf("a folder without one: %v %s", err, errOut)
	}
}

func TestWhatIsNoVideoIsRefusedWithAReason(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	n := start(t, "--edges", "1")
	secret := folderFile(t, "secret.txt", []byte("#EXTM3U\n# not for you\n"))
	for name, c := range map[string]struct {
		text string
		says string
	}{
		"no-bytes":     {"", "MP4"},
		"text":         {"hello\n", "text"},
		"a-playlist":   {"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nfile://" + secret + "\n#EXT-X-ENDLIST\n", "media file itself"},
		"half-a-movie": {"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom\x00\x00\x10\x00mdat", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, errOut, err := n.try("put", "--video", folderFile(t, name+".mp4", []byte(c.text)), "films/"+name)
			if exitCode(err) != 5 || !strings.Contains(errOut, "  → ") || name != "no-bytes" && !strings.Contains(errOut, c.says) {
				t.Errorf("%v: %s", err, errOut)
			}
			if out := n.stratos("stat", "films/"+name); !strings.Contains(out, "reason") {
				t.Errorf("stat: %s", out)
			}
			if resp, _ := get(t, http.DefaultClient, n.Router+"/films/"+name+"/master.m3u8", ""); resp.StatusCode != http.StatusNotFound {
				t.Errorf("the router answers %s", resp.Status)
			}
		})
	}
}

func TestAPutThatWasKilledGoesOn(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	n := start(t, "--edges", "1")
	file := videoClip(t, "320x180", "4", "-bf", "0")
	// A clip with a lot of nothing at its end: a free box (ISO 14496-12, 8.1.2).
	free := append([]byte{0x00, 0xc0, 0x00, 0x00}, "free"...)
	clip, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	clip = append(append(clip, free...), make([]byte, 0xc00000-len(free))...)
	if err := os.WriteFile(file, clip, 0o600); err != nil {
		t.Fatal(err)
	}
	line := newThrottle(t, strings.TrimPrefix(n.Origin, "http://"), 3<<20)
	args := []string{
		"put", "--video", "--json", file, "films/slow", "--origin", "http://" + line.address(), "--router", n.Router,
		"--api-key-file", folderFile(t, "key", []byte(n.APIKey)),
	}
	first := exec.CommandContext(t.Context(), program, args...)
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	var before asset
	eventually(t, 20*time.Second, "some of it is there", func() error {
		out, errOut, err := n.try("stat", "films/slow", "--json")
		if err == nil {
			err = json.Unmarshal([]byte(out), &before)
		}
		if err != nil || before.Source.Received < 1<<20 {
			return fmt.Errorf("%d bytes so far: %s", before.Source.Received, errOut)
		}
		return nil
	})
	_ = first.Process.Kill()
	_ = first.Wait()
	line.set(1 << 30)
	var out, errOut bytes.Buffer
	again := exec.CommandContext(t.Context(), program, args...)
	again.Stdout, again.Stderr = &out, &errOut
	if err := again.Run(); err != nil {
		t.Fatalf("again: %v: %s", err, &errOut)
	}
	var after asset
	if err := json.Unmarshal(out.Bytes(), &after); err != nil {
		t.Fatal(err)
	}
	if after.ID != before.ID || after.State != "ready" {
		t.Errorf("it began anew: %s %s, before %s", after.ID, after.State, before.ID)
	}
	if text := errOut.String(); !strings.Contains(text, `"bytes":`) || strings.Contains(text, `"bytes":0,`) {
		t.Errorf("it sent again what was there: %s", text)
	}
	decodes(t, after.URLs.HLS)
}

func TestWithoutFFmpegVideosAloneAreRefused(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("PATH", t.TempDir())
	n := start(t, "--edges", "1")
	file := folderFile(t, "film.mp4", content(77, 100_000))
	_, errOut, err := n.try("put", "--video", file, "films/film")
	if exitCode(err) != 5 || !strings.Contains(errOut, "install ffmpeg") {
		t.Errorf("%v: %s", err, errOut)
	}
	if _, errOut, _ := n.try("up", "--detach"); !strings.Contains(errOut, "ffmpeg is missing") {
		t.Errorf("up does not say so: %s", errOut)
	}
	if log := n.role("origin").LogTail(50); !strings.Contains(log, "is missing: install it") {
		t.Errorf("the origin's log does not say so:\n%s", log)
	}
	n.stratos("put", file, "films/film")
	if got := n.fetch("films/film", 5*time.Second); len(got) != 100_000 {
		t.Errorf("a file: %d bytes", len(got))
	}
}
