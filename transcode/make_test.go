package transcode

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

func openBox(t testing.TB) *sandbox.Box {
	t.Helper()
	box, err := sandbox.Open(t.Context(), sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// ffmpeg outside of the sandbox, for what tests make and check. It must succeed
// and have nothing to say.
func ffmpeg(t testing.TB, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", append([]string{"-hide_banner", "-nostdin", "-v", "error", "-y"}, args...)...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("ffmpeg %s: %v: %s (these tests need ffmpeg; make setup installs it)", strings.Join(args, " "), err, said.String())
	}
	return out.Bytes()
}

const subtitles = "1\n00:00:00,500 --> 00:00:02,000\nBonjour\n\n2\n00:00:03,000 --> 00:00:05,500\nencore <i>une</i> ligne\n\n"

// write makes the input's file.
func (in input) write(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, in.file)
	if in.make != nil {
		args := append([]string{}, in.make...)
		for i, a := range args {
			if a == "SUBTITLES" {
				args[i] = filepath.Join(dir, "in.srt")
				if err := os.WriteFile(args[i], []byte(subtitles), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		ffmpeg(t, append(args, path)...)
	}
	if in.bend != nil {
		bend, ok := t.(*testing.T)
		if !ok {
			t.Fatal("only tests bend files")
		}
		in.bend(bend, path)
	}
	return path
}

// cutTo keeps a share of a file.
func cutTo(num, den int64) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, info.Size()*num/den); err != nil {
			t.Fatal(err)
		}
	}
}

// scratch overwrites a few packets in the middle.
func scratch(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(b) / 2; i < len(b)/2+2000; i++ {
		b[i] = byte(i * 7)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func text(content string) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func encodeAll(t testing.TB, box *sandbox.Box, path string, plan Plan, dir string) {
	t.Helper()
	for _, task := range plan.Tasks() {
		if err := Encode(t.Context(), box, path, plan, task, dir, nil); err != nil {
			t.Fatalf("task %+v: %v", task, err)
		}
	}
}

// rotate says in the file that it is to be shown turned, as phones do.
func rotate(t *testing.T, path string) {
	t.Helper()
	turned := filepath.Join(t.TempDir(), "turned.mp4")
	ffmpeg(t, "-i", path, "-c", "copy", "-metadata:s:v", "rotate=90", turned)
	if err := os.Rename(turned, path); err != nil {
		t.Fatal(err)
	}
}
