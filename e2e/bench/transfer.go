package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/internal/devnet"
)

const transferSize = 500 << 20

// transfer times an upload with three durable replicas against three synced
// copies of the same bytes to the same disk, and a download through an edge
// against nginx serving the same file. At the end it prints each process's peak
// of resident memory.
func transfer(ctx context.Context, o options) error {
	dir := filepath.Join(o.dir, "net")
	defer exec.Command(o.stratos, "down", "--dir", dir).Run()
	if out, err := exec.CommandContext(ctx, o.stratos, "up", "--dir", dir, "--edges", "5", "--detach", "--quiet").CombinedOutput(); err != nil {
		return fmt.Errorf("up: %w\n%s", err, out)
	}
	n, err := devnet.Load(dir)
	if err != nil {
		return err
	}
	www := filepath.Join(o.dir, "www")
	if err := os.MkdirAll(www, 0o755); err != nil {
		return err
	}
	peer, stop, err := startNginx(ctx, o, n.Edges[0], www)
	defer stop()
	if err != nil {
		return err
	}
	var copies, puts, gets, theirs []float64
	for round := range o.rounds {
		file := filepath.Join(www, fmt.Sprintf("film-%d.bin", round))
		if err := writeRandom(file); err != nil {
			return err
		}
		name := fmt.Sprintf("bench/film-%d.bin", round)
		for _, step := range []struct {
			into *[]float64
			do   func() error
		}{
			{&copies, func() error { return copySynced(file, 3) }},
			{&puts, func() error {
				out, err := exec.CommandContext(ctx, o.stratos, "put", "--dir", dir, "--quiet", file, name).CombinedOutput()
				if err != nil {
					return fmt.Errorf("put: %w\n%s", err, out)
				}
				return nil
			}},
			{&theirs, func() error { return download(ctx, peer+"/"+filepath.Base(file)) }},
			{&gets, func() error { return download(ctx, n.Router+"/"+name) }},
		} {
			began := time.Now()
			if err := step.do(); err != nil {
				return err
			}
			*step.into = append(*step.into, time.Since(began).Seconds())
		}
		if err := os.Remove(file); err != nil {
			return err
		}
		if out, err := exec.CommandContext(ctx, o.stratos, "rm", "--dir", dir, "--quiet", name).CombinedOutput(); err != nil {
			return fmt.Errorf("rm: %w\n%s", err, out)
		}
	}
	row := func(what, peer string, ours, theirs []float64) {
		a, b := make([]sample, len(ours)), make([]sample, len(ours))
		for i := range ours {
			a[i].perSecond, b[i].perSecond = ours[i], theirs[i]
		}
		fmt.Printf("| %s | %.2f | %s | %.2f | %s |\n", what, median(ours), peer, median(theirs), ratios(a, b, func(a, b sample) float64 { return a.perSecond / b.perSecond }))
	}
	fmt.Printf("| 500 MiB | stratos s | peer | peer s | ratio of times [95 %%] |\n|---|---|---|---|---|\n")
	row("upload, three durable replicas", "three synced copies", puts, copies)
	row("download through an edge", "nginx", gets, theirs)
	roles, err := devnet.Roles(dir)
	if err != nil {
		return err
	}
	fmt.Printf("\n| process | peak resident MiB |\n|---|---|\n")
	for _, r := range roles {
		fmt.Printf("| %s | %d |\n", r.Name, residentKiB(r.PID(), "VmHWM")>>10)
	}
	return nil
}

func writeRandom(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.CopyN(f, rand.Reader, transferSize); err != nil {
		return err
	}
	return f.Sync()
}

// copySynced writes copies one after the other, each synced.
func copySynced(path string, copies int) error {
	for i := range copies {
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		out, err := os.Create(fmt.Sprintf("%s.copy-%d", path, i))
		if err != nil {
			in.Close()
			return err
		}
		// Through a buffer, as bytes from a network would come: no reflink.
		_, err = io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{in}, make([]byte, 1<<20))
		in.Close()
		if err == nil {
			err = out.Sync()
		}
		out.Close()
		if err != nil {
			return err
		}
		defer os.Remove(out.Name())
	}
	return nil
}

func download(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	size, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, resp.Body, make([]byte, 1<<20))
	if err == nil && (resp.StatusCode != http.StatusOK || size != transferSize) {
		err = fmt.Errorf("%s: %s, %d bytes", url, resp.Status, size)
	}
	return err
}

// residentKiB reads a field of /proc/PID/status in KiB.
func residentKiB(pid int, field string) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		var kib int64
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			if _, err := fmt.Sscan(rest, &kib); err == nil {
				return kib
			}
		}
	}
	return 0
}
