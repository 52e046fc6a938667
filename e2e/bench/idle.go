package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/stratos-mesh/stratos/internal/devnet"
)

const idleConnections = 10_000

// idle opens connections that have made one request each, and prints what they
// cost the edge in resident memory.
func idle(ctx context.Context, o options) error {
	fmt.Printf("| 10,000 idle connections | resident MiB before | after | cost MiB | KiB each |\n|---|---|---|---|---|\n")
	for _, kind := range []string{"plain HTTP/1.1", "TLS, HTTP/1.1"} {
		if err := idleKind(ctx, o, kind); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

func idleKind(ctx context.Context, o options, kind string) error {
	// A process of its own for each kind, so that no heap is left from before.
	dir := filepath.Join(o.dir, "idle-"+kind[:3])
	defer exec.Command(o.stratos, "down", "--dir", dir).Run()
	if out, err := exec.CommandContext(ctx, o.stratos, "up", "--dir", dir, "--edges", "1", "--detach", "--quiet").CombinedOutput(); err != nil {
		return fmt.Errorf("up: %w\n%s", err, out)
	}
	n, err := devnet.Load(dir)
	if err != nil {
		return err
	}
	edge := n.Edges[0]
	u, err := url.Parse(edge.URL)
	if err != nil {
		return err
	}
	dial := func() (net.Conn, error) { return net.Dial("tcp", u.Host) }
	if kind != "plain HTTP/1.1" {
		if u, err = url.Parse(edge.TLSURL); err != nil {
			return err
		}
		config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}} // memory is measured, not trust
		dial = func() (net.Conn, error) { return tls.Dial("tcp", u.Host, config) }
	}
	before := residentKiB(edge.PID, "VmRSS")
	conns := make([]net.Conn, 0, idleConnections)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range idleConnections {
		c, err := dial()
		if err != nil {
			return fmt.Errorf("connection %d: %w", len(conns), err)
		}
		conns = append(conns, c)
		if _, err := fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", u.Host); err != nil {
			return err
		}
		resp, err := http.ReadResponse(bufio.NewReaderSize(c, 2048), nil)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
	}
	select {
	case <-time.After(2 * time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	after := residentKiB(edge.PID, "VmRSS")
	fmt.Printf("| %s | %d | %d | %d | %.1f |\n", kind, before>>10, after>>10, (after-before)>>10, float64(after-before)/idleConnections)
	return nil
}
