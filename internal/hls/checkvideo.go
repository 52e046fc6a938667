package hls

import (
	"math"
	"slices"
	"time"
)

// videoRules are chapter 1 but for the bit rates.
func videoRules() []rule {
	return []rule{
		{"1.1", Must, func(c *checker, report reporter) {
			for _, t := range c.video {
				if t.variant.Codecs != "" && !t.variant.has("avc1", "avc3", "hvc1", "hev1", "dvh1", "dvhe", "av01") {
					report(t.where, "CODECS %q has no H.264, HEVC, Dolby Vision or AV1: encode with one of them", t.variant.Codecs)
				}
			}
		}},
		{"1.3a", Should, func(c *checker, report reporter) {
			some, low := false, false
			c.eachH264(func(_ track, _, level int) { some, low = true, low || level <= 41 })
			if some && !low {
				report("H.264 variants", "none is at level 4.1 or below: add one for older devices")
			}
		}},
		{"1.3b", Must, func(c *checker, report reporter) {
			c.eachH264(func(t track, _, level int) {
				if level > 52 {
					report(t.where, "H.264 level %.1f is above 5.2: lower resolution or frame rate", float64(level)/10)
				}
			})
		}},
		{"1.4", Should, func(c *checker, report reporter) {
			c.eachH264(func(t track, profile, _ int) {
				if profile != 100 {
					report(t.where, "H.264 profile %d is not High (100): encode with it", profile)
				}
			})
		}},
		{"1.5", Must, needsMap("hvc1", "hev1", "dvh1", "dvhe")},
		{"1.6b", Must, func(c *checker, report reporter) {
			for _, t := range c.video {
				for _, codec := range t.variant.codecs() {
					if level, ok := hevcLevel(codec); ok && level > 51 {
						report(t.where, "HEVC level %.1f is above 5.1: lower resolution or frame rate", float64(level)/10)
					}
				}
			}
		}},
		{"1.10", Should, func(c *checker, report reporter) {
			for _, t := range slices.Concat(c.video, c.iframes) {
				if t.variant.has("avc3", "hev1", "dvhe") {
					report(t.where, "CODECS %q keeps parameter sets in the samples: write avc1, hvc1 or dvh1 instead", t.variant.Codecs)
				}
			}
		}},
		{"1.12", Should, func(c *checker, report reporter) {
			if len(c.video) > 0 && !anyVariant(c.video, "avc1", "avc3") {
				report("variants", "none is H.264: add some for older devices")
			}
		}},
		{"1.13", Should, func(c *checker, report reporter) {
			for _, t := range known(c.video) {
				for i, s := range t.Segments {
					if s.KeyInterval > 2*time.Second+t.frame() {
						report(t.where, "segment %d goes %s without a key frame: put one every 2 s", i, s.KeyInterval)
						break
					}
				}
			}
		}},
		{"1.18", Should, func(c *checker, report reporter) {
			natural := []float64{23.976, 24, 25, 29.97, 30, 50, 59.94, 60}
			for _, t := range c.video {
				rate := t.variant.FrameRate
				if rate > 0 && !slices.ContainsFunc(natural, func(n float64) bool { return math.Abs(n-rate) < 0.01 }) {
					report(t.where, "FRAME-RATE %.3f is no usual one: encode at 23.976, 24, 25, 29.97, 30, 50, 59.94 or 60", rate)
				}
			}
		}},
		{"1.19", Must, func(c *checker, report reporter) {
			for _, t := range c.video {
				if t.variant.FrameRate > 60 {
					report(t.where, "FRAME-RATE %.3f is above 60: halve it", t.variant.FrameRate)
				}
			}
		}},
		{"1.24", Must, func(c *checker, report reporter) {
			if len(c.video) > 0 && !anySDR(c.video) {
				report("variants", "none is SDR: add some")
			}
		}},
		{"1.33", Should, func(c *checker, report reporter) {
			for _, t := range c.video {
				first := c.video[0].variant
				if t.variant.Width == 0 || first.Width == 0 {
					continue
				}
				// Even sizes cannot hit a ratio exactly.
				if got, want := t.variant.aspect(), first.aspect(); math.Abs(got/want-1) > 0.02 {
					report(t.where, "its aspect ratio %.3f differs from the first variant's %.3f: scale all alike", got, want)
				}
			}
		}},
		{"1.39", Must, needsMap("av01")},
	}
}

func (v *Variant) aspect() float64 { return float64(v.Width) / float64(v.Height) }

func (c *checker) eachH264(visit func(t track, profile, level int)) {
	for _, t := range c.video {
		for _, codec := range t.variant.codecs() {
			if profile, level, ok := h264(codec); ok {
				visit(t, profile, level)
			}
		}
	}
}

func anyVariant(tracks []track, families ...string) bool {
	return slices.ContainsFunc(tracks, func(t track) bool { return t.variant.has(families...) })
}

// anySDR says whether one is SDR, which is what no VIDEO-RANGE means.
func anySDR(tracks []track) bool {
	return slices.ContainsFunc(tracks, func(t track) bool { return t.variant.VideoRange == "" || t.variant.VideoRange == "SDR" })
}

// needsMap: variants of these codecs are fMP4, so they have EXT-X-MAP.
func needsMap(families ...string) func(*checker, reporter) {
	return func(c *checker, report reporter) {
		for _, t := range known(c.video) {
			if t.variant.has(families...) && t.unmapped() {
				report(t.where, "%q is only allowed in fMP4, and its playlist has no EXT-X-MAP: package it as fMP4", t.variant.Codecs)
			}
		}
	}
}

// unmapped says whether a segment has no initialization section.
func (m *Measured) unmapped() bool {
	return slices.ContainsFunc(m.Media.Segments, func(s Segment) bool { return s.Map == nil })
}

// frame is the time of one picture, of 25 per second where nothing is known.
func (t track) frame() time.Duration {
	if t.variant == nil || t.variant.FrameRate <= 0 {
		return time.Second / 25
	}
	return time.Duration(float64(time.Second) / t.variant.FrameRate)
}
