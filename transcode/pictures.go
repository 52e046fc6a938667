package transcode

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

// Bounds of the storyboard: at most so many thumbnails on a sheet, and sheets.
const (
	sheetColumns, sheetRows = 10, 10
	maxSheets               = 4
	thumbWidth              = 160
	maxPictures             = 64 << 20
)

// pictures makes the poster and the storyboard from segments, so they need no
// source. Made again from the same segments they are the same.
func (p Plan) pictures(ctx context.Context, box *sandbox.Box, dir string) ([]string, error) {
	if err := p.poster(ctx, box, dir); err != nil {
		return nil, err
	}
	files, err := p.storyboard(ctx, box, dir)
	return append(files, posterName), err
}

// poster is the frame of a segment that ffmpeg finds most like its others, a
// tenth into the video: openings are often black.
func (p Plan) poster(ctx context.Context, box *sandbox.Box, dir string) error {
	rung := p.Rungs[0]
	for _, r := range p.Rungs {
		if r.Codec == H264 && r.Width*r.Height > rung.Width*rung.Height {
			rung = r
		}
	}
	at := min(p.Segments/10, p.Segments-1)
	jpeg, err := p.decode(ctx, box, dir, rung.Name, at, at+1, "thumbnail=n=48,setsar=1", "-frames:v", "1")
	if err != nil {
		return fmt.Errorf("transcode: make the poster: %w", err)
	}
	return writeWhole(filepath.Join(dir, posterName), jpeg)
}

// storyboard is one or more sheets of thumbnails, and their times as WebVTT.
func (p Plan) storyboard(ctx context.Context, box *sandbox.Box, dir string) ([]string, error) {
	rung := p.Rungs[0]
	for _, r := range p.Rungs {
		if r.Codec == H264 && r.Width*r.Height < rung.Width*rung.Height {
			rung = r
		}
	}
	keys := int((p.Frames + int64(p.KeyFrames) - 1) / int64(p.KeyFrames))
	each := (keys + sheetColumns*sheetRows*maxSheets - 1) / (sheetColumns * sheetRows * maxSheets)
	count := (keys + each - 1) / each
	columns := min(count, sheetColumns)
	rows := min((count+columns-1)/columns, sheetRows)
	width, height := thumbWidth, even(thumbWidth*float64(rung.Height)/float64(rung.Width))
	if height > width {
		width, height = even(thumbWidth*float64(rung.Width)/float64(rung.Height)), thumbWidth
	}
	filter := fmt.Sprintf("select=not(mod(n\\,%d)),scale=%d:%d:flags=bicubic,tile=%dx%d,setsar=1", each, width, height, columns, rows)
	sheets, err := p.decode(ctx, box, dir, rung.Name, 0, p.Segments, filter, "-fps_mode", "passthrough")
	if err != nil {
		return nil, fmt.Errorf("transcode: make the storyboard: %w", err)
	}
	var files []string
	for i, sheet := range splitJPEG(sheets) {
		files = append(files, sheetName(i))
		if err := writeWhole(filepath.Join(dir, sheetName(i)), sheet); err != nil {
			return nil, err
		}
	}
	if want := (count + columns*rows - 1) / (columns * rows); len(files) != want {
		return nil, fmt.Errorf("transcode: make the storyboard: %d sheets instead of %d", len(files), want)
	}
	index := p.storyboardIndex(count, each, columns, rows, width, height)
	return append(files, thumbsName), writeWhole(filepath.Join(dir, thumbsName), index)
}

func sheetName(i int) string { return fmt.Sprintf("storyboard-%d.jpg", i) }

// storyboardIndex names a part of a sheet for every span of time.
func (p Plan) storyboardIndex(count, each, columns, rows, width, height int) []byte {
	var b strings.Builder
	b.WriteString("WEBVTT\n")
	for i := range count {
		from := p.Rate.time(int64(i*each) * int64(p.KeyFrames))
		to := min(p.Rate.time(int64((i+1)*each)*int64(p.KeyFrames)), p.Length)
		if i == count-1 {
			to = max(p.Length, from+time.Millisecond)
		}
		cell := i % (columns * rows)
		fmt.Fprintf(&b, "\n%s --> %s\n%s#xywh=%d,%d,%d,%d\n", clock(from), clock(to), sheetName(i/(columns*rows)), cell%columns*width, cell/columns*height, width, height)
	}
	return []byte(b.String())
}

// decode runs the key frames of some segments through a filter to JPEGs.
func (p Plan) decode(ctx context.Context, box *sandbox.Box, dir, name string, first, end int, filter string, more ...string) ([]byte, error) {
	var out bytes.Buffer
	args := []string{
		"-hide_banner", "-nostdin", "-v", "error", "-nostats", "-protocol_whitelist", "pipe", "-format_whitelist", "mov,mp4",
		"-skip_frame", "nokey", "-f", "mp4", "-i", "pipe:0", "-vf", filter,
	}
	args = append(args, more...)
	args = append(args, "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-q:v", "4", "-flags", "+bitexact", "-f", "image2pipe", "pipe:1")
	err := box.Run(ctx, sandbox.Command{
		Program: "ffmpeg", Args: args, Stdin: &segmentReader{dir: dir, name: name, next: first - 1, first: first, end: end},
		Limits: sandbox.Limits{CPU: time.Hour, Wall: time.Hour, Output: maxPictures},
		Outputs: []func(io.Reader) error{func(r io.Reader) error {
			_, err := io.Copy(&out, r)
			return err
		}},
	})
	if err != nil {
		return nil, err
	}
	if out.Len() == 0 {
		return nil, fmt.Errorf("no picture came out")
	}
	return out.Bytes(), nil
}

// segmentReader is a rendition as one stream: its initialization section, then
// segments.
type segmentReader struct {
	dir, name        string
	first, end, next int
	now              []byte
}

func (s *segmentReader) Read(b []byte) (int, error) {
	for len(s.now) == 0 {
		file := initName
		switch {
		case s.next >= s.end:
			return 0, io.EOF
		case s.next >= s.first:
			file = segmentName(s.next)
		}
		s.next++
		var err error
		if s.now, err = readTree(s.dir, s.name+"/"+file); err != nil {
			return 0, err
		}
	}
	n := copy(b, s.now)
	s.now = s.now[n:]
	return n, nil
}

// splitJPEG cuts pictures that follow each other. In coded data 0xFF is always
// followed by a zero, so an end and a start in a row are what they look like.
func splitJPEG(b []byte) [][]byte {
	var all [][]byte
	for len(b) > 0 {
		i := bytes.Index(b, []byte("\xff\xd9\xff\xd8"))
		if i < 0 {
			return append(all, b)
		}
		all = append(all, b[:i+2])
		b = b[i+2:]
	}
	return all
}
