package hls

import "slices"

// variantRules are chapter 9: what the multivariant playlist says.
func variantRules() []rule {
	return []rule{
		{"9.1", Must, func(c *checker, report reporter) {
			each(report, "it has no CODECS: add what its media is encoded with", func(t track) bool { return t.variant.Codecs == "" }, c.video, c.audioOnly)
		}},
		{"9.2", Must, func(c *checker, report reporter) {
			each(report, "it has video and no RESOLUTION: add it", func(t track) bool { return t.variant.Width == 0 }, c.video)
		}},
		{"9.3", Must, func(c *checker, report reporter) {
			each(report, "it has no CODECS: add what its pictures are encoded with", func(t track) bool { return t.variant.Codecs == "" }, c.iframes)
		}},
		{"9.4", Must, func(c *checker, report reporter) {
			each(report, "it has no RESOLUTION: add it", func(t track) bool { return t.variant.Width == 0 }, c.iframes)
		}},
		{"9.5", Should, func(c *checker, report reporter) {
			each(report, "audio and video lie in the same segments: package audio as a rendition of its own", func(t track) bool {
				return t.variant.Audio == "" && t.variant.has(audioFamilies...)
			}, c.video)
		}},
		{"9.6", Must, func(c *checker, report reporter) {
			for i := range c.m.Renditions {
				if r := &c.m.Renditions[i]; r.Type == "AUDIO" && r.URI == "" && r.channels() > 2 {
					report(r.where(), "audio of %s channels lies inside the variants: package it as a rendition of its own", r.Channels)
				}
			}
		}},
		{"9.7", Must, alternativesApart},
		{"9.9", Must, func(c *checker, report reporter) {
			if len(c.video) > 0 && !slices.ContainsFunc(c.video, func(t track) bool { return t.variant.Bandwidth != c.video[0].variant.Bandwidth }) {
				report("variants", "there is one bit rate of video: add others")
			}
		}},
		{"9.10", Should, func(c *checker, report reporter) {
			highest, uris := 0, map[string]bool{}
			for _, t := range c.video {
				if h := t.variant.Height; h > highest {
					highest, uris = h, map[string]bool{}
				}
				if t.variant.Height == highest {
					uris[t.variant.URI] = true
				}
			}
			if highest >= 720 && len(uris) < 2 {
				report("variants", "there is one variant of %d lines, the most: add one of another bit rate", highest)
			}
		}},
		{"9.11", Should, func(c *checker, report reporter) {
			if !c.m.IndependentSegments && c.keyed() {
				report("multivariant playlist", "all segments start with an IDR: add EXT-X-INDEPENDENT-SEGMENTS")
			}
		}},
		{"9.12", Must, func(c *checker, report reporter) {
			if c.m.IndependentSegments || !c.keyed() {
				return
			}
			each(report, "neither it nor the multivariant playlist has EXT-X-INDEPENDENT-SEGMENTS: add it", func(t track) bool {
				return !t.Media.IndependentSegments
			}, known(c.video))
		}},
		{"9.14", Must, func(c *checker, report reporter) {
			each(report, "it has no AVERAGE-BANDWIDTH: add what was measured", func(t track) bool { return t.variant.AverageBandwidth == 0 }, c.video, c.audioOnly, c.iframes)
		}},
		{"9.15", Must, func(c *checker, report reporter) {
			each(report, "it has video and no FRAME-RATE: add it", func(t track) bool { return t.variant.FrameRate == 0 }, c.video)
		}},
		{"9.16", Must, func(c *checker, report reporter) {
			hdr := slices.ContainsFunc(slices.Concat(c.video, c.iframes), func(t track) bool {
				return t.variant.VideoRange != "" && t.variant.VideoRange != "SDR" || t.variant.has("dvh1", "dvhe")
			})
			each(report, "it has no VIDEO-RANGE, and not all variants are SDR: add it", func(t track) bool { return hdr && t.variant.VideoRange == "" }, c.video, c.iframes)
		}},
		{"9.18", Should, func(c *checker, report reporter) {
			if s := c.m.Steering; s != nil && s.PathwayID == "" {
				report("content steering", "EXT-X-CONTENT-STEERING has no PATHWAY-ID: add the one to begin with")
			}
		}},
		{"9.19", Must, func(c *checker, report reporter) {
			scored := slices.ContainsFunc(c.m.Variants, func(v Variant) bool { return v.Score > 0 })
			each(report, "it has no SCORE and others have: give every variant one", func(t track) bool { return scored && t.variant.Score == 0 }, c.video, c.audioOnly)
		}},
	}
}

// each reports the variants that are bad.
func each(report reporter, message string, bad func(track) bool, lists ...[]track) {
	for _, t := range slices.Concat(lists...) {
		if bad(t) {
			report(t.where, "%s", message)
		}
	}
}

// keyed says that every video segment is known to start with an IDR.
func (c *checker) keyed() bool {
	if len(c.video) == 0 {
		return false
	}
	return !slices.ContainsFunc(c.video, func(t track) bool {
		return t.Measured == nil || len(t.Segments) == 0 || slices.ContainsFunc(t.Segments, func(s Measurement) bool { return s.KeyFirst != Yes })
	})
}

// alternativesApart: where a group has several audio renditions, none lies inside
// the variants.
func alternativesApart(c *checker, report reporter) {
	count := map[string]int{}
	for _, r := range c.m.Renditions {
		if r.Type == "AUDIO" {
			count[r.GroupID]++
		}
	}
	for i := range c.m.Renditions {
		if r := &c.m.Renditions[i]; r.Type == "AUDIO" && r.URI == "" && count[r.GroupID] > 1 {
			report(r.where(), "it is one of several in group %q and lies inside the variants: package it as a rendition of its own", r.GroupID)
		}
	}
}
