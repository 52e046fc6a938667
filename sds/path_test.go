package sds_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stratos-mesh/stratos/sds"
)

func TestCleanPath(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ path, want string }{
		"one component":                   {"a", "a"},
		"several":                         {"a/b/c.txt", "a/b/c.txt"},
		"spaces, dots and other letters":  {"ein Film/…/日本.mp4", "ein Film/…/日本.mp4"},
		"names that begin with dots":      {".well-known/..a/...", ".well-known/..a/..."},
		"a decomposed letter is composed": {"u\u0308ber", "über"},
		"the longest component":           {strings.Repeat("x", 255), strings.Repeat("x", 255)},
		"the longest path":                {strings.Repeat("abc/", 255) + "abcd", strings.Repeat("abc/", 255) + "abcd"},
		"a percent sign":                  {"100%2", "100%2"},
		"a backslash is a character":      {`a\b`, `a\b`},
		"long, but not when composed":     {strings.Repeat("u\u0308", 100) + "/" + strings.Repeat("u\u0308", 100), strings.Repeat("ü", 100) + "/" + strings.Repeat("ü", 100)},
	} {
		if got, err := sds.CleanPath(c.path); err != nil || got != c.want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, c.want)
		}
	}
	for name, path := range map[string]string{
		"nothing":                        "",
		"a slash":                        "/",
		"a slash at the beginning":       "/a",
		"a slash at the end":             "a/",
		"two slashes":                    "a//b",
		"here":                           "a/./b",
		"above":                          "../a",
		"above at the end":               "a/..",
		"an encoded slash":               "a%2Fb",
		"an encoded slash in lower case": "a%2fb",
		"a zero":                         "a\x00b",
		"a line break":                   "a\nb",
		"delete":                         "a\x7f",
		"a control character of Latin-1": "a\u0085b",
		"not UTF-8":                      "a\xffb",
		"half a pair":                    "a\xed\xa0\x80",
		"a component too long":           strings.Repeat("x", 256),
		"a path too long":                strings.Repeat("abc/", 255) + "abcde",
		"a path far too long":            strings.Repeat("a", 1<<20),
		"10,000 components":              strings.Repeat("a/", 9_999) + "a",
		"longer when composed":           strings.Repeat("\u0958", 300), // 3 bytes each, 6 in NFC
	} {
		if got, err := sds.CleanPath(path); !errors.Is(err, sds.ErrMalformed) || got != "" {
			t.Errorf("%s: got %.40q, %v, want ErrMalformed", name, got, err)
		}
	}
}

func TestMediaTypes(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]struct {
		kind   string
		script bool
	}{
		"a/index.html":   {"text/html; charset=utf-8", true},
		"INDEX.HTM":      {"text/html; charset=utf-8", true},
		"logo.svg":       {"image/svg+xml", true},
		"feed.xml":       {"application/xml", true},
		"page.xhtml":     {"application/xhtml+xml", true},
		"paper.pdf":      {"application/pdf", true},
		"manifest.mpd":   {"application/dash+xml", true},
		"no-extension":   {"application/octet-stream", true},
		"a.html/x":       {"application/octet-stream", true},
		"x.unheard-of":   {"application/octet-stream", true},
		"":               {"application/octet-stream", true},
		"master.m3u8":    {"application/vnd.apple.mpegurl", false},
		"seg.m4s":        {"video/mp4", false},
		"seg.ts":         {"video/mp2t", false},
		"sub.vtt":        {"text/vtt; charset=utf-8", false},
		"film.MP4":       {"video/mp4", false},
		"a.jpeg":         {"image/jpeg", false},
		"app.js":         {"text/javascript; charset=utf-8", false},
		"style.css":      {"text/css; charset=utf-8", false},
		"data.json":      {"application/json", false},
		"notes.txt":      {"text/plain; charset=utf-8", false},
		"archive.tar.gz": {"application/gzip", false},
		"font.woff2":     {"font/woff2", false},
	} {
		kind := sds.MediaType(path)
		if script := sds.CanRunScript(kind); kind != want.kind || script != want.script {
			t.Errorf("%q: got %q, can run script: %v; want %q, %v", path, kind, script, want.kind, want.script)
		}
	}
	for _, kind := range []string{"", "text", "text/html", "TEXT/HTML", "image/svg+xml;charset=utf-8", "application/rss+xml", "multipart/mixed", "text/plain/x"} {
		if !sds.CanRunScript(kind) {
			t.Errorf("%q: got inert, want able to run script", kind)
		}
	}
}
