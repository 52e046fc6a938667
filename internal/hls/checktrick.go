package hls

import (
	"slices"
	"time"
)

// trickRules are chapter 6, I-frame playlists for seeking.
func trickRules() []rule {
	return []rule{
		{"6.1", Must, func(c *checker, report reporter) {
			if len(c.video) > 0 && len(c.iframes) == 0 {
				report("variants", "there is no EXT-X-I-FRAME-STREAM-INF: add an I-frame playlist")
			}
		}},
		{"6.2", Should, func(c *checker, report reporter) {
			list := known(c.iframes)
			if len(list) > 0 && !slices.ContainsFunc(list, func(t track) bool { return t.dense() }) {
				report("I-frame variants", "none has a picture every second: add a rendition of I-frames alone")
			}
		}},
		{"6.6", Should, func(c *checker, report reporter) {
			if len(c.iframes) == 1 {
				report(c.iframes[0].where, "it is the only I-frame variant: add one of another bit rate")
			}
		}},
		{"6.8", Must, func(c *checker, report reporter) {
			for _, t := range known(c.iframes) {
				if !t.Media.IFramesOnly {
					report(t.where, "its playlist has no EXT-X-I-FRAMES-ONLY: add it")
				}
			}
		}},
		{"6.10", Must, func(c *checker, report reporter) {
			for _, t := range known(c.iframes) {
				if i := slices.IndexFunc(t.Segments, func(s Measurement) bool { return s.Moof == No }); i >= 0 {
					report(t.where, "segment %d does not begin with its moof box: let the byte range begin there", i)
				}
			}
		}},
		{"6.14", Should, func(c *checker, report reporter) {
			if len(c.iframes) > 0 && !anyVariant(c.iframes, "avc1", "avc3") {
				report("I-frame variants", "none is H.264: add one for older devices")
			}
		}},
		{"6.16", Must, func(c *checker, report reporter) {
			if len(c.iframes) > 0 && !anySDR(c.iframes) {
				report("I-frame variants", "none is SDR: add one")
			}
		}},
	}
}

// dense says whether pictures follow each other by a second or less.
func (t track) dense() bool {
	return !slices.ContainsFunc(t.Media.Segments, func(s Segment) bool { return s.Duration > time.Second+t.frame() })
}
