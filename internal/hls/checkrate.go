package hls

import (
	"math"
	"slices"
)

// rateRules are those of chapter 1 and 9 about declared and measured bit rates.
func rateRules() []rule {
	return []rule{
		{"1.26", Must, func(c *checker, report reporter) {
			c.eachRate(func(t track, average, _ int64) {
				if declared := t.variant.AverageBandwidth; !t.live() && declared > 0 && !within(average, declared) {
					report(t.where, "AVERAGE-BANDWIDTH is %d and the measured average %d: declare what was measured, within 10 %%", declared, average)
				}
			})
		}},
		{"1.27", Must, func(c *checker, report reporter) {
			c.eachRate(func(t track, _, peak int64) {
				if declared := t.variant.Bandwidth; !t.live() && !within(peak, declared) {
					report(t.where, "BANDWIDTH is %d and the measured peak %d: declare what was measured, within 10 %%", declared, peak)
				}
			})
		}},
		{"1.28", Must, func(c *checker, report reporter) {
			c.eachRate(func(t track, average, _ int64) {
				if declared := t.variant.AverageBandwidth; t.live() && declared > 0 && float64(average) >= 1.1*float64(declared) {
					report(t.where, "AVERAGE-BANDWIDTH is %d and the measured average %d, 10 %% or more above: encode lower or declare more", declared, average)
				}
			})
		}},
		{"1.29", Must, func(c *checker, report reporter) {
			c.eachRate(func(t track, _, peak int64) {
				if declared := t.variant.Bandwidth; t.live() && float64(peak) >= 1.25*float64(declared) {
					report(t.where, "BANDWIDTH is %d and the measured peak %d, 25 %% or more above: encode lower or declare more", declared, peak)
				}
			})
		}},
		{"1.30", Should, func(c *checker, report reporter) {
			for _, t := range known(c.video) {
				if average, peak := t.Average(), t.Peak(); !t.live() && peak > 2*average {
					report(t.where, "the measured peak %d is more than twice the average %d: limit the encoder's rate", peak, average)
				}
			}
		}},
		{"1.32", Should, func(c *checker, report reporter) {
			distance := func(t track) float64 { return math.Abs(float64(t.variant.average() - 2_000_000)) }
			for _, t := range c.video {
				if first := c.video[0]; distance(t) < distance(first) {
					report(first.where, "it stands first with %d bit/s, so players begin with it; %s is nearer to 2 Mbit/s: put that first", first.variant.average(), t.where)
					return
				}
			}
		}},
		{"1.34", Should, func(c *checker, report reporter) {
			uhd := slices.DeleteFunc(slices.Clone(c.video), func(t track) bool { return t.variant.Width*t.variant.Height < 3840*2160 })
			if len(uhd) > 0 && !slices.ContainsFunc(uhd, func(t track) bool { return t.variant.average() <= 15_000_000 }) {
				report("UHD variants", "none has 15 Mbit/s or less: add one")
			}
		}},
		{"9.13", Must, func(c *checker, report reporter) {
			c.eachRate(func(t track, _, peak int64) {
				// A thousandth for the rounding of durations in playlists.
				if declared := t.variant.Bandwidth; !t.live() && float64(peak) > 1.001*float64(declared) {
					report(t.where, "BANDWIDTH is %d, below the largest sum of peaks %d of its renditions: declare that sum", declared, peak)
				}
			})
		}},
	}
}

// average is what the variant says about itself.
func (v *Variant) average() int64 {
	if v.AverageBandwidth > 0 {
		return v.AverageBandwidth
	}
	return v.Bandwidth
}

func within(got, want int64) bool {
	return math.Abs(float64(got)-float64(want)) <= 0.1*float64(want)
}

// eachRate visits the variants all of whose media was measured, with the rates of
// their largest combination: the variant's and the largest of each group.
func (c *checker) eachRate(visit func(t track, average, peak int64)) {
	audio, text := groupRates(c.audio), groupRates(c.subtitles)
	for _, t := range known(c.video, c.audioOnly, c.iframes) {
		average, peak := t.Average(), t.Peak()
		with, beside := audio[t.variant.Audio], text[t.variant.Subtitles]
		if peak == 0 || with.unknown || beside.unknown {
			continue
		}
		if t.variant.hasVideo() {
			average, peak = average+with.average, peak+with.peak
		} else {
			// The variant of an audio group is one of the group, not beside it.
			average, peak = max(average, with.average), max(peak, with.peak)
		}
		visit(t, average+beside.average, peak+beside.peak)
	}
}

// rates are the largest of a group; unknown when one was not measured.
type rates struct {
	average, peak int64
	unknown       bool
}

func groupRates(tracks []track) map[string]rates {
	groups := map[string]rates{}
	for _, t := range tracks {
		g := groups[t.rendition.GroupID]
		if t.Measured == nil || t.Peak() == 0 {
			g.unknown = true
		} else {
			g.average, g.peak = max(g.average, t.Average()), max(g.peak, t.Peak())
		}
		groups[t.rendition.GroupID] = g
	}
	return groups
}
