package hls

import (
	"strings"
	"time"
)

// Media reads the playlist as a media playlist.
func (p *Playlist) Media() (*Media, error) {
	vars, err := p.variables()
	if err != nil {
		return nil, err
	}
	r := &mediaReader{m: &Media{}, vars: vars, seen: map[string]bool{}}
	for i, l := range p.lines {
		var err error
		switch l.Kind() {
		case Tag:
			err = r.tag(i, l)
		case URI:
			err = r.segment(i, l)
		case Blank, Comment:
		}
		if err != nil {
			return nil, err
		}
	}
	if !r.seen[tagTarget] {
		return nil, &LineError{Text: "the playlist has no #EXT-X-TARGETDURATION: add it, every media playlist has one"}
	}
	if r.seen[tagInf] && r.open {
		return nil, &LineError{Text: "the last #EXTINF has no URI after it: add the segment or remove the tag"}
	}
	return r.m, nil
}

// mediaReader holds what applies to the segments that follow.
type mediaReader struct {
	m    *Media
	vars *variables
	seen map[string]bool
	next Segment
	// open says that EXTINF was read and its URI not yet; ranged and at the same
	// of EXT-X-BYTERANGE and its offset.
	open, ranged, at bool
	keys             []Key
}

// once refuses the second of a tag that says something about the whole playlist.
func (r *mediaReader) once(i int, tag string) error {
	if r.seen[tag] {
		return fail(i, "#%s stands there twice: remove one", tag)
	}
	r.seen[tag] = true
	return nil
}

func (r *mediaReader) tag(i int, l Line) error {
	name := l.Name()
	switch {
	case multivariantTags[name]:
		return fail(i, "#%s belongs into a multivariant playlist: this one is read as a media playlist", name)
	case name == tagSkip:
		return fail(i, "#%s: this is an update and no whole playlist: ask for it without _HLS_skip", name)
	case segmentTags[name]:
		if err := r.segmentTag(i, l, name); err != nil {
			return err
		}
	default:
		return r.playlistTag(i, l, name)
	}
	return nil
}

// playlistTag reads what says something about the whole.
func (r *mediaReader) playlistTag(i int, l Line, name string) error {
	m := r.m
	var err error
	var n int64
	switch name {
	case tagVersion:
		n, err = parseInt(l.Value(), 1000)
		m.Version = int(n)
	case tagTarget:
		n, err = parseInt(l.Value(), maxSeconds)
		m.TargetDuration = int(n)
	case tagSequence:
		m.Sequence, err = parseInt(l.Value(), maxOffset)
	case tagDiscSequence:
		m.DiscontinuitySequence, err = parseInt(l.Value(), maxOffset)
	case tagType:
		if m.Type = l.Value(); m.Type != "VOD" && m.Type != "EVENT" {
			return fail(i, "#%s is %.20q: write VOD or EVENT", name, m.Type)
		}
	case tagIndependent:
		m.IndependentSegments = true
	case tagIFramesOnly:
		m.IFramesOnly = true
	case tagEndList:
		m.EndList = true
	case tagStart:
		m.Start, err = readStart(i, l, r.vars)
		if err != nil {
			return err
		}
	default:
		return nil
	}
	if err != nil {
		return fail(i, "#%s: %v", name, err)
	}
	return r.once(i, name)
}

func readStart(i int, l Line, vars *variables) (*Start, error) {
	f := newFields(i, l, vars)
	f.need("TIME-OFFSET")
	s := &Start{Offset: read(f, "TIME-OFFSET", parseSeconds), Precise: f.yes("PRECISE")}
	return s, f.err
}

// segment ends a segment with its URI.
func (r *mediaReader) segment(i int, l Line) error {
	if !r.open {
		return fail(i, "the segment %.60q has no #EXTINF before it: add its duration", l.Text())
	}
	uri, err := r.vars.replace(i, l.Text())
	if err != nil {
		return err
	}
	s := r.next
	s.Line, s.URI, s.Keys = i+1, uri, r.keys
	if r.ranged && !r.at {
		if s.Range.Offset, err = r.follows(i, uri); err != nil {
			return err
		}
	}
	if !r.ranged {
		s.Range = nil
	} else if s.Range.Offset+s.Range.Length > maxOffset {
		return fail(i, "the byte range ends after %d: correct #%s", int64(maxOffset), tagByteRange)
	}
	r.m.Segments = append(r.m.Segments, s)
	r.next = Segment{Map: s.Map, Bitrate: s.Bitrate}
	r.open, r.ranged, r.at = false, false, false
	return nil
}

// follows is where the range of the segment before ends, for a range without an
// offset.
func (r *mediaReader) follows(i int, uri string) (int64, error) {
	if n := len(r.m.Segments); n > 0 {
		if last := r.m.Segments[n-1]; last.URI == uri && last.Range != nil {
			return last.Range.Offset + last.Range.Length, nil
		}
	}
	return 0, fail(i, "#%s has no offset and no range of the same file stands before it: write LENGTH@OFFSET", tagByteRange)
}

// parseDateTime reads ISO 8601 as it is met: with or without colon in the zone,
// or without zone, which is then UTC.
func parseDateTime(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
