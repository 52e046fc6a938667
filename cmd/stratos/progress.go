package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress of a long action: a bar with rate and time left on a terminal, a
// plain line every few seconds otherwise, objects with --json, nothing with
// --quiet.
type progress struct {
	add  func(n int)
	done func()
}

func (c *cli) progress(what string, total int64) progress {
	switch {
	case c.quiet || total == 0:
		return progress{add: func(int) {}, done: func() {}}
	case c.json:
		return c.lines(func(at int64, rate float64) {
			json.NewEncoder(c.err).Encode(map[string]any{"progress": what, "bytes": at, "total": total, "bytes_per_second": int64(rate)})
		})
	case !c.terminal():
		return c.lines(func(at int64, rate float64) {
			fmt.Fprintf(c.err, "%s: %s of %s, %s/s\n", what, size(at), size(total), size(int64(rate)))
		})
	}
	bar := progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(c.err), progressbar.OptionSetDescription(what), progressbar.OptionShowBytes(true),
		progressbar.OptionUseIECUnits(true), progressbar.OptionShowTotalBytes(true), progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionFullWidth(), progressbar.OptionClearOnFinish())
	return progress{add: func(n int) { bar.Add(n) }, done: func() { bar.Finish() }}
}

// lines reports at most every two seconds, and never for what is done sooner.
func (c *cli) lines(report func(at int64, rate float64)) progress {
	var at atomic.Int64
	var mu sync.Mutex // guards last
	began := time.Now()
	last := began
	return progress{
		add: func(n int) {
			sum := at.Add(int64(n))
			mu.Lock()
			defer mu.Unlock()
			if now := time.Now(); now.Sub(last) >= 2*time.Second {
				last = now
				report(sum, float64(sum)/now.Sub(began).Seconds())
			}
		},
		done: func() {},
	}
}

// size writes bytes for people, in the units of IEC 80000-13.
func size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

// countingReader tells how many bytes went through.
type countingReader struct {
	r     io.Reader
	count func(int)
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.count(n)
	return n, err
}
