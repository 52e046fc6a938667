package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
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
		Long: `Checks file limits, disk space and speed of --dir; the processes of the network
there, whether each answers, the clocks, and the edges' certificates; what other
edges saw that dialled each from outside; Redis and GeoIP databases that their
Caddyfiles name. --config does that for a node of another network, --url for a
server from here, --meta with --operator-key for all edges of a meta node. The exit code is 1 when something
fails; warnings leave it at 0.`,
		Example: "  stratos doctor\n  stratos doctor --config /etc/stratos/Caddyfile --url https://meta.example.net\n  stratos doctor --url https://edge.example.net --json",
		Args:    cobra.NoArgs,
	}
	var urls, configs []string
	o := c.addOperator(cmd)
	cmd.Flags().StringSliceVar(&urls, "url", nil, "also look at these servers from here")
	cmd.Flags().StringSliceVar(&configs, "config", nil, "also look at what these Caddyfiles name")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, ca := cmd.Context(), o.ca
		findings := []finding{fileLimit(), diskSpace(c.dir), diskSpeed(c.dir)}
		var known configured
		n, err := devnet.Load(c.dir)
		switch {
		case err == nil:
			if ca == "" {
				ca = n.CA
			}
			findings = append(findings, c.networkFindings(ctx, n, &known)...)
		case errors.Is(err, devnet.ErrNoNetwork):
			findings = append(findings, finding{"network", "warn", err.Error(), "none is needed to run a single node; --url looks at a server, --config at a node's Caddyfile"})
		default:
			findings = append(findings, finding{"network", "fail", err.Error(), "move the file away and run `stratos up`"})
		}
		var own configured
		for _, path := range configs {
			if err := own.readConfig(path); err != nil {
				findings = append(findings, finding{"config", "fail", err.Error(), "--config names a Caddyfile that can be read"})
			}
		}
		for _, address := range append(known.redis, own.redis...) {
			findings = append(findings, redisFinding(ctx, address))
		}
		for _, path := range append(known.geoip, own.geoip...) {
			findings = append(findings, geoFinding(path, time.Now()))
		}
		if n != nil || len(o.metas) > 0 {
			client, err := c.operator(o)
			findings = append(findings, seenFindings(ctx, "edges", client, err)...)
		}
		// A development network's edges are in its meta node's list above.
		for _, e := range own.edges {
			client, err := e.client()
			findings = append(findings, seenFindings(ctx, "edge in "+e.dir, client, err)...)
		}
		client, err := httpClient(ca)
		if err != nil {
			return fail(exitNotFound, "--ca names a file with certificates in PEM", err)
		}
		client.Timeout = 5 * time.Second
		roots := client.Transport.(*http.Transport).TLSClientConfig
		if n != nil {
			for _, e := range n.Edges {
				if e.TLSURL != "" {
					findings = append(findings, certificateFinding(ctx, fmt.Sprintf("edge-%d", e.ID), e.TLSURL, pool(roots), time.Now()))
				}
			}
		}
		for _, u := range urls {
			findings = append(findings, serverFindings(ctx, client, u, strings.TrimRight(u, "/")+"/readyz")...)
			if strings.HasPrefix(u, "https://") {
				findings = append(findings, certificateFinding(ctx, u, u, pool(roots), time.Now()))
			}
		}
		return c.printFindings(findings)
	}
	return cmd
}

// pool is what a client trusts; nil is the system's.
func pool(config *tls.Config) *x509.CertPool {
	if config == nil {
		return nil
	}
	return config.RootCAs
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

func (c *cli) networkFindings(ctx context.Context, n *devnet.Network, known *configured) []finding {
	roles, err := devnet.Roles(c.dir)
	if err != nil {
		return []finding{{"network", "fail", err.Error(), "move the folder away and run `stratos up`"}}
	}
	client := &http.Client{Timeout: 3 * time.Second}
	var out []finding
	for _, r := range roles {
		if err := known.readConfig(filepath.Join(r.Dir, "Caddyfile")); err != nil {
			out = append(out, finding{r.Name, "fail", err.Error(), "`stratos up --dir " + c.dir + "` writes it again"})
		}
		if r.PID() == 0 {
			out = append(out, finding{r.Name, "fail", "does not run", "start it with `stratos up --dir " + c.dir + "`; its log is " + filepath.Join(r.Dir, "log")})
			continue
		}
		out = append(out, serverFindings(ctx, client, r.Name, r.Ready)...)
	}
	return out
}

// serverFindings asks a node whether it is ready, and compares clocks.
func serverFindings(ctx context.Context, client *http.Client, name, address string) []finding {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return []finding{{name, "fail", err.Error(), "write it as https://HOST[:PORT]"}}
	}
	sent := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return []finding{{name, "fail", err.Error(), "is the process there, the port open (TCP 443, UDP 443), the certificate good?"}}
	}
	defer resp.Body.Close()
	out := []finding{{name, "ok", address + " answers", ""}}
	if resp.StatusCode != http.StatusOK {
		out = []finding{{name, "fail", address + " answers " + resp.Status, "its body lists the reasons"}}
	}
	if clock, ok := clockFinding(name, resp.Header.Get("Date"), sent, time.Now()); ok {
		out = append(out, clock)
	}
	return out
}
