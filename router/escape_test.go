package router

import (
	"net/url"
	"strings"
	"testing"
)

// A folder of a bundle may have any name, one that looks escaped too.
func TestPlaylistsInFoldersWithOddNames(t *testing.T) {
	for _, folder := range []string{"50% off", "a%41", "what?", "#1", "über"} {
		t.Run(folder, func(t *testing.T) {
			f := newFilm(newScene(t))
			f.with(map[string]string{folder + "/master.m3u8": ladder, folder + "/v/p.m3u8": "", folder + "/a/p.m3u8": ""})
			at := (&url.URL{Path: "/pub/movie/" + folder}).EscapedPath()
			m := f.read(f.get(inFrankfurt, at+"/master.m3u8"))
			if got := m.Variants[0].URI; !strings.HasSuffix(got, at+"/v/p.m3u8") {
				t.Errorf("the variant is at %s, want %s", got, at)
			}
			ticket := strings.Split(m.Variants[0].URI, "/")[4]
			s := f.manifest(ticket, "?path="+url.QueryEscape(folder+"/master.m3u8"))
			if got := s.Clones[0].Replacement.Variants["v"]; !strings.HasSuffix(got, at+"/v/p.m3u8") {
				t.Errorf("the clone is at %s, want %s", got, at)
			}
		})
	}
}
