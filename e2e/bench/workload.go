package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	segments, segmentSize = 64, 2_000_000
	objects, objectSize   = 256, 10_000
)

// writeFiles makes the content that every server serves.
func writeFiles(dir string) error {
	www := filepath.Join(dir, "www")
	if err := os.MkdirAll(www, 0o755); err != nil {
		return err
	}
	random := rand.NewChaCha8([32]byte{1})
	write := func(name string, size int) error {
		data := make([]byte, size)
		random.Read(data)
		return os.WriteFile(filepath.Join(www, name), data, 0o644)
	}
	for i := range segments {
		if err := write(fmt.Sprintf("seg%d.m4s", i), segmentSize); err != nil {
			return err
		}
	}
	for i := range objects {
		if err := write(fmt.Sprintf("obj%d.bin", i), objectSize); err != nil {
			return err
		}
	}
	return nil
}

// workload is one way of asking.
type workload struct {
	// tls asks over HTTPS; h2 with HTTP/2 (through h2load).
	tls, h2 bool
	// h3 asks over HTTP/3.
	h3      bool
	segment bool
	// ranged asks for 64 kB out of the middle.
	ranged bool
	// fresh uses a new ticket on every tenth request; only the edge knows tickets.
	fresh bool
}

func workloads() map[string]workload {
	return map[string]workload{
		"h1-seg":       {segment: true},
		"h1-obj":       {},
		"h1tls-seg":    {tls: true, segment: true},
		"h1tls-obj":    {tls: true},
		"h2-seg":       {tls: true, h2: true, segment: true},
		"h2-obj":       {tls: true, h2: true},
		"h3-seg":       {tls: true, h3: true, segment: true},
		"h3-obj":       {tls: true, h3: true},
		"h1-range":     {segment: true, ranged: true},
		"h1-obj-fresh": {fresh: true},
	}
}

func workloadNames() []string {
	return []string{"h1-seg", "h1-obj", "h1tls-seg", "h1tls-obj", "h2-seg", "h2-obj", "h3-seg", "h3-obj", "h1-range", "h1-obj-fresh"}
}

// run measures one server once.
func (w workload) run(ctx context.Context, o options, s *server) (sample, error) {
	time.Sleep(settle) // lets the previous server's last work end
	before, err := s.cpuSeconds()
	if err != nil {
		return sample{}, err
	}
	var requests, perSecond float64
	switch {
	case w.h3:
		requests, perSecond, err = w.http3(ctx, o, s)
	case w.h2:
		requests, perSecond, err = w.h2load(ctx, o, s)
	default:
		requests, perSecond, err = w.wrk(ctx, o, s)
	}
	if err != nil {
		return sample{}, err
	}
	after, err := s.cpuSeconds()
	if err != nil {
		return sample{}, err
	}
	return sample{perSecond: perSecond, cpu: (after - before) / requests}, nil
}

// wrk asks for all files in turn on 32 connections of HTTP/1.1.
func (w workload) wrk(ctx context.Context, o options, s *server) (requests, perSecond float64, err error) {
	base := s.base(w)
	host, prefix := split(base)
	name, suffix, count := "obj", ".bin", objects
	if w.segment {
		name, suffix, count = "seg", ".m4s", segments
	}
	header := ""
	if w.ranged {
		header = `["Range"]="bytes=1000000-1065535"`
	}
	var script bytes.Buffer
	fmt.Fprintf(&script, "local h={%s}\nlocal i=0\n", header)
	if w.fresh && len(s.tickets) > 0 {
		fmt.Fprintf(&script, "local t={%q}\n", s.tickets[0])
		for _, ticket := range s.tickets[1:] {
			fmt.Fprintf(&script, "t[#t+1]=%q\n", ticket)
		}
		fmt.Fprintf(&script, "request=function() i=i+1; local k=math.floor(i/10)%%#t+1; return wrk.format('GET', t[k]..'/%s'..(i%%%d)..'%s', h) end\n", name, count, suffix)
	} else {
		fmt.Fprintf(&script, "request=function() i=(i+1)%%%d; return wrk.format('GET','%s/%s'..i..'%s', h) end\n", count, prefix, name, suffix)
	}
	path := filepath.Join(o.dir, "load.lua")
	if err := os.WriteFile(path, script.Bytes(), 0o644); err != nil {
		return 0, 0, err
	}
	out, err := exec.CommandContext(ctx, "wrk", "-t1", "-c32", fmt.Sprintf("-d%gs", o.seconds), "-s", path, host).CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("Non-2xx")) || bytes.Contains(out, []byte("Socket errors")) {
		return 0, 0, fmt.Errorf("wrk: %w\n%s", errOr(err, "errors in the answers"), out)
	}
	return number(out, `(\d+) requests in`), number(out, `Requests/sec:\s+([\d.]+)`), nil
}

// h2load asks for one file on 8 connections with 4 streams each.
func (w workload) h2load(ctx context.Context, o options, s *server) (requests, perSecond float64, err error) {
	args := []string{"-t1", "-c8", "-m4", "--warm-up-time=0", fmt.Sprintf("--duration=%d", max(1, int(o.seconds))), s.base(w) + "/" + w.one()}
	out, err := exec.CommandContext(ctx, "h2load", args...).CombinedOutput()
	failed := number(out, `(\d+) failed`) + number(out, `(\d+) errored`)
	if err != nil || failed > 0 {
		return 0, 0, fmt.Errorf("h2load: %w\n%s", errOr(err, "errors in the answers"), out)
	}
	return number(out, `(\d+) done`), number(out, `finished in [^,]+, ([\d.]+) req/s`), nil
}

// one is the file that is asked for where all in turn cannot be.
func (w workload) one() string {
	if w.segment {
		return "seg1.m4s"
	}
	return "obj1.bin"
}

func errOr(err error, text string) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%s", text)
}

func number(out []byte, pattern string) float64 {
	m := regexp.MustCompile(pattern).FindSubmatch(out)
	if m == nil {
		return 0
	}
	f, _ := strconv.ParseFloat(string(m[1]), 64) // the pattern admits digits only
	return f
}

func split(base string) (host, prefix string) {
	i := strings.Index(base[8:], "/")
	if i < 0 {
		return base, ""
	}
	return base[:8+i], strings.TrimRight(base[8+i:], "/")
}

func wants(o options, peer string) bool { return slices.Contains(strings.Split(o.peers, ","), peer) }
