package player

import (
	"bytes"
	"strings"
	"testing"
	"testing/fstest"
)

func webFS() fstest.MapFS {
	return fstest.MapFS{
		"stratos-player.js": {Data: []byte("customElements")},
		"placeholder.html":  {Data: []byte("run make build")},
	}
}

func pagesFS() fstest.MapFS {
	return fstest.MapFS{
		"watch.html": {Data: []byte(`<title>{{.Title}}</title><script src="{{.URL "stratos-player.js"}}"></script>`)},
		"page.css":   {Data: []byte("body{}")},
	}
}

func mustLoad(t *testing.T, web fstest.MapFS) *Files {
	t.Helper()
	files, err := load(web, pagesFS())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestFilesHaveAStableNameAndOneThatNeverChangesItsContent(t *testing.T) {
	t.Parallel()
	files := mustLoad(t, webFS())
	stable, immutable, ok := files.Open(Script)
	if !ok || immutable {
		t.Fatalf("Open(%s) = ok %v, immutable %v, want true, false", Script, ok, immutable)
	}
	hashed, immutable, ok := files.Open(stable.Hashed)
	if !ok || !immutable || hashed != stable {
		t.Fatalf("Open(%s) = ok %v, immutable %v, want the same file, immutable", stable.Hashed, ok, immutable)
	}
	web := webFS()
	web[Script].Data = []byte("another build")
	other := mustLoad(t, web)
	if got := other.Hashed(Script); got == stable.Hashed {
		t.Errorf("another content has the same name %s", got)
	}
	if _, _, ok := other.Open(stable.Hashed); ok {
		t.Error("the name of the old content answers with the new one")
	}
}

func TestAProgramWithoutThePlayerSaysSo(t *testing.T) {
	t.Parallel()
	web := webFS()
	delete(web, Script)
	files := mustLoad(t, web)
	if files.Built() {
		t.Error("Built() = true without the script")
	}
	var b bytes.Buffer
	if err := files.WritePage(&b, "watch", Page{}); err != nil || !strings.Contains(b.String(), "make build") {
		t.Errorf("page = %q, %v, want what to do", b.String(), err)
	}
}

func TestTypesAreThoseThatBrowsersRunWithNosniff(t *testing.T) {
	t.Parallel()
	files := mustLoad(t, webFS())
	for name, want := range map[string]string{Script: "text/javascript; charset=utf-8", "page.css": "text/css; charset=utf-8"} {
		if file, _, _ := files.Open(name); file.Type != want {
			t.Errorf("type of %s = %q, want %q", name, file.Type, want)
		}
	}
	for _, name := range []string{"watch.html", "placeholder.html", "../embed.go", ""} {
		if _, _, ok := files.Open(name); ok {
			t.Errorf("Open(%q) finds a file, want none", name)
		}
	}
}

func TestPagesAreSafeFromTitles(t *testing.T) {
	t.Parallel()
	files, err := New()
	if err != nil {
		t.Fatal(err)
	}
	// The pages themselves, whether the player is built or not.
	for _, name := range []string{"watch", "embed"} {
		var b bytes.Buffer
		p := page{Page: Page{Static: "/static/player/", Src: "https://r.example/a/b?x=\"><script>", Title: `"><script>alert(1)</script>`, Name: "a/b", Embed: "https://r.example/embed/a/b", HLS: "https://r.example/a/b/master.m3u8", Width: 640, Height: 360}, files: files}
		if err := files.pages.ExecuteTemplate(&b, name+".html", p); err != nil {
			t.Fatal(err)
		}
		html := b.String()
		if strings.Contains(html, "<script>") {
			t.Errorf("%s: a title runs as script:\n%s", name, html)
		}
		for _, want := range []string{"<stratos-player src=", "/static/player/page-", "stratos-player"} {
			if !strings.Contains(html, want) {
				t.Errorf("%s has no %q:\n%s", name, want, html)
			}
		}
		if name == "watch" && !strings.Contains(html, "--stratos-aspect-ratio: 640 / 360") {
			t.Errorf("watch does not keep the video's shape:\n%s", html)
		}
	}
}
