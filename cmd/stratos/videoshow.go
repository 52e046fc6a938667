package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// videoShow shows how a video comes along: a block of bars that is painted over
// on a terminal, plain lines otherwise, objects with --json, nothing with
// --quiet.
type videoShow struct {
	c     *cli
	size  int64
	began time.Time

	mu      sync.Mutex // guards following
	bytes   int64
	begun   bool
	from    int64 // what an earlier run had sent
	whole   bool  // the source is at the origin
	asset   *videoAsset
	painted int // lines on the screen
	last    time.Time
	said    string // the last state or progress in plain lines
}

func (c *cli) videoShow(length int64) *videoShow {
	return &videoShow{c: c, size: length, began: time.Now()}
}

// sent counts bytes of the upload.
func (s *videoShow) sent(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begun { // the first is what was there before
		s.begun, s.from = true, int64(n)
	}
	s.bytes += int64(n)
	s.report(false)
}

// at is how many bytes are sent.
func (s *videoShow) at() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// uploaded notes that the source is at the origin.
func (s *videoShow) uploaded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.whole, s.bytes = true, s.size
	s.report(true)
}

// see takes a new state of the asset.
func (s *videoShow) see(a *videoAsset) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.asset
	s.asset = a
	s.report(before == nil || before.State != a.State)
}

// close leaves the last picture on the screen.
func (s *videoShow) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.painted > 0 {
		s.paint()
		s.painted = 0
	}
}

// report shows what is so, not too often unless it is news; mu is held.
func (s *videoShow) report(news bool) {
	every := 2 * time.Second
	if s.c.terminal() && !s.c.json {
		every = 100 * time.Millisecond
	}
	now := time.Now()
	if s.c.quiet || !news && now.Sub(s.last) < every {
		return
	}
	s.last = now
	switch {
	case s.c.json && s.asset != nil:
		_ = json.NewEncoder(s.c.err).Encode(map[string]any{"progress": "video", "asset": s.asset.raw})
	case s.c.json:
		_ = json.NewEncoder(s.c.err).Encode(map[string]any{"progress": "upload", "bytes": s.bytes, "total": s.size, "bytes_per_second": int64(s.rate())})
	case s.c.terminal():
		s.paint()
	default:
		if line := s.line(); line != s.said {
			s.said = line
			fmt.Fprintln(s.c.err, line)
		}
	}
}

// rate of the upload in bytes a second.
func (s *videoShow) rate() float64 {
	return float64(s.bytes-s.from) / max(time.Since(s.began).Seconds(), 0.001)
}

// line is the whole in one line.
func (s *videoShow) line() string {
	a := s.asset
	switch {
	case a == nil && s.whole:
		return "upload: " + size(s.size) + " are at the origin"
	case a == nil || a.waits():
		return fmt.Sprintf("upload: %s of %s, %s/s", size(s.bytes), size(s.size), size(int64(s.rate())))
	case a.State == "encoding" || a.State == "playable":
		line := fmt.Sprintf("%s: %s", a.State, s.encoding())
		var parts []string
		for _, r := range a.Rungs {
			parts = append(parts, fmt.Sprintf("%s %d%%", r.Name, percent(r.Progress)))
		}
		if len(parts) > 0 {
			line += " (" + strings.Join(parts, ", ") + ")"
		}
		return line
	}
	return a.State
}

// encoding tells the progress over all rungs.
func (s *videoShow) encoding() string {
	text := fmt.Sprintf("%d%%", percent(s.asset.Progress))
	if s.asset.Speed >= 0.05 {
		text += fmt.Sprintf(", %.1f× real time", s.asset.Speed)
	}
	if s.asset.TimeLeft > 0 {
		text += ", " + seconds(s.asset.TimeLeft) + " left"
	}
	return text
}

// paint draws the block of bars over the one before.
func (s *videoShow) paint() {
	width, height := 80, 24
	if f, ok := s.c.err.(*os.File); ok {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
			width, height = w, h
		}
	}
	lines := s.block(width)
	if len(lines) >= height {
		lines = lines[:max(height-1, 1)]
	}
	var b strings.Builder
	if s.painted > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.painted)
	}
	for _, line := range lines {
		b.WriteString("\r" + cut(line, width-1) + "\x1b[K\n")
	}
	if s.painted > len(lines) {
		b.WriteString("\x1b[J")
	}
	s.painted = len(lines)
	_, _ = io.WriteString(s.c.err, b.String())
}

