package router

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// with has the film's bundle be another.
func (f *film) with(files map[string]string) {
	f.Helper()
	other := newFakeEdge(f, "pub/movie", files)
	f.everyEdge(other.Config.Handler.ServeHTTP)
	f.meta.mu.Lock()
	defer f.meta.mu.Unlock()
	found := f.meta.records["pub/movie"]
	found.Record.Root = other.root
	f.meta.records["pub/movie"] = found
}

// Whoever may publish may not fill the memory of routers, nor have them make
// much out of little: what is too large goes to an edge, as it lies there.
func TestPlaylistsThatAreTooLargeToBeRewritten(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	for name, text := range map[string]string{
		"many bytes":        ladder + strings.Repeat("# "+long+"\n", 7),
		"many lines":        ladder + strings.Repeat("#\n", 2000),
		"more than a slice": ladder + strings.Repeat("# "+long+"\n", 120),
		"variables": "#EXTM3U\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"" + long + "\"\n" +
			strings.Repeat("#EXT-X-STREAM-INF:BANDWIDTH=1\n{$a}{$a}{$a}\n", 200),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFilm(newScene(t))
			f.with(map[string]string{"master.m3u8": text, "v/p.m3u8": "", "a/p.m3u8": ""})
			if answer := f.get(inFrankfurt, master); answer.StatusCode != http.StatusTemporaryRedirect {
				t.Errorf("got %d with %s bytes, want 307", answer.StatusCode, answer.Header.Get("Content-Length"))
			}
		})
	}
}

func TestLaddersOfManyRungsAndLanguagesAreRewritten(t *testing.T) {
	f := newFilm(newScene(t))
	var b strings.Builder
	b.WriteString("#EXTM3U\n")
	for group := range 3 {
		for language := range 40 {
			fmt.Fprintf(&b, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g%d\",NAME=\"Language %d\",LANGUAGE=\"l%d\",URI=\"audio/%d/%d/playlist.m3u8\"\n", group, language, language, group, language)
		}
		for rung := range 20 {
			fmt.Fprintf(&b, "#EXT-X-STREAM-INF:BANDWIDTH=%d,CODECS=\"avc1.64001f,mp4a.40.2\",AUDIO=\"g%d\"\nvideo/%d/%d/playlist.m3u8\n", rung+1, group, group, rung)
		}
	}
	f.with(map[string]string{"master.m3u8": b.String()})
	if m := f.read(f.get(inFrankfurt, master)); len(m.Variants) != 2*60 || len(m.Renditions) != 2*120 {
		t.Errorf("got %d variants and %d renditions", len(m.Variants), len(m.Renditions))
	}
}
