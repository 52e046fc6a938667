package hls

import (
	"fmt"
	"strings"
)

// variables are the values of EXT-X-DEFINE, and how much text they may still
// make: references to references would grow without end.
type variables struct {
	values map[string]string
	budget int
}

// variables reads every EXT-X-DEFINE. Those that take a value from the
// multivariant playlist or the URL are left undefined, so that only playlists
// that use them are refused.
func (p *Playlist) variables() (*variables, error) {
	v := &variables{budget: MaxBytes}
	for i, l := range p.lines {
		if !l.is(tagDefine) {
			continue
		}
		if v.values == nil {
			v.values = map[string]string{}
		}
		f := newFields(i, l, v)
		name, value := f.text("NAME"), f.text("VALUE")
		if f.err != nil {
			return nil, f.err
		}
		if name == "" {
			continue
		}
		if _, ok := v.values[name]; ok {
			return nil, fail(i, "#%s: variable %.40s is defined twice: remove one", tagDefine, name)
		}
		v.values[name] = value
	}
	return v, nil
}

// replace puts values for the references {$name} in text of line i. Without any
// EXT-X-DEFINE such text stands for itself.
func (v *variables) replace(i int, text string) (string, error) {
	if v == nil || v.values == nil || !strings.Contains(text, "{$") {
		return text, nil
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{$")
		name, after, closed := strings.Cut(rest, "}")
		b.WriteString(before)
		if !found {
			break
		}
		value, ok := v.values[name]
		if !closed || !ok {
			return "", fail(i, "variable %.40q has no value here: define it with NAME and VALUE in this playlist", name)
		}
		b.WriteString(value)
		if b.Len() > MaxLine {
			return "", fail(i, "its variables make a line of over %d bytes: shorten them", MaxLine)
		}
		text = after
	}
	if v.budget -= b.Len(); v.budget < 0 {
		return "", fail(i, "variables make over %d bytes of text: write the values out", MaxBytes)
	}
	return b.String(), nil
}

// fields reads the attributes of one tag; the first error sticks.
type fields struct {
	index int
	tag   string
	list  Attrs
	vars  *variables
	err   error
}

func newFields(index int, l Line, vars *variables) *fields {
	list, err := ParseAttrs(l.Value())
	f := &fields{index: index, tag: l.Name(), list: list, vars: vars}
	if err != nil {
		f.fail("%v", err)
	}
	return f
}

func (f *fields) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fail(f.index, "#%s: %s", f.tag, fmt.Sprintf(format, args...))
	}
}

// text returns an attribute's value, empty without one. Quotes are not insisted
// on: writers disagree about several attributes.
func (f *fields) text(name string) string {
	value, _ := f.list.Get(name)
	value, err := f.vars.replace(f.index, value)
	if err != nil && f.err == nil {
		f.err = err
	}
	return value
}

// need is text that must be there.
func (f *fields) need(name string) string {
	value := f.text(name)
	if value == "" {
		f.fail("it needs the attribute %s: add it", name)
	}
	return value
}

func (f *fields) int(name string, limit int64) int64 {
	return read(f, name, func(text string) (int64, error) { return parseInt(text, limit) })
}

func (f *fields) decimal(name string) float64 { return read(f, name, parseDecimal) }

func (f *fields) digest(name string) Digest { return read(f, name, ParseDigest) }

func (f *fields) yes(name string) bool {
	return read(f, name, func(text string) (bool, error) {
		if text != "YES" && text != "NO" {
			return false, fmt.Errorf("%.20q is neither YES nor NO", text)
		}
		return text == "YES", nil
	})
}

// byteRange reads a range whose offset is 0 when it is left out.
func (f *fields) byteRange(name string) *ByteRange {
	return read(f, name, func(text string) (*ByteRange, error) {
		r, _, err := parseByteRange(text)
		return &r, err
	})
}

// read parses an attribute when it is there and returns zero otherwise.
func read[T any](f *fields, name string, parse func(string) (T, error)) T {
	var zero T
	text := f.text(name)
	if text == "" {
		return zero
	}
	value, err := parse(text)
	if err != nil {
		f.fail("attribute %s: %v", name, err)
		return zero
	}
	return value
}
