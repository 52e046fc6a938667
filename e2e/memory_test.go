package e2e

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/internal/devnet"
)

// maxMemory of any process at default settings.
const maxMemory = 512 << 20

func TestHalfAGigabyteFitsIntoHalfAGigabyteOfMemory(t *testing.T) {
	n := start(t, "--edges", "3")
	const size = 500_000_000
	path, want := bigFile(t, size)
	began := time.Now()
	n.measured("put", path, "memory/big.bin")
	t.Logf("500 MB with three durable replicas: %s", time.Since(began).Round(10*time.Millisecond))

	began = time.Now()
	out := filepath.Join(t.TempDir(), "out.bin")
	n.measured("get", "memory/big.bin", "-o", out)
	t.Logf("500 MB by stratos get, checked: %s", time.Since(began).Round(10*time.Millisecond))
	got, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if sum := hash(t, got); sum != want {
		t.Errorf("get left %x, want %x", sum, want)
	}
	began = time.Now()
	resp, err := http.Get(n.Router + "/memory/big.bin")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if sum := hash(t, resp.Body); sum != want {
		t.Errorf("a plain client got %x, want %x", sum, want)
	}
	t.Logf("500 MB by a plain client: %s", time.Since(began).Round(10*time.Millisecond))
	n.checkMemory()
}

// bigFile writes a file block by block.
func bigFile(t *testing.T, size int) (path string, sum [32]byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "big.bin")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	w := io.MultiWriter(f, h)
	for i := 0; size > 0; i++ {
		piece := content(1, min(size, 4<<20))
		copy(piece, fmt.Sprint(i)) // no two slices are equal: see below
		for at := 0; at < len(piece); at += 1 << 20 {
			copy(piece[at:], fmt.Sprint(i, at))
		}
		if _, err := w.Write(piece); err != nil {
			t.Fatal(err)
		}
		size -= len(piece)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path, [32]byte(h.Sum(nil))
}

func hash(t *testing.T, r io.Reader) [32]byte {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		t.Fatal(err)
	}
	return [32]byte(h.Sum(nil))
}

// measured runs a command and looks at its own memory too. What wait(2) tells
// will not do: it begins with the memory of the process that forked.
func (n *network) measured(args ...string) {
	n.t.Helper()
	var output bytes.Buffer
	cmd := exec.CommandContext(n.t.Context(), program, append(args, "--dir", n.dir)...)
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	peak := int64(0)
	for running := true; running; {
		select {
		case <-tick.C:
			if now, err := peakMemory(cmd.Process.Pid); err == nil {
				peak = now
			}
		case err := <-ended:
			if running = false; err != nil {
				n.t.Fatalf("stratos %s: %v\n%s", strings.Join(args, " "), err, output.String())
			}
		}
	}
	n.t.Logf("stratos %s: peak %d MiB", args[0], peak>>20)
	if peak > maxMemory || peak == 0 {
		n.t.Errorf("stratos %s took %d MiB of memory at its peak, want some and less than 512", args[0], peak>>20)
	}
}

// checkMemory looks at the peak of every process of the network.
func (n *network) checkMemory() {
	n.t.Helper()
	roles, err := devnet.Roles(n.dir)
	if err != nil {
		n.t.Fatal(err)
	}
	for _, r := range roles {
		peak, err := peakMemory(r.PID())
		if err != nil {
			n.t.Fatalf("%s: %v", r.Name, err)
		}
		n.t.Logf("%s: peak %d MiB", r.Name, peak>>20)
		if peak > maxMemory {
			n.t.Errorf("%s took %d MiB of memory at its peak, want less than 512", r.Name, peak>>20)
		}
	}
}

// peakMemory is VmHWM of /proc/PID/status (proc(5)).
func peakMemory(pid int) (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("pid %d has no VmHWM", pid)
}
