package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/internal/hls"
)

// webServer serves files as a web server that knows no HLS does.
func webServer(t *testing.T, files map[string]string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := files[r.URL.Path]
		if to, moved := strings.CutPrefix(text, "-> "); moved {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", map[string]string{".m3u8": "application/vnd.apple.mpegurl", ".ts": "video/mp2t"}[filepath.Ext(r.URL.Path)])
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

const foreignMaster = `#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=800000,AVERAGE-BANDWIDTH=800000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=640x360,FRAME-RATE=25
low/index.m3u8
`

func foreignMedia(n int, before string) string {
	var b strings.Builder
	b.WriteString("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n")
	for i := range n {
		b.WriteString(before + "#EXTINF:6.0,\n" + string(rune('a'+i)) + ".ts\n")
	}
	return b.String() + "#EXT-X-ENDLIST\n"
}

// runCheckIn executes stratos check --json and returns the findings and the summary.
func runCheckIn(t *testing.T, args ...string) (code int, found []hls.Finding, sum map[string]any, errOut string) {
	t.Helper()
	code, out, errOut := run(t, append([]string{"check", "--json"}, args...)...)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for i, line := range lines {
		if i == len(lines)-1 {
			_ = json.Unmarshal([]byte(line), &sum)
			break
		}
		var f hls.Finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		found = append(found, f)
	}
	return code, found, sum, errOut
}

func has(found []hls.Finding, rule, where string) bool {
	return slices.ContainsFunc(found, func(f hls.Finding) bool { return f.Rule == rule && strings.Contains(f.Where, where) })
}

func TestCheckOfAStreamThatIsNotOurs(t *testing.T) {
	t.Parallel()
	wrong := "#EXT-X-STRATOS-SHA256:" + hls.Sum([]byte("other bytes")).String() + "\n"
	url := webServer(t, map[string]string{
		"/film/master.m3u8": foreignMaster, "/film/low/index.m3u8": foreignMedia(5, wrong),
		"/film/low/a.ts": strings.Repeat("x", 1000), "/film/low/c.ts": "-> /film/low/a.ts", "/film/low/e.ts": strings.Repeat("x", 1000),
	})
	code, found, sum, errOut := runCheckIn(t, url+"/film/master.m3u8")
	if code != exitFailed {
		t.Fatalf("code %d, want 1 for a broken must: %s", code, errOut)
	}
	for rule, where := range map[string]string{"10.1": "low/index.m3u8", "8.18": "c.ts", "stratos": "a.ts"} {
		if !has(found, rule, where) {
			t.Errorf("rule %s is not told of %s: %v", rule, where, found)
		}
	}
	if diff := cmp.Diff([]any{5.0, 3.0}, []any{sum["segments"], sum["measured"]}); diff != "" {
		t.Errorf("first, middle and last are the sample: %s", diff)
	}
	// All of them: b and d are missing.
	_, found, sum, _ = runCheckIn(t, "--all", url+"/film")
	if !has(found, ruleThere, "b.ts") || !has(found, ruleThere, "d.ts") || sum["measured"] != 3.0 {
		t.Errorf("missing segments are not told: %v %v", found, sum)
	}
	// For people, the same once and with its severity.
	_, out, _ := run(t, "check", url+"/watch/film")
	if !strings.HasPrefix(out, "must\n") || strings.Count(out, "the segment is not the one") != 1 || !strings.Contains(out, "3 of 5 segments measured") {
		t.Errorf("for people:\n%s", out)
	}
}

func TestWhatCannotBeCheckedSaysWhy(t *testing.T) {
	t.Parallel()
	url := webServer(t, map[string]string{"/media.m3u8": foreignMedia(1, ""), "/text.m3u8": "hello", "/big.m3u8": "#EXTM3U\n" + strings.Repeat("#\n", hls.MaxBytes/2)})
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"a media playlist":       {[]string{url + "/media.m3u8"}, exitUsage, "multivariant"},
		"no playlist":            {[]string{url + "/text.m3u8"}, exitFailed, "no HLS playlist"},
		"nothing there":          {[]string{url + "/film"}, exitNotFound, "404"},
		"a playlist without end": {[]string{url + "/big.m3u8"}, exitFailed, "larger than"},
		"no server":              {[]string{"http://127.0.0.1:1/x.m3u8"}, exitUnreachable, "refused"},
		"a name without network": {[]string{"demo/film"}, exitNotFound, "stratos up"},
		"a sample below nothing": {[]string{"--sample", "-1", url}, exitUsage, "0 or more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, errOut := run(t, append([]string{"check"}, c.args...)...)
			if code != c.code || !strings.Contains(errOut, c.says) {
				t.Errorf("code %d, %q; want %d and %q", code, errOut, c.code, c.says)
			}
		})
	}
}

func TestTheSampleIsSpreadEvenly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		all       bool
		sample, n int
		want      []int
	}{
		{false, 3, 101, []int{0, 50, 100}},
		{false, 3, 2, []int{0, 1}},
		{false, 1, 9, []int{0}},
		{false, 0, 9, nil},
		{false, 3, 0, nil},
		{true, 1, 4, []int{0, 1, 2, 3}},
	} {
		s := &stream{checkFlags: checkFlags{all: c.all, sample: c.sample}}
		if diff := cmp.Diff(c.want, s.pick(c.n)); diff != "" {
			t.Errorf("%+v: %s", c, diff)
		}
	}
}

func TestLongURLsAreShortened(t *testing.T) {
	t.Parallel()
	got := shorten("variant (https://edge:8443/t/" + strings.Repeat("A", 200) + "/films/film/video/720p/index.m3u8) lasts")
	if got != "variant (https://edge:8443/…/video/720p/index.m3u8) lasts" {
		t.Error(got)
	}
	if got := shorten("https://a/b/c.m3u8"); got != "https://a/b/c.m3u8" {
		t.Error(got)
	}
}
