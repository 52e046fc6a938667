package transcode

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Bounds of one track of captions.
const (
	maxCues     = 200_000
	maxCaptions = 32 << 20
)

// cue of a WebVTT file: its times, and the lines as they came.
type cue struct {
	from, to time.Duration
	settings string
	text     string
}

// readText cuts a track of captions when all of it is there. Every segment
// exists, an empty one too, and a cue that stands longer is in each that it
// touches: RFC 8216bis section 3.1.4.
func (c *cutter) readText(r io.Reader) error {
	cues, err := readCues(io.LimitReader(r, maxCaptions))
	if err != nil {
		return fmt.Errorf("transcode: %s: %w", c.name, err)
	}
	for i := range c.plan.Segments {
		from, to := c.plan.segmentStart(i), min(c.plan.segmentStart(i+1), c.plan.Length)
		b := writeCues(cues, from, to)
		file := path.Join(c.name, captionsName(i))
		if err := writeWhole(filepath.Join(c.dir, filepath.FromSlash(file)), b); err != nil {
			return err
		}
		c.report(Segment{Rendition: c.name, Number: i, Path: file, Bytes: int64(len(b)), Duration: to - from})
	}
	return nil
}

func captionsName(number int) string { return fmt.Sprintf("%05d.vtt", number) }

// readCues reads WebVTT (W3C, section 4), what is not a cue left out.
func readCues(r io.Reader) ([]cue, error) {
	var cues []cue
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	var now *cue
	for lines.Scan() {
		line := strings.ToValidUTF8(strings.TrimSuffix(lines.Text(), "\r"), "")
		if strings.Contains(line, "-->") {
			from, to, settings, ok := parseTimes(line)
			now = nil
			if ok && len(cues) < maxCues {
				cues = append(cues, cue{from: from, to: to, settings: settings})
				now = &cues[len(cues)-1]
			}
			continue
		}
		if line == "" {
			now = nil
		}
		if now != nil {
			now.text += line + "\n"
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read captions: %w", err)
	}
	return cues, nil
}

// parseTimes reads "00:01.000 --> 01:00:04.000 line:0".
func parseTimes(line string) (from, to time.Duration, settings string, ok bool) {
	left, right, _ := strings.Cut(line, "-->")
	right = strings.TrimLeft(right, " \t")
	end, settings, _ := strings.Cut(right, " ")
	from, err1 := parseClock(strings.TrimSpace(left))
	to, err2 := parseClock(strings.TrimSpace(end))
	return from, to, strings.TrimSpace(settings), err1 == nil && err2 == nil && from < to
}

func parseClock(text string) (time.Duration, error) {
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return 0, errors.New("no time")
	}
	whole, milli, ok := strings.Cut(parts[len(parts)-1], ".")
	if !ok || len(milli) != 3 {
		return 0, errors.New("no milliseconds")
	}
	total := time.Duration(0)
	for _, p := range append(parts[:len(parts)-1:len(parts)-1], whole) {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return 0, err
		}
		total = total*60 + time.Duration(n)*time.Second
	}
	n, err := strconv.ParseUint(milli, 10, 16)
	return total + time.Duration(n)*time.Millisecond, err
}

// writeCues that are on the screen between two times. Media time zero is the
// map's zero, because every track's first sample is at zero.
func writeCues(cues []cue, from, to time.Duration) []byte {
	var b strings.Builder
	b.WriteString("WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n")
	for _, c := range cues {
		if c.from < to && c.to > from {
			b.WriteString("\n" + strings.TrimSpace(clock(c.from)+" --> "+clock(c.to)+" "+c.settings) + "\n" + c.text)
		}
	}
	return []byte(b.String())
}

func clock(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d:%02d.%03d", d/time.Hour, d/time.Minute%60, d/time.Second%60, d/time.Millisecond%1000)
}
