package hls

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// writer builds a playlist line by line; the first error sticks.
type writer struct {
	bytes.Buffer
	err error
}

func (w *writer) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("hls: write: "+format, args...)
	}
}

// tag writes a tag with a value, or without one.
func (w *writer) tag(name, value string) {
	if strings.ContainsAny(value, "\r\n") {
		w.fail("#%s cannot hold a line break: %.60q", name, value)
	}
	w.WriteString("#" + name)
	if value != "" {
		w.WriteString(":" + value)
	}
	w.WriteByte('\n')
}

// flag writes a tag without a value when it is set.
func (w *writer) flag(name string, set bool) {
	if set {
		w.tag(name, "")
	}
}

// attrs writes a tag with its attributes, those without a value left out.
func (w *writer) attrs(name string, all ...Attr) {
	var list Attrs
	for _, a := range all {
		if a.Value == "" {
			continue
		}
		if err := a.valid(); err != nil {
			w.fail("#%s: %w", name, err)
		}
		list = append(list, a)
	}
	w.tag(name, list.String())
}

// uri writes a line that is a URI.
func (w *writer) uri(uri string) {
	line := Line{text: uri}
	if err := line.check(0); err != nil || line.Kind() != URI {
		w.fail("%.60q cannot be the URI of a line: percent-encode it", uri)
	}
	w.WriteString(uri + "\n")
}

// start writes EXT-X-START.
func (w *writer) start(s *Start) {
	if s != nil {
		w.attrs(tagStart, bare("TIME-OFFSET", shortSeconds(s.Offset)), yes("PRECISE", s.Precise))
	}
}

func (w *writer) key(tag string, k Key) {
	w.attrs(tag, bare("METHOD", k.Method), quoted("URI", k.URI), bare("IV", k.IV),
		quoted("KEYFORMAT", k.KeyFormat), quoted("KEYFORMATVERSIONS", k.KeyFormatVersions))
	if k.Method == "" || k.URI == "" {
		w.fail("a key needs a method and a URI; a segment without encryption has no key")
	}
}

// done returns the bytes if a reader takes them, so that what readers refuse, as a
// negative offset, needs no check of its own here.
func (w *writer) done(view func(*Playlist) error) ([]byte, error) {
	if w.err != nil {
		return nil, w.err
	}
	p, err := Parse(w.Bytes())
	if err == nil {
		err = view(p)
	}
	if err != nil {
		return nil, fmt.Errorf("hls: write: nobody could read it: %w", err)
	}
	return w.Bytes(), nil
}

// yes is NAME=YES, or an attribute that is left out.
func yes(name string, set bool) Attr {
	if set {
		return bare(name, "YES")
	}
	return bare(name, "")
}

// number is a whole number, left out when it is 0.
func number(name string, n int64) Attr {
	if n == 0 {
		return bare(name, "")
	}
	return bare(name, strconv.FormatInt(n, 10))
}

// digestAttr is our attribute, left out without a digest.
func digestAttr(d Digest) Attr {
	if d.IsZero() {
		return quoted(attrDigest, "")
	}
	return quoted(attrDigest, d.String())
}

func rangeAttr(r *ByteRange) Attr {
	if r == nil {
		return quoted("BYTERANGE", "")
	}
	return quoted("BYTERANGE", r.String())
}

// shortSeconds writes whole seconds without a point: TIME-OFFSET=0.
func shortSeconds(d time.Duration) string {
	return strings.TrimSuffix(formatSeconds(d), ".000")
}
