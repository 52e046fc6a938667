package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/internal/devnet"
)

// program is the built binary, shared by all tests of this package.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "stratos-e2e-")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "stratos")
	build := exec.Command("go", "build", "-o", program, "../cmd/stratos")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: build:", err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// network is a running development network.
type network struct {
	*devnet.Network
	t   *testing.T
	dir string
}

// start brings a network up in a fresh folder and takes it down with the test.
func start(t *testing.T, args ...string) *network {
	t.Helper()
	n := &network{t: t, dir: t.TempDir()}
	n.up(args...)
	t.Cleanup(func() {
		if t.Failed() {
			n.printLogs()
		}
		if out, err := exec.Command(program, "down", "--dir", n.dir).CombinedOutput(); err != nil {
			t.Errorf("down: %v\n%s", err, out)
		}
	})
	return n
}

// up starts what does not run, and reads network.json again.
func (n *network) up(args ...string) {
	n.t.Helper()
	n.stratos(append([]string{"up", "--detach"}, args...)...)
	var err error
	if n.Network, err = devnet.Load(n.dir); err != nil {
		n.t.Fatal(err)
	}
}

// stratos runs a command of the program and returns its standard output.
func (n *network) stratos(args ...string) string {
	n.t.Helper()
	out, errOut, err := n.try(args...)
	if err != nil {
		n.t.Fatalf("stratos %s: %v\n%s%s", strings.Join(args, " "), err, out, errOut)
	}
	return out
}

func (n *network) try(args ...string) (out, errOut string, err error) {
	ctx, cancel := context.WithTimeout(n.t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append(args, "--dir", n.dir)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

func (n *network) printLogs() {
	roles, err := devnet.Roles(n.dir)
	if err != nil {
		return
	}
	for _, r := range roles {
		n.t.Logf("the end of %s's log:\n%s", r.Name, r.LogTail(12))
	}
}

// role finds a process by name: meta-1, router, origin, edge-1 …
func (n *network) role(name string) devnet.Role {
	n.t.Helper()
	roles, err := devnet.Roles(n.dir)
	if err != nil {
		n.t.Fatal(err)
	}
	for _, r := range roles {
		if r.Name == name {
			return r
		}
	}
	n.t.Fatalf("no role %s", name)
	return devnet.Role{}
}

// kill ends processes as a power cut would.
func (n *network) kill(names ...string) {
	n.t.Helper()
	for _, name := range names {
		r := n.role(name)
		pid := r.PID()
		if pid == 0 {
			n.t.Fatalf("%s does not run", name)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			n.t.Fatal(err)
		}
		eventually(n.t, 10*time.Second, name+" is gone", func() error {
			if r.PID() != 0 {
				return fmt.Errorf("pid %d still runs", pid)
			}
			return nil
		})
	}
}

// fetch is a plain client: it follows redirects and retries for patience.
func (n *network) fetch(path string, patience time.Duration) []byte {
	n.t.Helper()
	return n.fetchFrom(path, "", patience)
}

// fetchFrom pretends to be at an address.
func (n *network) fetchFrom(path, address string, patience time.Duration) []byte {
	n.t.Helper()
	var body []byte
	eventually(n.t, patience, "fetch "+path, func() error {
		ctx, cancel := context.WithTimeout(n.t.Context(), patience)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.Router+"/"+path, nil)
		if err != nil {
			return err
		}
		if address != "" {
			req.Header.Set("X-Forwarded-For", address)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if body, err = io.ReadAll(resp.Body); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s from %s: %s", resp.Status, resp.Request.URL, body)
		}
		return nil
	})
	return body
}

// status is what `stratos status --json` prints.
type status struct {
	Edges []struct {
		ID    uint32
		State string
		Units int64
		Bytes int64
	}
	Units        int64
	RepairHalted bool
	Degraded     []json.RawMessage
	Repairs      []json.RawMessage
}

func (n *network) status() status {
	n.t.Helper()
	var s status
	if err := json.Unmarshal([]byte(n.stratos("status", "--json")), &s); err != nil {
		n.t.Fatal(err)
	}
	return s
}

// eventually polls until check succeeds; the last error is the failure's reason.
func eventually(t *testing.T, patience time.Duration, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %s: %v", what, patience, err)
		}
	}
}

// content is deterministic bytes that no compression or dedup helps.
func content(seed byte, size int) []byte {
	out := make([]byte, size)
	x := uint64(seed)*0x9e3779b97f4a7c15 + 1
	for i := range out {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		out[i] = byte(x)
	}
	return out
}

// folder writes files below a fresh folder.
func folder(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for path, data := range files {
		full := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