// block are the lines of the picture: upload, source, every rung, publishing.
func (s *videoShow) block(width int) []string {
	bar := func(done float64) string {
		wide := min(max(width-52, 8), 40)
		full := min(max(int(done*float64(wide)+0.5), 0), wide)
		return strings.Repeat("█", full) + strings.Repeat("░", wide-full)
	}
	row := func(name string, done float64, rest string) string {
		return fmt.Sprintf("%-14s %s %3d%%  %s", cut(name, 14), bar(done), percent(done), rest)
	}
	share := 1.0
	if s.size > 0 {
		share = float64(s.bytes) / float64(s.size)
	}
	rest := size(s.size)
	if !s.whole {
		rest = fmt.Sprintf("%s/s", size(int64(s.rate())))
		if rate := s.rate(); rate > 0 && s.bytes > s.from {
			rest += ", " + seconds(float64(s.size-s.bytes)/rate) + " left"
		}
	}
	lines := []string{row("upload", share, rest)}
	a := s.asset
	if a == nil || a.waits() {
		return lines
	}
	if a.Source.Container == "" {
		return append(lines, "probe          …")
	}
	lines = append(lines, "probe          "+a.describeSource())
	for _, r := range a.Rungs {
		rest := ""
		if r.Speed > 0 && r.Progress < 1 {
			rest = fmt.Sprintf("%.1f×, %s left", r.Speed, seconds(a.Source.Duration*(1-r.Progress)/r.Speed))
		}
		lines = append(lines, row(r.label(), r.Progress, rest))
	}
	switch a.State {
	case "encoding", "playable":
		lines = append(lines, row("encode", a.Progress, strings.TrimPrefix(s.encoding(), fmt.Sprintf("%d%%, ", percent(a.Progress)))))
		if a.URLs.Watch != "" {
			lines = append(lines, "plays already  "+a.URLs.Watch)
		}
	case "publishing":
		lines = append(lines, "publish        …")
	case "ready":
		lines = append(lines, "publish        done")
	}
	return lines
}

// label names a rung as people do.
func (r *videoRung) label() string {
	switch {
	case r.Kind == "video" && r.Codec != "" && r.Codec != "h264":
		return fmt.Sprintf("%dx%d %s", r.Width, r.Height, r.Codec)
	case r.Kind == "video":
		return fmt.Sprintf("%dx%d", r.Width, r.Height)
	case r.Language != "" && r.Language != "und":
		return r.Kind + " " + r.Language
	}
	return r.Kind
}

// describeSource tells what was found in the file.
func (a *videoAsset) describeSource() string {
	var parts []string
	if a.Source.Video != "" {
		parts = append(parts, fmt.Sprintf("%dx%d %s, %.4g fps", a.Source.Width, a.Source.Height, a.Source.Video, a.Source.FrameRate))
	}
	parts = append(parts, seconds(a.Source.Duration))
	for _, p := range []struct {
		n    int
		what string
	}{{a.Source.Audio, "sound track"}, {a.Source.Captions, "caption track"}} {
		if p.n == 1 {
			parts = append(parts, "1 "+p.what)
		} else if p.n > 1 {
			parts = append(parts, fmt.Sprintf("%d %ss", p.n, p.what))
		}
	}
	return strings.Join(parts, ", ")
}

// percent of a share; 100 only when it is done.
func percent(share float64) int { return min(max(int(share*100), 0), 100) }

// seconds writes a time for people: 9 s, 1:05, 2:03:00.
func seconds(s float64) string {
	n := int(s + 0.5)
	switch {
	case n < 60:
		return fmt.Sprintf("%d s", n)
	case n < 3600:
		return fmt.Sprintf("%d:%02d", n/60, n%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", n/3600, n/60%60, n%60)
}

// cut shortens a line to a number of characters.
func cut(line string, n int) string {
	runes := []rune(line)
	if len(runes) <= n {
		return line
	}
	return string(runes[:max(n, 0)])
}
