package caddyrouter

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/player"
	"github.com/stratos-mesh/stratos/router"
)

// cinema has one film, 1280 by 536.
type cinema struct{}

func (cinema) Video(_ context.Context, _ netip.Addr, path string) (*router.Video, error) {
	if path != "films/über" && path != "films/über/master.m3u8" {
		return nil, httperr.New(http.StatusNotFound, "no-video", "there is no video under this name")
	}
	return &router.Video{Name: "films/über", Playlist: "master.m3u8", Title: `A "film" <b>`, Width: 1280, Height: 536, Poster: true}, nil
}

func askPage(t *testing.T, method, target string) (*http.Response, string) {
	t.Helper()
	files, err := player.New()
	if err != nil {
		t.Fatal(err)
	}
	p := &pages{files: files, router: cinema{}}
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	if !p.serves(r.URL.Path) {
		t.Fatalf("%s is not a page's", target)
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	answer := w.Result()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

func TestPagesAnswer(t *testing.T) {
	t.Parallel()
	for why, test := range map[string]struct {
		method, target string
		status         int
		has            string
	}{
		"a watch page":                        {"GET", "/watch/films/%C3%BCber", 200, ""},
		"an embed page":                       {"GET", "/embed/films/%C3%BCber?muted&autoplay=1", 200, ""},
		"of a video that is not there":        {"GET", "/watch/films/none", 404, "no-video"},
		"another method":                      {"POST", "/watch/films/%C3%BCber", 405, "method"},
		"a file that was not built":           {"GET", "/static/player/none.js", 404, "not-found"},
		"a file outside":                      {"GET", "/static/player/../../etc/passwd", 404, "not-found"},
		"oEmbed without a URL":                {"GET", "/oembed", 404, "bad-url"},
		"oEmbed of another host":              {"GET", "/oembed?url=https://evil.test/films/%C3%BCber", 404, "bad-url"},
		"oEmbed of a video that is not there": {"GET", "/oembed?url=/watch/films/none", 404, "no-video"},
		"oEmbed in XML":                       {"GET", "/oembed?format=xml&url=/films/%C3%BCber", 501, "format"},
		"oEmbed of its canonical path":        {"GET", "/oembed?url=/films/%C3%BCber", 200, `"version":"1.0"`},
		"oEmbed of its watch page":            {"HEAD", "/oembed?url=http://example.com/watch/films/%C3%BCber", 200, ""},
	} {
		answer, body := askPage(t, test.method, test.target)
		if answer.StatusCode != test.status || !strings.Contains(body, test.has) {
			t.Errorf("%s: got %d %.200s, want %d with %q", why, answer.StatusCode, body, test.status, test.has)
		}
		if answer.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: without nosniff", why)
		}
	}
}

func TestAPageIsSafeToShow(t *testing.T) {
	t.Parallel()
	answer, body := askPage(t, "GET", "/watch/films/%C3%BCber?integrity=%22%3E%3Cscript%3E")
	if strings.Contains(body, "<b>") || strings.Contains(body, `"><script>`) {
		t.Errorf("what a publisher or a link says is not escaped:\n%s", body)
	}
	policy := answer.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "script-src 'self'") || !strings.Contains(policy, "frame-ancestors 'self'") {
		t.Errorf("got the policy %q", policy)
	}
	if answer, _ := askPage(t, "GET", "/embed/films/%C3%BCber"); !strings.Contains(answer.Header.Get("Content-Security-Policy"), "frame-ancestors *") {
		t.Error("no site may frame the embed page")
	}
}

func TestOEmbedFitsItsBounds(t *testing.T) {
	t.Parallel()
	for query, want := range map[string][2]int{
		"": {1280, 536}, "&maxwidth=640": {640, 268}, "&maxheight=100": {238, 100}, "&maxwidth=640&maxheight=100": {238, 100},
		"&maxwidth=0": {1280, 536}, "&maxwidth=x": {1280, 536}, "&maxwidth=1": {1, 1}, "&maxwidth=99999": {1280, 536},
	} {
		_, body := askPage(t, "GET", "/oembed?url=/films/%C3%BCber"+query)
		var got struct {
			Width, Height int
			HTML          string
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		if got.Width != want[0] || got.Height != want[1] {
			t.Errorf("%q: got %dx%d, want %v", query, got.Width, got.Height, want)
		}
		if !strings.Contains(got.HTML, `src="http://example.com/embed/films/%C3%BCber"`) || strings.Contains(got.HTML, "<b>") {
			t.Errorf("%q: got %s", query, got.HTML)
		}
	}
}
