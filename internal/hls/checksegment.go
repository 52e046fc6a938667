package hls

import (
	"slices"
	"time"
)

// segmentRules are chapter 7 and the first of chapter 8: how media is cut.
func segmentRules() []rule {
	return []rule{
		{"7.4", Must, func(c *checker, report reporter) {
			for _, t := range known(c.video) {
				if i := slices.IndexFunc(t.Segments, func(s Measurement) bool { return s.KeyFirst == No }); i >= 0 {
					report(t.where, "segment %d does not start with an IDR: force a key frame at every cut", i)
				}
			}
		}},
		{"7.5", Should, func(c *checker, report reporter) {
			for _, t := range known(c.video, c.audioOnly, c.audio) {
				if t.Media.TargetDuration != 6 {
					report(t.where, "the target duration is %d s, 6 s are advised", t.Media.TargetDuration)
				}
			}
		}},
		{"7.7", Must, func(c *checker, report reporter) {
			for _, t := range known(c.playlists) {
				limit := time.Duration(t.Media.TargetDuration)*time.Second + time.Second/2
				for i := range t.Media.Segments {
					if d := t.duration(i); d > limit {
						report(t.where, "segment %d lasts %s, over the target duration by more than 0.5 s: cut shorter segments", i, d)
						break
					}
				}
			}
		}},
		{"8.1", Must, func(c *checker, report reporter) {
			for _, t := range known(c.video, c.audioOnly, c.audio) {
				if drift := t.drift(); drift > c.frameOf(t) {
					report(t.where, "EXTINF durations drift from the media by %s, more than one frame: write measured durations", drift)
				}
			}
		}},
		{"8.2", Must, func(c *checker, report reporter) {
			list := known(c.video, c.audioOnly, c.audio)
			for _, t := range list {
				if got, want := t.Media.TargetDuration, list[0].Media.TargetDuration; got != want {
					report(t.where, "its target duration is %d s and that of %s is %d s: give all the same", got, list[0].where, want)
				}
			}
		}},
		{"8.3", Must, func(c *checker, report reporter) {
			want, ok := c.length()
			for _, t := range known(c.video, c.audioOnly, c.audio) {
				if got := t.Media.Duration(); ok && t.Media.EndList && (got-want).Abs() > alike {
					report(t.where, "it lasts %s and the others %s: give all the same content", got, want)
				}
			}
		}},
		{"8.15", Must, func(c *checker, report reporter) {
			list := known(c.video, c.audioOnly, c.audio)
			for _, t := range list {
				if !same(t.breaks(), list[0].breaks()) {
					report(t.where, "its discontinuities are not at the times of %s: cut all at the same", list[0].where)
				}
			}
		}},
		{"8.22", Should, func(c *checker, report reporter) {
			list := known(c.video, c.audioOnly, c.audio)
			for _, t := range list {
				if !same(t.cuts(), list[0].cuts()) {
					report(t.where, "its segments do not begin at the times of %s: cut all at the same", list[0].where)
				}
			}
		}},
	}
}

// alike is how far audio and video may be apart and still count as the same:
// audio frames do not end where pictures do.
const alike = 100 * time.Millisecond

// drift is the largest difference between playlist and media over any contiguous
// group of segments: 0 where nothing was measured.
func (m *Measured) drift() time.Duration {
	var sum, low, high time.Duration
	for i, s := range m.Media.Segments {
		sum += s.Duration - m.duration(i)
		low, high = min(low, sum), max(high, sum)
	}
	return high - low
}

// frameOf is one frame of video: the track's, for audio that of the first variant.
func (c *checker) frameOf(t track) time.Duration {
	if (t.variant == nil || t.variant.FrameRate == 0) && len(c.video) > 0 {
		return c.video[0].frame()
	}
	return t.frame()
}

// cuts are the times at which segments begin; breaks are those of them with a
// discontinuity.
func (m *Measured) cuts() []time.Duration {
	return m.times(func(Segment) bool { return true })
}

func (m *Measured) breaks() []time.Duration {
	return m.times(func(s Segment) bool { return s.Discontinuity })
}

func (m *Measured) times(want func(Segment) bool) []time.Duration {
	var at time.Duration
	var list []time.Duration
	for _, s := range m.Media.Segments {
		if want(s) {
			list = append(list, at)
		}
		at += s.Duration
	}
	return list
}

func same(a, b []time.Duration) bool {
	return slices.EqualFunc(a, b, func(x, y time.Duration) bool { return (x - y).Abs() <= alike })
}
