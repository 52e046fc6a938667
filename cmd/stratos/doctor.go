package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/stratos-mesh/stratos/internal/devnet"
)

// finding is one thing that doctor looked at.
type finding struct {
	Check string `json:"check"`
	// Result is ok, warn or fail.
	Result string `json:"result"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"`
}

func (c *cli) doctor() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what is wrong with this machine or network, with a fix for each finding",
		Long: `Checks file limits, disk space and speed of --dir, the processes of the network
there, whether each answers, and the clocks. The exit code is 1 when something
fails; warnings leave it at 0.`,
		Example: "  stratos doctor\n  stratos doctor --url https://edge.example.net",
		Args:    cobra.NoArgs,
	}
	var urls []string
	cmd.Flags().StringSliceVar(&urls, "url", nil, "also look at these servers from here")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		findings := []finding{fileLimit(), diskSpace(c.dir), diskSpeed(c.dir)}
		n, err := devnet.Load(c.dir)
		switch {
		case err == nil:
			findings = append(findings, c.networkFindings(cmd.Context(), n)...)
		case errors.Is(err, devnet.ErrNoNetwork):
			findings = append(findings, finding{"network", "warn", err.Error(), "none is needed to run a single node; --url looks at a server"})
		default:
			findings = append(findings, finding{"network", "fail", err.Error(), "move the file away and run `stratos up`"})
		}
		client := &http.Client{Timeout: 5 * time.Second}
		for _, u := range urls {
			findings = append(findings, serverFinding(cmd.Context(), client, u, strings.TrimRight(u, "/")+"/readyz"))
		}
		return c.printFindings(findings)
	}
	return cmd
}

func (c *cli) printFindings(findings []finding) error {
	failed := 0
	for _, f := range findings {
		mark := map[string]string{"ok": c.color("32", "ok  "), "warn": c.color("33", "warn"), "fail": c.color("31", "FAIL")}[f.Result]
		text := fmt.Sprintf("%s  %-22s %s", mark, f.Check, f.Detail)
		if f.Fix != "" {
			text += "\n      → " + f.Fix
		}
		if err := c.print(f, text); err != nil {
			return err
		}
		if f.Result == "fail" {
			failed++
		}
	}
	if failed > 0 {
		return fail(exitFailed, "", fmt.Errorf("%d of %d checks failed", failed, len(findings)))
	}
	return nil
}

func fileLimit() finding {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return finding{"open files", "warn", err.Error(), ""}
	}
	f := finding{"open files", "ok", fmt.Sprintf("%d allowed", limit.Max), ""}
	if limit.Max < 65536 {
		f.Result, f.Fix = "warn", "raise LimitNOFILE of the service (or ulimit -n) to 1048576: each viewer takes one"
	}
	return f
}

// nearest is the folder, or its nearest parent that exists.
func nearest(dir string) string {
	for {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return up
		}
		dir = up
	}
}

func diskSpace(dir string) finding {
	var s syscall.Statfs_t
	if err := syscall.Statfs(nearest(dir), &s); err != nil {
		return finding{"disk space", "warn", err.Error(), ""}
	}
	free := int64(s.Bavail) * s.Bsize
	f := finding{"disk space", "ok", size(free) + " free", ""}
	if free < 10<<30 {
		f.Result, f.Fix = "warn", "lower `pinned` and `cached`, or take a larger disk: a full one takes no replicas"
	}
	return f
}

// diskSpeed writes and syncs 32 MiB beside the data.
func diskSpeed(dir string) finding {
	tmp, err := os.CreateTemp(nearest(dir), ".stratos-doctor-*")
	if err != nil {
		return finding{"disk speed", "fail", err.Error(), "the folder of --dir must be writable"}
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	began := time.Now()
	block := make([]byte, 1<<20)
	for range 32 {
		if _, err := tmp.Write(block); err != nil {
			return finding{"disk speed", "fail", err.Error(), "free some space"}
		}
	}
	if err := tmp.Sync(); err != nil {
		return finding{"disk speed", "fail", err.Error(), "look at the kernel's log: the disk may be dying"}
	}
	rate := 32 / time.Since(began).Seconds()
	f := finding{"disk speed", "ok", fmt.Sprintf("%.0f MiB/s with sync", rate), ""}
	if rate < 50 {
		f.Result, f.Fix = "warn", "replicas arrive at this rate; an SSD does ten times that"
	}
	return f
}

func (c *cli) networkFindings(ctx context.Context, n *devnet.Network) []finding {
	roles, err := devnet.Roles(c.dir)
	if err != nil {
		return []finding{{"network", "fail", err.Error(), ""}}
	}
	client := &http.Client{Timeout: 3 * time.Second}
	var out []finding
	for _, r := range roles {
		if r.PID() == 0 {
			out = append(out, finding{r.Name, "fail", "does not run", "start it with `stratos up --dir " + c.dir + "`; its log is " + filepath.Join(r.Dir, "log")})
			continue
		}
		out = append(out, serverFinding(ctx, client, r.Name, r.Ready))
	}
	return out
}

// serverFinding asks a node whether it is ready, and compares clocks: signatures
// between nodes allow 60 s.
func serverFinding(ctx context.Context, client *http.Client, name, address string) finding {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return finding{name, "fail", err.Error(), ""}
	}
	resp, err := client.Do(req)
	if err != nil {
		return finding{name, "fail", err.Error(), "is the process there, the port open (TCP 443, UDP 443), the certificate good?"}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return finding{name, "fail", address + " answers " + resp.Status, "its body lists the reasons"}
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		if off := time.Since(date).Abs(); off > 30*time.Second {
			return finding{name, "fail", fmt.Sprintf("its clock is %s away from ours", off.Round(time.Second)), "run an NTP client on both"}
		}
	}
	return finding{name, "ok", address + " answers", ""}
}
