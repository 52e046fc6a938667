package hls

import (
	"slices"
	"strconv"
	"time"
)

// WriteMedia writes a media playlist. Equal playlists give equal bytes, and one
// that grows at its end gives bytes that begin with those before as long as its
// head and the version that its features need stay the same.
func WriteMedia(m *Media) ([]byte, error) {
	w := &writer{}
	w.tag("EXTM3U", "")
	w.tag(tagVersion, strconv.Itoa(m.version()))
	w.flag(tagIndependent, m.IndependentSegments)
	w.tag(tagTarget, strconv.Itoa(w.target(m)))
	w.tag(tagSequence, strconv.FormatInt(m.Sequence, 10))
	if m.DiscontinuitySequence != 0 {
		w.tag(tagDiscSequence, strconv.FormatInt(m.DiscontinuitySequence, 10))
	}
	switch m.Type {
	case "":
	case "VOD", "EVENT":
		w.tag(tagType, m.Type)
	default:
		w.fail("the type %.20q is neither VOD nor EVENT", m.Type)
	}
	w.flag(tagIFramesOnly, m.IFramesOnly)
	w.start(m.Start)
	var last Segment
	for i := range m.Segments {
		w.segment(&m.Segments[i], &last)
		last = m.Segments[i]
	}
	w.flag(tagEndList, m.EndList)
	return w.done(func(p *Playlist) error {
		_, err := p.Media()
		return err
	})
}

// target checks every segment against the target duration, or finds it.
func (w *writer) target(m *Media) int {
	longest := 0
	for _, s := range m.Segments {
		// RFC 8216bis section 4.4.3.1: rounded to the nearest second.
		longest = max(longest, int((s.Duration+time.Second/2)/time.Second))
	}
	if m.TargetDuration == 0 {
		return max(longest, 1)
	}
	if longest > m.TargetDuration {
		w.fail("a segment of %d s is longer than the target duration of %d s: cut shorter segments", longest, m.TargetDuration)
	}
	return m.TargetDuration
}

// segment writes what changes from the last segment to s, then s.
func (w *writer) segment(s, last *Segment) {
	w.flag(tagDiscontinue, s.Discontinuity)
	w.keys(s.Keys, last.Keys)
	w.section(s.Map, last.Map)
	if !s.DateTime.IsZero() {
		w.tag(tagDateTime, s.DateTime.Format("2006-01-02T15:04:05.000Z07:00"))
	}
	if s.Bitrate != last.Bitrate {
		w.tag(tagBitrate, strconv.FormatInt(s.Bitrate, 10))
	}
	w.flag(tagGap, s.Gap)
	if !s.Digest.IsZero() {
		w.tag(tagDigest, s.Digest.String())
	}
	if s.Duration < 0 {
		w.fail("segment %.60q has the negative duration %s", s.URI, s.Duration)
	}
	w.tag(tagInf, formatSeconds(s.Duration)+","+s.Title)
	if s.Range != nil {
		w.tag(tagByteRange, s.Range.String())
	}
	w.uri(s.URI)
}

// keys ends keys that are no longer in force and begins those that are new.
func (w *writer) keys(keys, last []Key) {
	if slices.Equal(keys, last) {
		return
	}
	for _, old := range last {
		if !slices.ContainsFunc(keys, func(k Key) bool { return k.KeyFormat == old.KeyFormat }) {
			w.attrs(tagKey, bare("METHOD", "NONE"))
			break
		}
	}
	for _, k := range keys {
		w.key(tagKey, k)
	}
}

// section writes EXT-X-MAP where it changes.
func (w *writer) section(m, last *Map) {
	switch {
	case m == nil && last != nil:
		w.fail("a segment without an initialization section follows one with it: no tag can say so")
	case m != nil && (last == nil || !m.same(last)):
		if m.URI == "" {
			w.fail("an initialization section has no URI")
		}
		w.attrs(tagMap, quoted("URI", m.URI), rangeAttr(m.Range), digestAttr(m.Digest))
	}
}

// same says whether both are the same bytes of the same file.
func (m *Map) same(o *Map) bool {
	return m.URI == o.URI && m.Digest == o.Digest && (m.Range == nil) == (o.Range == nil) && (m.Range == nil || *m.Range == *o.Range)
}

// version is the lowest protocol version that has all features of the playlist
// (RFC 8216bis section 8). Durations are always written with decimals: 3.
func (m *Media) version() int {
	v := 3
	if m.IFramesOnly {
		v = 4
	}
	for _, s := range m.Segments {
		if s.Range != nil {
			v = max(v, 4)
		}
		if s.Map != nil && m.IFramesOnly {
			v = max(v, 5)
		} else if s.Map != nil {
			v = max(v, 6)
		}
		for _, k := range s.Keys {
			if k.KeyFormat != "" || k.KeyFormatVersions != "" || k.Method != "AES-128" {
				v = max(v, 5)
			}
		}
	}
	return v
}
