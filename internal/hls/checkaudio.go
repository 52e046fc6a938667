package hls

import (
	"slices"
	"strings"
)

// audioRules are chapter 2.
func audioRules() []rule {
	return []rule{
		{"2.3", Must, func(c *checker, report reporter) {
			if c.hasAudio() && !slices.ContainsFunc(c.m.Variants, c.stereoAAC) {
				report("audio", "no variant plays with stereo in AAC (mp4a.40.2, .5 or .29): add such a rendition")
			}
		}},
		{"2.4", Should, func(c *checker, report reporter) {
			for i := range c.m.Variants {
				v := &c.m.Variants[i]
				if !heAAC(v) || v.has("mp4a") && slices.Contains(v.codecs(), "mp4a.40.2") {
					continue
				}
				for _, t := range c.group(c.audio, v.Audio) {
					if t.Measured != nil && t.Average() > 64_000 {
						report(t.where, "HE-AAC at %d bit/s: use AAC-LC above 64 kbit/s", t.Average())
					}
				}
			}
		}},
		{"2.13", Must, func(c *checker, report reporter) {
			for i := range c.m.Renditions {
				if r := &c.m.Renditions[i]; r.Type == "AUDIO" && r.is("public.accessibility.describes-video") && !r.AutoSelect {
					report(r.where(), "audio description needs AUTOSELECT=YES: add it")
				}
			}
		}},
		{"2.27", Must, func(c *checker, report reporter) {
			for i := range c.m.Renditions {
				if r := &c.m.Renditions[i]; r.Type == "AUDIO" && r.is("public.accessibility.describes-video") && r.Language == "" {
					report(r.where(), "audio description needs the LANGUAGE it is spoken in: add it")
				}
			}
		}},
	}
}

// is says whether the rendition has a characteristic.
func (r *Rendition) is(characteristic string) bool {
	return slices.Contains(strings.Split(r.Characteristics, ","), characteristic)
}

func (c *checker) hasAudio() bool {
	return slices.ContainsFunc(c.m.Variants, func(v Variant) bool { return v.Audio != "" || v.has(audioFamilies...) })
}

func heAAC(v *Variant) bool {
	return slices.ContainsFunc(v.codecs(), func(c string) bool { return c == "mp4a.40.5" || c == "mp4a.40.29" })
}

// stereoAAC says whether a variant plays with AAC of two channels; CHANNELS is
// not asked of a group that does not say.
func (c *checker) stereoAAC(v Variant) bool {
	if !heAAC(&v) && !slices.Contains(v.codecs(), "mp4a.40.2") {
		return false
	}
	return v.Audio == "" || slices.ContainsFunc(c.m.Renditions, func(r Rendition) bool {
		return r.Type == "AUDIO" && r.GroupID == v.Audio && r.channels() <= 2
	})
}

// channels is the count at the head of CHANNELS, 0 when it is not said.
func (r *Rendition) channels() int64 {
	count, _, _ := strings.Cut(r.Channels, "/")
	n, err := parseInt(count, 1000)
	if err != nil {
		return 0
	}
	return n
}
