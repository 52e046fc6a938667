package hls

import (
	"slices"
	"time"
)

// mediaRules are the rest of chapter 8: what media playlists say.
func mediaRules() []rule {
	return []rule{
		{"8.4", Must, func(c *checker, report reporter) {
			for _, t := range known(c.playlists) {
				if t.live() && !slices.ContainsFunc(t.Media.Segments, func(s Segment) bool { return !s.DateTime.IsZero() }) {
					report(t.where, "it is live and has no EXT-X-PROGRAM-DATE-TIME: add it")
				}
			}
		}},
		{"8.6", Must, func(c *checker, report reporter) {
			for _, t := range known(c.playlists) {
				if t.Media.EndList && t.Media.Type == "" {
					report(t.where, "it is complete and has no EXT-X-PLAYLIST-TYPE:VOD: add it")
				}
			}
		}},
		{"8.10", Must, func(c *checker, report reporter) {
			for i := range c.m.Renditions {
				if r := &c.m.Renditions[i]; r.Type != "VIDEO" && r.Language == "" {
					report(r.where(), "it has no LANGUAGE: add it, \"und\" when nobody knows")
				}
			}
		}},
		{"8.11", Must, func(c *checker, report reporter) {
			for _, t := range known(c.playlists) {
				if n := len(t.Media.Segments); t.live() && n < 6 {
					report(t.where, "it is live and has %d segments: keep at least 6", n)
				}
			}
		}},
		{"8.12", Should, func(c *checker, report reporter) {
			for _, t := range known(c.playlists) {
				if d := t.Media.Duration(); t.live() && d < 15*time.Minute {
					report(t.where, "it is live and reaches back %s: keep at least 15 min", d)
				}
			}
		}},
		{"8.20", Must, func(c *checker, report reporter) {
			for _, t := range known(c.playlists) {
				i := slices.IndexFunc(t.Media.Segments, func(s Segment) bool {
					return s.Map == nil && slices.Contains([]string{".m4s", ".mp4", ".m4v", ".m4a", ".cmfv", ".cmfa"}, extension(s.URI))
				})
				if i >= 0 {
					report(t.where, "segment %d is fMP4 without EXT-X-MAP: add the initialization section", i)
				}
			}
		}},
	}
}
