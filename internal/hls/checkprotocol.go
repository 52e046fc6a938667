package hls

import (
	"slices"
	"time"
)

// protocolRules are of RFC 8216bis itself: a player may refuse what breaks them.
func protocolRules() []rule {
	return []rule{
		{"rfc8216bis 4.4.6", Must, func(c *checker, report reporter) {
			for _, t := range c.playlists {
				if t.Measured == nil {
					report(t.where, "its media playlist was not read, so nothing about it was checked: fetch it")
				}
			}
		}},
		{"rfc8216bis 4.4.3.1", Must, func(c *checker, report reporter) {
			for _, t := range known(c.playlists) {
				target := time.Duration(t.Media.TargetDuration) * time.Second
				for i, s := range t.Media.Segments {
					if s.Duration.Round(time.Second) > target {
						report(t.where, "segment %d lasts %s, rounded more than the target duration of %s: raise the target or cut shorter segments", i, s.Duration, target)
						break
					}
				}
			}
		}},
		{"rfc8216bis 4.4.6.2", Must, groupsExist},
		{"rfc8216bis 4.4.6.1.1", Must, groupsAreSets},
	}
}

// groupsExist: every group that a variant names has a rendition.
func groupsExist(c *checker, report reporter) {
	exist := map[[2]string]bool{}
	for _, r := range c.m.Renditions {
		exist[[2]string{r.Type, r.GroupID}] = true
	}
	for _, t := range slices.Concat(c.video, c.audioOnly, c.iframes) {
		v := t.variant
		for _, ref := range [][2]string{{"AUDIO", v.Audio}, {"VIDEO", v.Video}, {"SUBTITLES", v.Subtitles}, {"CLOSED-CAPTIONS", v.ClosedCaptions}} {
			if ref[1] != "" && !exist[ref] {
				report(t.where, "it names the %s group %q, which no EXT-X-MEDIA has: add a rendition or leave the attribute out", ref[0], ref[1])
			}
		}
	}
}

// groupsAreSets: in a group no two renditions have one name, and at most one is
// the default.
func groupsAreSets(c *checker, report reporter) {
	type member struct{ kind, group, name string }
	names, defaults := map[member]bool{}, map[member]bool{}
	for i := range c.m.Renditions {
		r := &c.m.Renditions[i]
		named, group := member{r.Type, r.GroupID, r.Name}, member{r.Type, r.GroupID, ""}
		if names[named] {
			report(r.where(), "another rendition of group %q has the same NAME: give each its own", r.GroupID)
		}
		if r.Default && defaults[group] {
			report(r.where(), "another rendition of group %q is the DEFAULT already: choose one", r.GroupID)
		}
		if r.Default && !r.AutoSelect {
			report(r.where(), "DEFAULT=YES stands without AUTOSELECT=YES: add it")
		}
		names[named], defaults[group] = true, defaults[group] || r.Default
	}
}
