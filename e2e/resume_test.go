package e2e

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// resumes is what a put says that goes on, with the offset.
var resumes = regexp.MustCompile(`resuming at ([0-9.]+) ?([kMG]?i?B)`)

func TestAnUploadOutlivesKilledProcesses(t *testing.T) {
	n := start(t, "--edges", "4")
	for i, c := range []struct {
		victim string
		resume bool // whether put itself is killed too, and run again
		after  int  // bytes
		rate   int64
	}{
		// A crash may cost origin five seconds of one long request: this runs for seven.
		{"origin", true, 28 << 20, 4 << 20},
		{"meta-1", true, 12 << 20, 40 << 20},
		{"edge-2", false, 12 << 20, 40 << 20},
		{"origin", false, 12 << 20, 40 << 20},
	} {
		name := fmt.Sprintf("resume/%d-%s.bin", i, c.victim)
		t.Logf("%s dies in mid-upload", c.victim)
		want := content(byte(90+i), c.after+12<<20)
		u := n.slowUpload(folderFile(t, "big.bin", want), name, c.rate)
		put := u.start()
		u.wait(c.after)
		n.kill(c.victim)
		if c.resume {
			put.Process.Kill()
			put.Wait()
			n.up()
			u.rate.set(0)
			put = u.start()
		} else {
			if c.victim == "origin" {
				n.up()
			}
			u.rate.set(0)
		}
		if err := put.Wait(); err != nil {
			t.Fatalf("put: %v\n%s", err, u.stderr.String())
		}
		if c.resume {
			at := resumes.FindStringSubmatch(u.stderr.String())
			if at == nil || at[1] == "0" {
				t.Errorf("the same command does not go on where it stopped: %q", u.stderr.String())
			}
		}
		if got := n.fetch(name, 10*time.Second); !bytes.Equal(got, want) {
			t.Errorf("%s: got %d bytes, want %d, or others", name, len(got), len(want))
		}
		n.up()
	}
}

// slowUpload is a put whose way to origin has a speed.
type slowUpload struct {
	n      *network
	rate   *throttle
	args   []string
	state  string
	stderr bytes.Buffer
}

func (n *network) slowUpload(disk, name string, bytesPerSecond int64) *slowUpload {
	n.t.Helper()
	origin, err := url.Parse(n.Origin)
	if err != nil {
		n.t.Fatal(err)
	}
	key := filepath.Join(n.t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(n.APIKey), 0o600); err != nil {
		n.t.Fatal(err)
	}
	u := &slowUpload{n: n, rate: newThrottle(n.t, origin.Host, bytesPerSecond), state: n.t.TempDir()}
	u.args = []string{"put", disk, name, "--origin", "http://" + u.rate.address(), "--router", n.Router, "--api-key-file", key}
	return u
}

// start runs put; run again it is the same command.
func (u *slowUpload) start() *exec.Cmd {
	u.n.t.Helper()
	u.stderr.Reset()
	cmd := exec.CommandContext(u.n.t.Context(), program, u.args...)
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+u.state)
	cmd.Stderr = &u.stderr
	if err := cmd.Start(); err != nil {
		u.n.t.Fatal(err)
	}
	return cmd
}

// wait until the way to origin has passed some of the file.
func (u *slowUpload) wait(enough int) {
	u.n.t.Helper()
	eventually(u.n.t, 20*time.Second, "some of the upload is sent", func() error {
		if sent := u.rate.sent.Load(); sent < int64(enough) {
			return fmt.Errorf("%d bytes of %d", sent, enough)
		}
		return nil
	})
}
