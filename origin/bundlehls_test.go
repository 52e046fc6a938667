package origin

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"testing"

	"github.com/stratos-mesh/stratos/internal/hls"
)

// a ladder as another packager makes it: one file with byte ranges.
var packed = map[string]string{
	"film/main.m3u8": "#EXTM3U\n#EXT-X-VERSION:7\n# mine\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"en\",URI=\"a/list.m3u8\"\n" +
		"#EXT-X-STREAM-INF:BANDWIDTH=100,AUDIO=\"a\",X-MINE=1\nv/list.m3u8\n",
	"film/v/list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI=\"all.mp4\",BYTERANGE=\"4@0\"\n#EXTINF:4,\n#EXT-X-BYTERANGE:6@4\nall.mp4\n" +
		"#EXTINF:4,\n#EXT-X-BYTERANGE:5\nall.mp4\n#EXT-X-ENDLIST\n",
	"film/v/all.mp4":   "initfirst!last!",
	"film/a/list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n../sound%201.aac\n#EXT-X-ENDLIST\n",
	"film/sound 1.aac": "sound",
	"film/readme.txt":  "hello",
}

func (b *bench) ladder(name string, files map[string]string) (at string) {
	b.t.Helper()
	at = b.want(http.StatusCreated, "POST", "/v1/bundles", strings.NewReader(`{"name":"`+name+`","hls":true}`)).Header.Get("Location")
	for path, text := range files {
		b.want(http.StatusCreated, "PUT", at+"/files/"+strings.ReplaceAll(path, " ", "%20"), strings.NewReader(text))
	}
	return at
}

func TestALadderThatIsMadeAlreadyGetsDigests(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	at := b.ladder("demo/film", packed)
	var first, again Result
	b.want(http.StatusOK, "POST", at+"/publish", nil).decode(t, &first)
	b.want(http.StatusOK, "POST", at+"/publish", nil).decode(t, &again)
	if first.Root != again.Root || first.Objects != int64(len(packed)) {
		t.Errorf("published %v, then %v", first, again)
	}
	for _, path := range []string{"film/v/all.mp4", "film/readme.txt"} {
		if got := string(b.read("demo/film/" + path)); got != packed[path] {
			t.Errorf("%s: got %q", path, got)
		}
	}
	text := b.read("demo/film/film/main.m3u8")
	p, err := hls.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.Multivariant()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Integrity(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(string(text), "# mine\n") || !strings.Contains(string(text), "X-MINE=1") {
		t.Errorf("what was there is gone:\n%s", text)
	}
	list := b.read("demo/film/film/v/list.m3u8")
	if hls.Sum(list) != m.Variants[0].Digest {
		t.Error("the digest of the media playlist is another")
	}
	if p, err = hls.Parse(list); err != nil {
		t.Fatal(err)
	}
	media, err := p.Media()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"first!", "last!"} {
		if media.Segments[i].Digest != hls.Digest(sha256.Sum256([]byte(want))) {
			t.Errorf("segment %d: the digest is not that of %q", i, want)
		}
	}
	if media.Segments[0].Map.Digest != hls.Digest(sha256.Sum256([]byte("init"))) {
		t.Error("the digest of the initialization section is another")
	}
}

func TestLaddersThatCannotBePublished(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	for _, c := range []struct{ sentence, path, text, detail string }{
		{"a segment that is not there", "v/list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nnone.ts\n", "v/none.ts is not in the bundle"},
		{"a segment elsewhere", "v/list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nhttps://example.com/1.ts\n", "outside the bundle"},
		{"a segment above", "v/list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n../../1.ts\n", "leaves the bundle"},
		{"a range beyond the end", "v/list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n#EXT-X-BYTERANGE:100@0\n1.ts\n", "v/1.ts has 7 bytes"},
		{"no playlist", "v/list.m3u8", "hello", "v/list.m3u8"},
		{"a variant that is not there", "main.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nnone.m3u8\n", "none.m3u8 is no media playlist"},
	} {
		files := map[string]string{
			"main.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv/list.m3u8\n", "v/1.ts": "segment",
			"v/list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n1.ts\n#EXT-X-ENDLIST\n",
		}
		files[c.path] = c.text
		a := b.want(http.StatusUnprocessableEntity, "POST", b.ladder("demo/bad", files)+"/publish", nil)
		if a.kind(t) != "hls" || !strings.Contains(string(a.body), c.detail) {
			t.Errorf("%s: %s", c.sentence, a.body)
		}
	}
	b.want(http.StatusNotFound, "GET", "/v1/files/demo/bad", nil)
}
