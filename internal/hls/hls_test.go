package hls_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stratos-mesh/stratos/internal/hls"
)

func TestParseAndEncodeGiveBackTheSameBytes(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"the shortest":                            "#EXTM3U\n",
		"no line break at the end":                "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.ts",
		"one line without a break":                "#EXTM3U",
		"windows line breaks":                     "#EXTM3U\r\n#EXTINF:4,\r\na.ts\r\n",
		"both kinds of line breaks":               "#EXTM3U\n#EXTINF:4,\r\na.ts\n\r\n",
		"blank lines and lines of spaces":         "#EXTM3U\n\n   \n\n",
		"comments and unknown tags":               "#EXTM3U\n# hello\n#\n#EXT-X-COM-EXAMPLE:anything, \"at all\n#EXTRA\n",
		"spaces after commas":                     "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1, CODECS=\"avc1.64001f, mp4a.40.2\",  AUDIO=\"a\"\nx.m3u8\n",
		"unknown attributes in any order":         "#EXTM3U\n#EXT-X-MEDIA:X-B=1,NAME=\"n\",TYPE=AUDIO,x.com.a=\"\",GROUP-ID=\"g\"\n",
		"text of every script":                    "#EXTM3U\n#EXTINF:4.000,Ein schöner Tag 日本語 🎬\nfilm ä.ts\n",
		"a tag with a colon and nothing after it": "#EXTM3U\n#EXT-X-GAP:\n",
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := hls.Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(p.Encode()); got != text {
				t.Errorf("Encode gave %q, want %q", got, text)
			}
		})
	}
}

func TestFilesOfOthersGiveBackTheSameBytes(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.m3u8")
	if err != nil || len(files) < 5 {
		t.Fatalf("got %d playlists (%v), want the ones of testdata", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := hls.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if string(p.Encode()) != string(text) {
			t.Errorf("%s: Encode gave other bytes", file)
		}
		if p.IsMultivariant() {
			_, err = p.Multivariant()
		} else {
			_, err = p.Media()
		}
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestParseRefusesWithTheLineAndWhatToDo(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ text, want string }{
		"nothing":                       {"", "line 1: the first line is not #EXTM3U"},
		"a text file":                   {"hello\n", "line 1: the first line is not #EXTM3U"},
		"a byte order mark":             {"\ufeff#EXTM3U\n", "byte order mark: save it as UTF-8 without one"},
		"spaces before the head":        {" #EXTM3U\n", "line 1: the first line is not #EXTM3U"},
		"a head with more on its line":  {"#EXTM3U8\n", "line 1: the first line is not #EXTM3U"},
		"a control character":           {"#EXTM3U\n#EXTINF:4,\x00\n", "line 2: the line holds the control character U+0000: remove it"},
		"a tab":                         {"#EXTM3U\na\tb\n", "line 2: the line holds the control character U+0009"},
		"a lone carriage return":        {"#EXTM3U\na\rb\n", "line 2: the line holds the control character U+000D"},
		"a control of the upper half":   {"#EXTM3U\n\u0085\n", "line 2: the line holds the control character U+0085"},
		"bytes that are not UTF-8":      {"#EXTM3U\n\xff\n", "line 2: the line is not UTF-8"},
		"an open quote":                 {"#EXTM3U\n#EXT-X-MAP:URI=\"a\n", "line 2: #EXT-X-MAP: attribute URI has no closing quote: add it"},
		"an attribute without a value":  {"#EXTM3U\n#EXT-X-MAP:URI\n", "line 2: #EXT-X-MAP: \"URI\" is no attribute"},
		"an empty bare value":           {"#EXTM3U\n#EXT-X-KEY:METHOD=,URI=\"a\"\n", "attribute METHOD has the value \"\""},
		"an attribute twice":            {"#EXTM3U\n#EXT-X-MAP:URI=\"a\",URI=\"b\"\n", "attribute URI stands there twice: remove one"},
		"a comma at the end":            {"#EXTM3U\n#EXT-X-MAP:URI=\"a\",\n", "is no attribute"},
		"text after a quote":            {"#EXTM3U\n#EXT-X-MAP:URI=\"a\"b\n", "put a comma between attributes"},
		"a quote inside a bare value":   {"#EXTM3U\n#EXT-X-KEY:METHOD=A\"B\"\n", "close the quotes"},
		"an empty attribute list":       {"#EXTM3U\n#EXT-X-STREAM-INF:\n", "the attribute list is empty"},
		"a strange attribute name":      {"#EXTM3U\n#EXT-X-MAP:U$I=\"a\"\n", "is no attribute"},
		"a line that is too long":       {"#EXTM3U\n" + strings.Repeat("a", hls.MaxLine+1), "line 2: the line has 65537 bytes, the limit is 65536: shorten it"},
		"too many lines":                {"#EXTM3U\n" + strings.Repeat("\n", hls.MaxLines), "more than 250000 lines"},
		"too many bytes":                {"#EXTM3U\n" + strings.Repeat(strings.Repeat("a", 999)+"\n", hls.MaxBytes/1000+1), "hls: the playlist has 16"},
		"too many attributes in a line": {"#EXTM3U\n#EXT-X-MAP:" + attributes(hls.MaxAttrs+1) + "\n", "more than 128 attributes"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := hls.Parse([]byte(c.text))
			if !errors.Is(err, hls.ErrMalformed) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Parse gave %v, want %q", err, c.want)
			}
		})
	}
}

func TestTheBoundsThemselvesAreTaken(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"the longest line":    "#EXTM3U\n" + strings.Repeat("a", hls.MaxLine),
		"the most lines":      "#EXTM3U\n" + strings.Repeat("\n", hls.MaxLines-1),
		"the most attributes": "#EXTM3U\n#EXT-X-MAP:" + attributes(hls.MaxAttrs) + "\n",
	} {
		if _, err := hls.Parse([]byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// attributes is a list of n different ones.
func attributes(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = "A" + strings.Repeat("A", i) + "=1"
	}
	return strings.Join(list, ",")
}
