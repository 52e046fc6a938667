package sandbox

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

// shellBox runs sh under the name ffmpeg, to look at the room from inside.
func shellBox(t *testing.T, cfg Config) *Box {
	t.Helper()
	cfg.FFmpeg = "/bin/sh"
	b, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sh(t *testing.T, b *Box, input, script string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := b.Run(t.Context(), Command{
		Program: "ffmpeg", Args: []string{"-c", script}, Input: input,
		Outputs: []func(io.Reader) error{func(r io.Reader) error { _, err := io.Copy(&out, r); return err }},
	})
	return strings.TrimSpace(out.String()), err
}

func TestTheRoomHoldsOnlyTheInput(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	input, secret := filepath.Join(dir, "film.mp4"), filepath.Join(dir, "other.mp4")
	for path, text := range map[string]string{input: "this film", secret: "another film"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := shellBox(t, Config{})
	for name, c := range map[string]struct{ script, want string }{
		"the input can be read":                    {"cat in/source", "this film"},
		"another file of its folder is not there":  {"cat " + secret + " 2>/dev/null || echo no", "no"},
		"the folder of the input holds it alone":   {"ls in", "source"},
		"nothing of /etc but the loader's files":   {"ls /etc", "alternatives\nld.so.cache"},
		"no home, no /proc, no /var":               {"ls -d /home /root /proc /var /tmp 2>/dev/null | wc -l", "0"},
		"the input cannot be written":              {"(echo x > in/source) 2>/dev/null || echo no", "no"},
		"nothing can be written beside it":         {"(echo x > in/new) 2>/dev/null || echo no", "no"},
		"nothing can be written in the root":       {"(echo x > /new) 2>/dev/null || echo no", "no"},
		"nothing can be written in the system":     {"(echo x > /usr/new) 2>/dev/null || echo no", "no"},
		"it is the first process of its own space": {"echo $$", "1"},
		"nothing can be mounted":                   {"mount -t tmpfs x /job 2>/dev/null || echo no", "no"},
		"no further name space can be had":         {"unshare -Un mount -t tmpfs x /job 2>/dev/null || echo no", "no"},
		"the environment tells nothing":            {"env | grep -c STRATOS", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := sh(t, b, input, c.script)
			var exit *ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("got %q, want %q (%v)", got, c.want, err)
			}
		})
	}
}

func TestLimitsHold(t *testing.T) {
	t.Parallel()
	t.Run("processor time", func(t *testing.T) {
		t.Parallel()
		_, err := sh(t, shellBox(t, Config{Limits: Limits{CPU: time.Second}}), "", "while :; do :; done")
		if !errors.Is(err, ErrLimit) {
			t.Errorf("got %v, want ErrLimit", err)
		}
	})
	t.Run("wall time", func(t *testing.T) {
		t.Parallel()
		_, err := sh(t, shellBox(t, Config{Limits: Limits{Wall: 200 * time.Millisecond}}), "", "sleep 60")
		if !errors.Is(err, ErrLimit) {
			t.Errorf("got %v, want ErrLimit", err)
		}
	})
	t.Run("bytes of output", func(t *testing.T) {
		t.Parallel()
		_, err := sh(t, shellBox(t, Config{Limits: Limits{Output: 1000}}), "", "while :; do echo 0123456789; done")
		if !errors.Is(err, ErrLimit) {
			t.Errorf("got %v, want ErrLimit", err)
		}
	})
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		_, err := sh(t, shellBox(t, Config{Limits: Limits{Memory: 64 << 20}}), "", "x=0123456789abcdef; while :; do x=$x$x; done")
		var exit *ExitError
		if !errors.As(err, &exit) {
			t.Errorf("got %v, want the program's own failure", err)
		}
	})
}

func TestCancelKillsTheProgramAndItsChildren(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	b := shellBox(t, Config{})
	err := b.Run(ctx, Command{
		Program: "ffmpeg", Args: []string{"-c", "(sleep 600)& (sleep 600)& echo up; wait"},
		// The read ends when the last holder of the pipe is gone, so Run returns
		// only if the children died too.
		Outputs: []func(io.Reader) error{func(r io.Reader) error {
			if _, err := r.Read(make([]byte, 8)); err != nil {
				return err
			}
			cancel()
			return nil
		}},
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestOutputsAndInputArePipes(t *testing.T) {
	t.Parallel()
	b := shellBox(t, Config{})
	got := make([]string, 3)
	var outs []func(io.Reader) error
	for i := range got {
		outs = append(outs, func(r io.Reader) error {
			text, err := io.ReadAll(r)
			got[i] = string(text)
			return err
		})
	}
	err := b.Run(t.Context(), Command{Program: "ffmpeg", Args: []string{"-c", "cat; echo b >&3; echo c >&4"}, Stdin: strings.NewReader("a\n"), Outputs: outs})
	if err != nil || strings.Join(got, "") != "a\nb\nc\n" {
		t.Errorf("got %q and %v, want a, b and c", got, err)
	}
}

func TestAFailingReaderStopsTheProgram(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk is full")
	err := shellBox(t, Config{}).Run(t.Context(), Command{
		Program: "ffmpeg", Args: []string{"-c", "echo x; sleep 600"},
		Outputs: []func(io.Reader) error{func(r io.Reader) error { return broken }},
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want the reader's error", err)
	}
}

func TestUnconfinedNeedsASettingAndKeepsLimits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	input := filepath.Join(dir, "film.mp4")
	if err := os.WriteFile(input, []byte("this film"), 0o600); err != nil {
		t.Fatal(err)
	}
	// A system path that cannot be shown stands for a system without name spaces.
	walls := Config{System: []string{strings.Repeat("x/", 3000)}}
	walls.FFmpeg = "/bin/sh"
	if _, err := Open(t.Context(), walls); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("got %v, want ErrUnavailable", err)
	}
	walls.Unconfined = true
	b := shellBox(t, walls)
	if b.Confined() {
		t.Fatal("the box says it is confined")
	}
	if got, err := sh(t, b, input, "cat in/source; ls; ulimit -n"); got != "this filmin\n256" || err != nil {
		t.Errorf("got %q and %v", got, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestOpenSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), Config{FFmpeg: "/nowhere/ffmpeg"})
	if err == nil || !strings.Contains(err.Error(), "install it") {
		t.Errorf("got %v, want what to do", err)
	}
}
