package hls

import (
	"path"
	"slices"
	"strings"
	"time"
)

// textRules are chapters 4 and 5, captions and subtitles.
func textRules() []rule {
	return []rule{
		{"4.1", Should, func(c *checker, report reporter) {
			if len(c.video) > 0 && !slices.ContainsFunc(c.m.Renditions, isText) {
				report("renditions", "there are neither captions nor subtitles: add some")
			}
		}},
		{"4.4", Must, eachText("CLOSED-CAPTIONS", func(r *Rendition) string {
			if r.Language == "" {
				return "closed captions need a LANGUAGE: add it"
			}
			return ""
		})},
		{"4.5", Must, eachText("SUBTITLES", func(r *Rendition) string {
			spoken, sound := r.is("public.accessibility.transcribes-spoken-dialog"), r.is("public.accessibility.describes-music-and-sound")
			if spoken != sound {
				return "CHARACTERISTICS names one of public.accessibility.transcribes-spoken-dialog and public.accessibility.describes-music-and-sound: name both"
			}
			return ""
		})},
		{"4.6", Must, eachText("SUBTITLES", func(r *Rendition) string {
			if r.is("public.accessibility.transcribes-spoken-dialog") && !r.AutoSelect {
				return "subtitles for the deaf need AUTOSELECT=YES: add it"
			}
			return ""
		})},
		{"4.7", Must, eachText("SUBTITLES", func(r *Rendition) string {
			if r.Language == "" {
				return "subtitles need a LANGUAGE: add it"
			}
			return ""
		})},
		{"5.2", Must, func(c *checker, report reporter) {
			for _, t := range known(c.subtitles) {
				for _, s := range t.Media.Segments {
					if s.Map == nil && !slices.Contains([]string{".vtt", ".webvtt"}, extension(s.URI)) {
						report(t.where, "segment %.60q is neither WebVTT nor fMP4 with EXT-X-MAP: convert it to WebVTT", s.URI)
						break
					}
				}
			}
		}},
		{"5.5", Must, func(c *checker, report reporter) {
			main, ok := c.length()
			for _, t := range known(c.subtitles) {
				// Text has no frames: a second is what can be seen.
				if got := t.Media.Duration(); ok && t.Media.EndList && (got-main).Abs() > time.Second {
					report(t.where, "subtitles of %s for content of %s: let their playlist last as long", got, main)
				}
			}
		}},
		{"5.11", Should, eachText("SUBTITLES", func(r *Rendition) string {
			if r.Forced && !r.AutoSelect {
				return "forced subtitles need AUTOSELECT=YES: add it"
			}
			return ""
		})},
	}
}

func isText(r Rendition) bool { return r.Type == "SUBTITLES" || r.Type == "CLOSED-CAPTIONS" }

// eachText asks about every rendition of a type; an answer is a finding.
func eachText(kind string, ask func(*Rendition) string) func(*checker, reporter) {
	return func(c *checker, report reporter) {
		for i := range c.m.Renditions {
			r := &c.m.Renditions[i]
			if r.Type != kind {
				continue
			}
			if answer := ask(r); answer != "" {
				report(r.where(), "%s", answer)
			}
		}
	}
}

// extension of a URI's file, in small letters.
func extension(uri string) string {
	uri, _, _ = strings.Cut(uri, "#")
	uri, _, _ = strings.Cut(uri, "?")
	return strings.ToLower(path.Ext(uri))
}

// length of the content: that of the first playlist that is complete.
func (c *checker) length() (time.Duration, bool) {
	for _, t := range known(c.video, c.audioOnly, c.audio) {
		if t.Media.EndList {
			return t.Media.Duration(), true
		}
	}
	return 0, false
}
