package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/e2e/browser"
	"github.com/stratos-mesh/stratos/internal/devnet"
)

const (
	videoName = "bench/film"
	// videoHang is when one measurement is given up.
	videoHang = 2 * time.Minute
)

// cinema is a network with a film and a Chromium to watch it.
type cinema struct {
	o       options
	dir     string
	network *devnet.Network
	browser *browser.Browser
}

// video measures what viewers and uploaders wait for, in a real Chromium, and
// prints the median and the worst of the rounds.
func video(ctx context.Context, o options) error {
	c := &cinema{o: o, dir: filepath.Join(o.dir, "net")}
	defer exec.Command(o.stratos, "down", "--dir", c.dir).Run()
	defer func() {
		if c.browser != nil {
			c.browser.Close()
		}
	}()
	if err := c.stratos(ctx, "up", "--edges", "5", "--detach"); err != nil {
		return err
	}
	var err error
	if c.network, err = devnet.Load(c.dir); err != nil {
		return err
	}
	fmt.Printf("| video | asked | median of %d | worst |\n|---|---|---|---|\n", o.rounds)
	for _, part := range strings.Split(o.parts, ",") {
		measure := map[string]func(context.Context) error{"playable": c.playable, "frames": c.firstFrames, "stalls": c.stalls}[part]
		if measure == nil {
			return fmt.Errorf("-parts %s: want some of playable, frames, stalls", o.parts)
		}
		if part != "playable" {
			if err := c.open(ctx); err != nil {
				return err
			}
		}
		if err := measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
	}
	return nil
}

// open publishes the film and starts the browser, once.
func (c *cinema) open(ctx context.Context) (err error) {
	if c.browser != nil {
		return nil
	}
	clip := filepath.Join(c.o.dir, "clip.mp4")
	if err := ffmpeg(ctx, "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=25:duration=40", "-f", "lavfi", "-i", "sine=frequency=330:duration=40",
		"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", clip); err != nil {
		return err
	}
	if err := c.stratos(ctx, "put", "--video", clip, videoName); err != nil {
		return err
	}
	c.browser, err = browser.Start()
	return err
}

// row prints the durations of the rounds.
func row(what, asked string, rounds []time.Duration) {
	slices.Sort(rounds)
	n := len(rounds)
	fmt.Printf("| %s | %s | %.2f s | %.2f s |\n", what, asked, (rounds[(n-1)/2]+rounds[n/2]).Seconds()/2, rounds[n-1].Seconds())
}

func (c *cinema) stratos(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, c.o.stratos, append(args, "--dir", c.dir, "--quiet")...).CombinedOutput(); err != nil {
		return fmt.Errorf("stratos %s: %w\n%s", args[0], err, out)
	}
	return nil
}

func ffmpeg(ctx context.Context, args ...string) error {
	args = append([]string{"-hide_banner", "-nostdin", "-v", "error", "-y"}, args...)
	if out, err := exec.CommandContext(ctx, "ffmpeg", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ffmpeg: %w\n%s", err, out)
	}
	return nil
}

// firstFrames opens the watch page with an empty cache, again and again.
func (c *cinema) firstFrames(ctx context.Context) error {
	var rounds []time.Duration
	for range c.o.rounds {
		took, err := c.firstFrame(ctx)
		if err != nil {
			return err
		}
		rounds = append(rounds, took)
	}
	row("first frame after the watch page is opened, nothing cached, 720p", "< 1 s", rounds)
	return nil
}

func (c *cinema) firstFrame(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, videoHang)
	defer cancel()
	page, err := c.browser.Open(ctx, browser.Options{})
	if err != nil {
		return 0, err
	}
	defer page.Close()
	if err := page.Goto(ctx, c.network.Router+"/watch/"+videoName+"?autoplay=1&muted=1"); err != nil {
		return 0, err
	}
	if err := page.Until(ctx, "recorded.firstFrame > 0 && m.currentTime > 0"); err != nil {
		return 0, err
	}
	return milliseconds(ctx, page, "recorded.firstFrame")
}

func milliseconds(ctx context.Context, page *browser.Page, expression string) (time.Duration, error) {
	var n float64
	err := page.Eval(ctx, expression, &n)
	return time.Duration(n * float64(time.Millisecond)), err
}
