package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// playable uploads ten minutes of 1080p again and again, under a new name each
// time, and takes the time from the last byte of the upload to the last byte of
// the first segment at a viewer.
func (c *cinema) playable(ctx context.Context) error {
	piece, long := filepath.Join(c.o.dir, "piece.mp4"), filepath.Join(c.o.dir, "long.mp4")
	if err := ffmpeg(ctx, "-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=25:duration=10", "-f", "lavfi", "-i", "sine=frequency=330:duration=10",
		"-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", "50", "-c:a", "aac", piece); err != nil {
		return err
	}
	if err := ffmpeg(ctx, "-stream_loop", "59", "-i", piece, "-c", "copy", "-movflags", "+faststart", long); err != nil {
		return err
	}
	var rounds []time.Duration
	missed := 0
	for i := range c.o.rounds {
		took, err := c.playableOnce(ctx, long, fmt.Sprintf("bench/long-%d", i))
		if errors.Is(err, errNotEarly) {
			missed++
			continue
		}
		if err != nil {
			return err
		}
		rounds = append(rounds, took)
	}
	if len(rounds) == 0 {
		return errNotEarly
	}
	row(fmt.Sprintf("first segment at a viewer after the end of the upload, 10 min of 1080p, default settings; %d of %d rounds not within %s", missed, c.o.rounds, playableHang), "< 3 s", rounds)
	return nil
}

// playableHang is the longest that a round waits.
const playableHang = 30 * time.Second

// errNotEarly: origins show a video early only where it encodes fast enough.
var errNotEarly = errors.New("the video was not playable early: this machine encodes too slowly while it does other things")

// asset is what is read of one.
type asset struct {
	ID, State string
	Reason    json.RawMessage
}

func (c *cinema) playableOnce(ctx context.Context, file, name string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, videoHang)
	defer cancel()
	var a asset
	body := strings.NewReader(fmt.Sprintf("{%q: %q}", "name", name))
	if err := c.ask(ctx, http.MethodPost, "/v1/assets", body, -1, &a); err != nil {
		return 0, err
	}
	at := "/v1/assets/" + a.ID
	defer func() { // its ladder must not disturb the next
		_ = c.ask(context.WithoutCancel(ctx), http.MethodDelete, at+"?now=1", nil, 0, nil)
	}()
	source, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer source.Close()
	info, err := source.Stat()
	if err != nil {
		return 0, err
	}
	upload := &ending{Reader: source}
	if err := c.ask(ctx, http.MethodPut, at+"/source", upload, info.Size(), &a); err != nil {
		return 0, err
	}
	tick, late := time.NewTicker(20*time.Millisecond), time.NewTimer(playableHang)
	defer tick.Stop()
	defer late.Stop()
	for a.State != "playable" && a.State != "ready" {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("%s is %s: %w", name, a.State, ctx.Err())
		case <-late.C:
			return 0, errNotEarly
		}
		if err := c.ask(ctx, http.MethodGet, at, nil, 0, &a); err != nil {
			return 0, err
		}
		if a.State == "failed" {
			return 0, fmt.Errorf("%s failed: %s", name, a.Reason)
		}
	}
	return c.firstSegment(ctx, name, upload.end)
}

// firstSegment follows the playlists as a player does; the time is that since
// the end of the upload.
func (c *cinema) firstSegment(ctx context.Context, name string, since time.Time) (time.Duration, error) {
	address := c.network.Router + "/" + name + "/master.m3u8"
	for range 3 { // the multivariant playlist, a media playlist, a segment
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return 0, err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("%s: %s %w", address, resp.Status, err)
		}
		if !bytes.HasPrefix(text, []byte("#EXTM3U")) {
			return time.Since(since), nil
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				next, err := resp.Request.URL.Parse(line)
				if err != nil {
					return 0, err
				}
				address = next.String()
				break
			}
		}
	}
	return 0, fmt.Errorf("%s is a third playlist", address)
}

// ending notes when its reader has reached the end.
type ending struct {
	io.Reader
	end time.Time
}

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	e.end = time.Now()
	return n, err
}

// ask calls the origin with the network's key.
func (c *cinema) ask(ctx context.Context, method, path string, body io.Reader, size int64, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.network.Origin+path, body)
	if err != nil {
		return err
	}
	if size > 0 {
		req.ContentLength = size
	}
	req.Header.Set("Authorization", "Bearer "+c.network.APIKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode > 299 {
		return fmt.Errorf("%s %s: %s %s %w", method, path, resp.Status, text, err)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// live counts the edges that the meta node takes for well.
func (c *cinema) live(ctx context.Context) (n int, err error) {
	out, err := exec.CommandContext(ctx, c.o.stratos, "status", "--json", "--dir", c.dir).Output()
	if err != nil {
		return 0, fmt.Errorf("stratos status: %w", err)
	}
	var status struct{ Edges []struct{ State string } }
	if err := json.Unmarshal(out, &status); err != nil {
		return 0, err
	}
	for _, e := range status.Edges {
		if e.State == "live" {
			n++
		}
	}
	return n, nil
}
