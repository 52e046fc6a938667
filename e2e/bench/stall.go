package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/stratos-mesh/stratos/e2e/browser"
	"github.com/stratos-mesh/stratos/internal/devnet"
)

// mishap is what happens to the edge in use; undo makes it well again.
type mishap struct {
	name string
	do   func(ctx context.Context, e devnet.Edge, road *browser.Proxy) (undo func() error, err error)
}

// stalls plays at twice the speed with at most 8 s loaded, lets a mishap happen
// to the edge in use, and takes the longest time that playback stood still
// until 12 s further.
func (c *cinema) stalls(ctx context.Context) error {
	page := fmt.Sprintf(`<!doctype html><link rel=icon href=data:,><style>stratos-player{width:1280px;height:720px}</style>
		<body><script src="%s/static/player/stratos-player.js"></script><stratos-player src="%s/%s" muted autoplay buffer="4"></stratos-player>
		<script>m.defaultPlaybackRate = m.playbackRate = 2</script>`, c.network.Router, c.network.Router, videoName)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page) }))
	defer server.Close()
	for _, m := range []mishap{
		{"kill -9", func(ctx context.Context, e devnet.Edge, _ *browser.Proxy) (func() error, error) {
			return func() error { return c.well(ctx) }, syscall.Kill(e.PID, syscall.SIGKILL)
		}},
		{"SIGSTOP", func(ctx context.Context, e devnet.Edge, _ *browser.Proxy) (func() error, error) {
			return func() error { return errors.Join(syscall.Kill(e.PID, syscall.SIGCONT), c.well(ctx)) }, syscall.Kill(e.PID, syscall.SIGSTOP)
		}},
		{"cut off without a reset", func(_ context.Context, e devnet.Edge, road *browser.Proxy) (func() error, error) {
			road.Cut(strings.TrimPrefix(e.URL, "http://"), true)
			return func() error { return nil }, nil
		}},
	} {
		var rounds []time.Duration
		for range c.o.rounds {
			took, err := c.stall(ctx, server.URL, m)
			if err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			rounds = append(rounds, took)
		}
		row("longest standstill, edge in use: "+m.name+"; at most 8 s loaded, at twice the speed", "< 1 s", rounds)
	}
	return nil
}

func (c *cinema) stall(ctx context.Context, address string, m mishap) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, videoHang)
	defer cancel()
	road, err := browser.NewProxy()
	if err != nil {
		return 0, err
	}
	defer road.Close()
	var o browser.Options
	if strings.HasPrefix(m.name, "cut") {
		o.Proxy = road.URL()
	}
	page, err := c.browser.Open(ctx, o)
	if err != nil {
		return 0, err
	}
	defer page.Close()
	if err := page.Goto(ctx, address); err != nil {
		return 0, err
	}
	if err := page.Until(ctx, "m.currentTime > 3 && ahead() > 2"); err != nil {
		return 0, err
	}
	edge, err := c.inUse(page)
	if err != nil {
		return 0, err
	}
	var from float64
	if err := page.Eval(ctx, "m.currentTime", &from); err != nil {
		return 0, err
	}
	undo, err := m.do(ctx, edge, road)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, undo()) }()
	if err := page.Until(ctx, fmt.Sprintf("m.currentTime > %f", from+12)); err != nil {
		return 0, err
	}
	return milliseconds(ctx, page, "recorded.longestStall")
}

// inUse is the edge that sent the last whole segment.
func (c *cinema) inUse(page *browser.Page) (devnet.Edge, error) {
	for _, r := range slices.Backward(page.Requests()) {
		u, err := url.Parse(r.URL)
		if err != nil || !r.Done || !strings.HasSuffix(u.Path, ".m4s") {
			continue
		}
		for _, e := range c.network.Edges {
			if e.URL == "http://"+u.Host {
				return e, nil
			}
		}
	}
	return devnet.Edge{}, errors.New("no edge has sent a segment")
}

// well starts what does not run, and waits for the meta node to say so.
func (c *cinema) well(ctx context.Context) (err error) {
	if err := c.stratos(ctx, "up", "--detach"); err != nil {
		return err
	}
	if c.network, err = devnet.Load(c.dir); err != nil {
		return err
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		live, err := c.live(ctx)
		if err != nil || live == len(c.network.Edges) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d edges are live: %w", live, len(c.network.Edges), ctx.Err())
		}
	}
}
