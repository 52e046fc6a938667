package router

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzCleanPath(f *testing.F) {
	for _, seed := range []string{"pub/film.mp4", "pub/a%2Fb", "pub/../x", "pub/\u00e9/", "pub//", "www/x", "pub/%00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := url.Parse("http://router.test/" + text)
		if err != nil {
			return
		}
		clean, err := cleanPath(strings.TrimPrefix(u.EscapedPath(), "/"), strings.TrimPrefix(u.Path, "/"))
		if err != nil {
			return
		}
		if !utf8.ValidString(clean) || strings.Contains(clean, "//") || strings.HasPrefix(clean, "/") || len(clean) > 3*maxPath {
			t.Errorf("%q became %q", text, clean)
		}
		for component := range strings.SplitSeq(clean, "/") {
			if component == "." || component == ".." {
				t.Errorf("%q became %q", text, clean)
			}
		}
		// What is clean stays as it is, through a URL and back.
		again, err := url.Parse("http://router.test" + (&url.URL{Path: "/" + clean}).EscapedPath())
		if err != nil {
			t.Fatal(err)
		}
		twice, err := cleanPath(again.EscapedPath()[1:], again.Path[1:])
		if err != nil || twice != clean {
			t.Errorf("%q became %q and then %q, error %v", text, clean, twice, err)
		}
	})
}
