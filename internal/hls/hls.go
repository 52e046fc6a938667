// Package hls reads, edits and writes HLS playlists (draft-pantos-hls-rfc8216bis)
// without losing what it does not know.
//
// Parse makes a Playlist, a document of lines: Encode gives back the same bytes.
// Media and Multivariant are views of it, plain structs that name the lines they
// were read from; edits change lines and leave all others as they were. The same
// structs are what WriteMedia and WriteMultivariant write. Check applies the rules
// of Apple's HLS authoring specification that playlists and measured segments
// make checkable. What we add to playlists, digests and signatures, is described
// in docs/formats/playlists.md.
package hls

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of what Parse takes. A day of 4 s segments with digests and byte ranges
// has 86,400 lines and 8 MiB.
const (
	// MaxBytes of a playlist.
	MaxBytes = 16 << 20
	// MaxLines of a playlist, blank ones included.
	MaxLines = 250_000
	// MaxLine is the longest line in bytes; data: URIs of keys are the long ones.
	MaxLine = 64 << 10
	// MaxAttrs is the longest attribute list.
	MaxAttrs = 128
)

// ErrMalformed is the kind of every error about a playlist's text.
var ErrMalformed = errors.New("malformed playlist")

// A LineError says what is wrong on which line, and what to do.
type LineError struct {
	// Line counts from 1; 0 is the playlist as a whole.
	Line int
	// Text is a sentence for whoever made the playlist.
	Text string
}

func (e *LineError) Error() string {
	if e.Line == 0 {
		return "hls: " + e.Text
	}
	return fmt.Sprintf("hls: line %d: %s", e.Line, e.Text)
}

// Unwrap makes every LineError an ErrMalformed.
func (e *LineError) Unwrap() error { return ErrMalformed }

// fail makes a LineError of a line's index.
func fail(index int, format string, args ...any) error {
	return &LineError{Line: index + 1, Text: fmt.Sprintf(format, args...)}
}

// A Playlist is a document of lines. Its edits are not safe for use by several
// goroutines at once, and one that fails may have been made in part: edit a Clone,
// which is cheap.
type Playlist struct {
	lines []Line
}

// Parse reads a playlist. It refuses what RFC 8216bis section 4.1 has clients
// refuse (no #EXTM3U, a byte order mark, control characters, bytes that are not
// UTF-8), attribute lists that cannot be read, and what is over the bounds.
func Parse(b []byte) (*Playlist, error) {
	if len(b) > MaxBytes {
		return nil, &LineError{Text: fmt.Sprintf("the playlist has %d bytes, the limit is %d: cut it into shorter ones", len(b), MaxBytes)}
	}
	if strings.HasPrefix(string(b[:min(3, len(b))]), "\ufeff") {
		return nil, fail(0, "the file begins with a byte order mark: save it as UTF-8 without one")
	}
	text := string(b)
	p := &Playlist{lines: make([]Line, 0, min(strings.Count(text, "\n")+1, MaxLines))}
	for text != "" {
		i := len(p.lines)
		if i == MaxLines {
			return nil, fail(i, "the playlist has more than %d lines: cut it into shorter ones", MaxLines)
		}
		var line Line
		line, text = cutLine(text)
		if err := line.check(i); err != nil {
			return nil, err
		}
		p.lines = append(p.lines, line)
	}
	if len(p.lines) == 0 || p.lines[0].text != "#EXTM3U" {
		return nil, fail(0, "the first line is not #EXTM3U: this is no HLS playlist")
	}
	return p, nil
}

// cutLine takes the first line off text.
func cutLine(text string) (Line, string) {
	i := strings.IndexByte(text, '\n')
	if i < 0 {
		return Line{text: text}, ""
	}
	if i > 0 && text[i-1] == '\r' {
		return Line{text: text[:i-1], end: "\r\n"}, text[i+1:]
	}
	return Line{text: text[:i], end: "\n"}, text[i+1:]
}

// check refuses what no playlist may hold; i is the line's index.
func (l Line) check(i int) error {
	if len(l.text) > MaxLine {
		return fail(i, "the line has %d bytes, the limit is %d: shorten it", len(l.text), MaxLine)
	}
	if !utf8.ValidString(l.text) {
		return fail(i, "the line is not UTF-8: save the playlist as UTF-8")
	}
	for _, r := range l.text {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return fail(i, "the line holds the control character U+%04X: remove it", r)
		}
	}
	if l.Kind() == Tag && hasAttrs(l.Name()) {
		if _, err := ParseAttrs(l.Value()); err != nil {
			return fail(i, "#%s: %v", l.Name(), err)
		}
	}
	return nil
}

// Encode returns the playlist's bytes: those that were parsed, but for edits.
func (p *Playlist) Encode() []byte {
	b := make([]byte, 0, p.size())
	for _, l := range p.lines {
		b = append(append(b, l.text...), l.end...)
	}
	return b
}

// Lines gives every line with its number, from 1.
func (p *Playlist) Lines() iter.Seq2[int, Line] {
	return func(yield func(int, Line) bool) {
		for i, l := range p.lines {
			if !yield(i+1, l) {
				return
			}
		}
	}
}

// Clone returns a copy whose edits leave p as it is.
func (p *Playlist) Clone() *Playlist { return &Playlist{lines: slices.Clone(p.lines)} }

// IsMultivariant says whether the playlist has a tag that only multivariant
// playlists have. One without any tag of either kind counts as a media playlist.
func (p *Playlist) IsMultivariant() bool {
	return slices.ContainsFunc(p.lines, func(l Line) bool { return l.Kind() == Tag && multivariantTags[l.Name()] })
}
