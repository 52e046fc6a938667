package hls

import (
	"math"
	"strings"
	"time"
)

// checker is a presentation laid out for the rules.
type checker struct {
	m *Multivariant
	// variants with video, variants without, I-frame variants, audio and
	// subtitles that have playlists of their own.
	video, audioOnly, iframes []track
	audio, subtitles          []track
	// playlists of all of them, each once.
	playlists  []track
	deliveries []Delivery
}

// A track is a variant or rendition with its media playlist, nil when missing.
type track struct {
	where     string
	variant   *Variant
	rendition *Rendition
	*Measured
}

func newChecker(p *Presentation) *checker {
	c := &checker{m: p.Multivariant, deliveries: p.Deliveries}
	seen := map[string]bool{}
	add := func(list *[]track, t track, uri string) {
		t.Measured = p.Playlists[uri]
		if t.Measured != nil && t.Media == nil {
			t.Measured = nil
		}
		t.where += " (" + uri + ")"
		*list = append(*list, t)
		if !seen[uri] {
			seen[uri] = true
			c.playlists = append(c.playlists, t)
		}
	}
	for i := range c.m.Variants {
		v := &c.m.Variants[i]
		if v.hasVideo() {
			add(&c.video, track{where: "variant " + v.resolution(), variant: v}, v.URI)
		} else {
			add(&c.audioOnly, track{where: "audio variant", variant: v}, v.URI)
		}
	}
	for i := range c.m.IFrames {
		v := &c.m.IFrames[i]
		add(&c.iframes, track{where: "I-frame variant " + v.resolution(), variant: v}, v.URI)
	}
	for i := range c.m.Renditions {
		r := &c.m.Renditions[i]
		t := track{where: r.where(), rendition: r}
		switch {
		case r.URI == "":
		case r.Type == "AUDIO":
			add(&c.audio, t, r.URI)
		case r.Type == "SUBTITLES":
			add(&c.subtitles, t, r.URI)
		}
	}
	return c
}

func (r *Rendition) where() string { return strings.ToLower(r.Type) + " " + r.Name }

// known are those tracks whose playlist is there.
func known(tracks ...[]track) []track {
	var found []track
	for _, list := range tracks {
		for _, t := range list {
			if t.Measured != nil {
				found = append(found, t)
			}
		}
	}
	return found
}

// live says whether the playlist grows and forgets.
func (t track) live() bool { return t.Media.Type == "" && !t.Media.EndList }

// measured says whether every segment has a size.
func (m *Measured) measured() bool {
	if len(m.Segments) == 0 || len(m.Segments) != len(m.Media.Segments) {
		return false
	}
	for _, s := range m.Segments {
		if s.Bytes <= 0 {
			return false
		}
	}
	return true
}

// duration of segment i: measured if it was, else as the playlist says.
func (m *Measured) duration(i int) time.Duration {
	if i < len(m.Segments) && m.Segments[i].Duration > 0 {
		return m.Segments[i].Duration
	}
	return m.Media.Segments[i].Duration
}

// Average is the mean bit rate in bit/s of all segments, 0 when not measured.
func (m *Measured) Average() int64 {
	if !m.measured() {
		return 0
	}
	return m.rate(0, len(m.Segments))
}

// Peak is the peak segment bit rate in bit/s as RFC 8216bis section 4.1 defines
// it: the largest of any contiguous set of segments that lasts between 0.5 and
// 1.5 target durations, of all segments when none does; 0 when not measured.
func (m *Measured) Peak() int64 {
	if !m.measured() {
		return 0
	}
	target := time.Duration(m.Media.TargetDuration) * time.Second
	var peak int64
	for i := range m.Segments {
		var d time.Duration
		for j := i; j < min(len(m.Segments), i+maxWindow); j++ {
			d += m.duration(j)
			if d > target*3/2 {
				break
			}
			if d >= target/2 {
				peak = max(peak, m.rate(i, j+1))
			}
		}
	}
	if peak == 0 {
		return m.rate(0, len(m.Segments))
	}
	return peak
}

// maxWindow bounds the work for playlists of segments without length.
const maxWindow = 1024

// rate of segments i to j, rounded up.
func (m *Measured) rate(i, j int) int64 {
	var bytes int64
	var d time.Duration
	for ; i < j; i++ {
		bytes += m.Segments[i].Bytes
		d += m.duration(i)
	}
	if d <= 0 {
		return 0
	}
	return int64(math.Ceil(float64(bytes) * 8 / d.Seconds()))
}

// group is the measured playlists of a rendition group.
func (c *checker) group(tracks []track, id string) []track {
	var list []track
	for _, t := range tracks {
		if t.rendition.GroupID == id && id != "" {
			list = append(list, t)
		}
	}
	return list
}
