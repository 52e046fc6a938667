package transcode

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stratos-mesh/stratos/internal/hls"
)

// checkTree looks at a finished tree: the authoring rules, every frame of every
// rendition, key frames at the same times, and the pictures.
func checkTree(t *testing.T, plan Plan, dir string, tree Tree) {
	t.Helper()
	checkRules(t, plan, dir)
	for _, r := range plan.Rungs {
		if got, want := countFrames(t, plan, dir, r.Name), plan.Frames/int64(r.Divide); got != want {
			t.Errorf("%s: %d frames decode, want %d", r.Name, got, want)
		}
	}
	for _, a := range plan.Audio {
		if got, want := countFrames(t, plan, dir, a.Name), plan.soundFrames(); got != want {
			t.Errorf("%s: %d frames decode, want %d", a.Name, got, want)
		}
	}
	if d := (plan.Length - plan.Source.Duration).Abs(); plan.Source.Video != nil && d > 2*plan.Rate.time(2) {
		t.Errorf("the tree lasts %s, the source %s", plan.Length, plan.Source.Duration)
	}
	for _, f := range tree.Files {
		if info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(f))); err != nil || info.Size() == 0 {
			t.Errorf("the tree lists %s: %v", f, err)
		}
	}
	if len(plan.Rungs) > 0 {
		for _, f := range []string{posterName, thumbsName, sheetName(0)} {
			if !slices.Contains(tree.Files, f) {
				t.Errorf("the tree lacks %s", f)
			}
		}
	}
	// As a player opens it.
	ffmpeg(t, "-xerror", "-allowed_extensions", "ALL", "-i", filepath.Join(dir, tree.Multivariant), "-map", "0", "-c", "copy", "-f", "null", "-")
}

// checkRules applies Apple's authoring rules; none that is a must may be broken.
func checkRules(t *testing.T, plan Plan, dir string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, masterName))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := hls.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	m, err := parsed.Multivariant()
	if err != nil {
		t.Fatal(err)
	}
	p := &hls.Presentation{Multivariant: m, Playlists: map[string]*hls.Measured{}}
	var starts [][]int64
	names := plan.soundAndText()
	for _, r := range plan.Rungs {
		names = append(names, r.Name)
	}
	for _, name := range names {
		r, err := plan.measure(dir, name, state{complete: true, segments: plan.Segments})
		if err != nil {
			t.Fatal(err)
		}
		p.Playlists[name+"/"+mediaName] = r.media
		if r.iframes != nil {
			p.Playlists[name+"/"+iframesName] = r.iframes
			starts = append(starts, keyTimes(r))
		}
	}
	for _, f := range hls.Check(p) {
		if f.Severity == hls.Must {
			t.Errorf("%s", f)
		}
	}
	for i := range starts {
		if !slices.Equal(starts[i], starts[0]) {
			t.Errorf("key frames at %v and at %v", starts[i], starts[0])
		}
	}
}

func keyTimes(r *rendition) []int64 {
	var at []int64
	sum := int64(0)
	for _, s := range r.iframes.Media.Segments {
		at = append(at, sum)
		sum += int64(s.Duration)
	}
	return at
}

// countFrames decodes a rendition from its first to its last byte; any complaint
// of the decoder is an error.
func countFrames(t testing.TB, plan Plan, dir, name string) int64 {
	t.Helper()
	return int64(len(frameSums(t, plan, dir, name)))
}

// frameSums are the checksums of all decoded frames.
func frameSums(t testing.TB, plan Plan, dir, name string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-hide_banner", "-v", "warning", "-xerror", "-err_detect", "explode", "-f", "mp4", "-i", "pipe:0", "-fps_mode", "passthrough", "-f", "framecrc", "-")
	cmd.Stdin = &segmentReader{dir: dir, name: name, next: -1, end: plan.Segments}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil || said.Len() > 0 {
		t.Fatalf("%s does not decode: %v: %s", name, err, said.String())
	}
	var sums []string
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "#") {
			sums = append(sums, strings.TrimSpace(line))
		}
	}
	return sums
}
