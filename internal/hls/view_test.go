package hls_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/internal/hls"
)

func parse(t *testing.T, text string) *hls.Playlist {
	t.Helper()
	p, err := hls.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func file(t *testing.T, name string) *hls.Playlist {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(text))
}

func media(t *testing.T, p *hls.Playlist) *hls.Media {
	t.Helper()
	m, err := p.Media()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func multivariant(t *testing.T, p *hls.Playlist) *hls.Multivariant {
	t.Helper()
	m, err := p.Multivariant()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAMediaPlaylistIsReadWithAllThatAppliesToASegment(t *testing.T) {
	t.Parallel()
	got := media(t, file(t, "byterange-keys.m3u8"))
	keys := []hls.Key{
		{Method: "SAMPLE-AES", URI: "skd://one", KeyFormat: "com.apple.streamingkeydelivery", KeyFormatVersions: "1"},
		{Method: "SAMPLE-AES", URI: "data:text/plain;base64,AAAA", KeyFormat: "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"},
	}
	section := &hls.Map{Line: 8, URI: "all.mp4", Range: &hls.ByteRange{Length: 720}}
	want := &hls.Media{
		Version: 7, TargetDuration: 10, Sequence: 7, DiscontinuitySequence: 2,
		Segments: []hls.Segment{
			{
				Line: 13, URI: "all.mp4", Duration: 9009 * time.Millisecond, Title: "first, with a comma", Range: &hls.ByteRange{Length: 1000, Offset: 720},
				Map: section, Keys: keys, Bitrate: 2000, DateTime: time.Date(2026, 1, 31, 11, 0, 0, 250e6, time.UTC),
			},
			{Line: 16, URI: "all.mp4", Duration: 9009 * time.Millisecond, Range: &hls.ByteRange{Length: 2000, Offset: 1720}, Map: section, Keys: keys, Bitrate: 2000},
			{Line: 21, URI: "tail.mp4", Duration: 3 * time.Second, Map: section, Bitrate: 2000, Discontinuity: true, Gap: true},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Media (-want +got):\n%s", diff)
	}
	if got.Duration() != 21018*time.Millisecond {
		t.Errorf("Duration gave %s, want 21.018s", got.Duration())
	}
}

func TestAMultivariantPlaylistIsReadWithVariablesPutIn(t *testing.T) {
	t.Parallel()
	got := multivariant(t, file(t, "defined.m3u8"))
	want := &hls.Multivariant{
		Version: 8, Start: &hls.Start{Offset: -12500 * time.Millisecond},
		Steering:    &hls.Steering{ServerURI: "/steering?token=1", PathwayID: "CDN-A"},
		SessionData: []hls.SessionData{{Line: 6, DataID: "com.example.title", Value: "A film", Language: "en"}},
		SessionKeys: []hls.Key{{Method: "SAMPLE-AES", URI: "skd://one", KeyFormat: "com.apple.streamingkeydelivery", KeyFormatVersions: "1"}},
		Renditions: []hls.Rendition{{
			Line: 9, Type: "AUDIO", GroupID: "A", Name: "English", Default: true, URI: "a.m3u8?token=1", Language: "en", StableID: "en", BitDepth: 16, SampleRate: 48000,
		}},
		Variants: []hls.Variant{
			{
				Line: 10, URI: "v1/index.m3u8?token=1", Bandwidth: 1280000, Score: 1.5, Audio: "A", PathwayID: "CDN-A", StableID: "low",
				VideoRange: "SDR", HDCPLevel: "NONE", Codecs: "hvc1.1.6.L93.B0,mp4a.40.2", ReqVideoLayout: "CH-STEREO",
			},
			{Line: 12, URI: "https://b.example/v1/index.m3u8", Bandwidth: 1280000, Audio: "A", PathwayID: "CDN-B", StableID: "low"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Multivariant (-want +got):\n%s", diff)
	}
}

func TestWhatOldPackagersWroteIsRead(t *testing.T) {
	t.Parallel()
	m := multivariant(t, file(t, "old-windows.m3u8"))
	want := []hls.Variant{
		{Line: 2, URI: "http://example.com/low.m3u8", Bandwidth: 200000, Width: 720, Height: 480},
		{Line: 4, URI: "http://example.com/high.m3u8", Bandwidth: 800000, NoClosedCaptions: true},
	}
	if diff := cmp.Diff(want, m.Variants); diff != "" {
		t.Errorf("Variants (-want +got):\n%s", diff)
	}
}

const head = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n"

func TestAViewRefusesWithTheLineAndWhatToDo(t *testing.T) {
	t.Parallel()
	variant := "#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n"
	bomb := `#EXT-X-DEFINE:NAME="a0",VALUE="aaaaaaaaaa"` + "\n"
	for i := 1; i < 9; i++ {
		bomb += strings.NewReplacer("$B", string(rune('0'+i)), "$A", "{$a"+string(rune('0'+i-1))+"}").Replace(`#EXT-X-DEFINE:NAME="a$B",VALUE="$A$A$A$A$A$A$A$A$A$A"` + "\n")
	}
	cases := map[string]struct{ text, want string }{
		"a media playlist without a target duration":    {"#EXTM3U\n#EXTINF:4,\na\n", "no #EXT-X-TARGETDURATION: add it"},
		"a segment without a duration":                  {head + "a.ts\n", `line 3: the segment "a.ts" has no #EXTINF before it`},
		"a duration without a segment":                  {head + "#EXTINF:4,\n", "the last #EXTINF has no URI after it"},
		"two durations":                                 {head + "#EXTINF:4,\n#EXTINF:4,\na\n", "line 4: #EXTINF follows an #EXTINF"},
		"a negative duration":                           {head + "#EXTINF:-1,\na\n", "line 3: #EXTINF is negative"},
		"a duration in words":                           {head + "#EXTINF:four,\na\n", `line 3: #EXTINF: "four" is no time in seconds`},
		"a duration with an exponent":                   {head + "#EXTINF:1e3,\na\n", `"1e3" is no time in seconds`},
		"a duration without digits":                     {head + "#EXTINF:.,\na\n", `"." is no time in seconds`},
		"a duration beyond all times":                   {head + "#EXTINF:9999999999,\na\n", "is no time in seconds"},
		"two target durations":                          {head + "#EXT-X-TARGETDURATION:4\n", "line 3: #EXT-X-TARGETDURATION stands there twice: remove one"},
		"two versions":                                  {head + "#EXT-X-VERSION:6\n#EXT-X-VERSION:6\n", "line 4: #EXT-X-VERSION stands there twice"},
		"a target duration with a point":                {"#EXTM3U\n#EXT-X-TARGETDURATION:4.5\n", `"4.5" is no whole number: write digits alone`},
		"a sequence number beyond 2^53":                 {head + "#EXT-X-MEDIA-SEQUENCE:18446744073709551616\n", "is too large"},
		"a type that is neither":                        {head + "#EXT-X-PLAYLIST-TYPE:LIVE\n", `is "LIVE": write VOD or EVENT`},
		"a byte range without a beginning":              {head + "#EXTINF:4,\n#EXT-X-BYTERANGE:10\na\n", "line 5: #EXT-X-BYTERANGE has no offset and no range of the same file stands before it"},
		"a byte range after one of another file":        {head + "#EXTINF:4,\n#EXT-X-BYTERANGE:10@0\na\n#EXTINF:4,\n#EXT-X-BYTERANGE:10\nb\n", "line 8: #EXT-X-BYTERANGE has no offset"},
		"a byte range that is none":                     {head + "#EXT-X-BYTERANGE:@5\n", "is no byte range: write LENGTH@OFFSET"},
		"byte ranges that add up to more than 2^53":     {head + "#EXTINF:4,\n#EXT-X-BYTERANGE:9007199254740992@0\na\n#EXTINF:4,\n#EXT-X-BYTERANGE:10\na\n", "line 8: the byte range ends after"},
		"an initialization section without a URI":       {head + "#EXT-X-MAP:BYTERANGE=\"1@0\"\n", "line 3: #EXT-X-MAP: it needs the attribute URI: add it"},
		"a key without a URI":                           {head + "#EXT-X-KEY:METHOD=AES-128\n", "line 3: #EXT-X-KEY: it needs the attribute URI"},
		"a key without a method":                        {head + "#EXT-X-KEY:URI=\"k\"\n", "it needs the attribute METHOD"},
		"a date that is none":                           {head + "#EXT-X-PROGRAM-DATE-TIME:today\n", "is no date and time: write it as"},
		"a digest that is none":                         {head + "#EXT-X-STRATOS-SHA256:abc\n", "line 3: #EXT-X-STRATOS-SHA256: \"abc\" is no SHA-256"},
		"a delta update":                                {head + "#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n", "this is an update and no whole playlist"},
		"a start without an offset":                     {head + "#EXT-X-START:PRECISE=YES\n", "it needs the attribute TIME-OFFSET"},
		"a start that is precise perhaps":               {head + "#EXT-X-START:TIME-OFFSET=0,PRECISE=MAYBE\n", `"MAYBE" is neither YES nor NO`},
		"tags of both kinds":                            {head + "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"n\"\n", "line 2: #EXT-X-TARGETDURATION belongs into a media playlist"},
		"a tag of the other kind among variants":        {"#EXTM3U\n" + variant + "#EXT-X-ENDLIST\n", "line 4: #EXT-X-ENDLIST belongs into a media playlist"},
		"a variant without a URI":                       {"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n", "line 2: #EXT-X-STREAM-INF has no URI on the next line"},
		"a tag between a variant and its URI":           {"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n" + variant, "line 3: #EXT-X-STREAM-INF stands between"},
		"a URI without a variant":                       {"#EXTM3U\n" + variant + "w.m3u8\n", `line 4: the URI "w.m3u8" has no #EXT-X-STREAM-INF before it`},
		"no variant at all":                             {"#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"n\"\n", "the playlist has no #EXT-X-STREAM-INF"},
		"a variant without a bit rate":                  {"#EXTM3U\n#EXT-X-STREAM-INF:CODECS=\"x\"\nv\n", "it needs the attribute BANDWIDTH: add it"},
		"a bit rate with a point":                       {"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1.5\nv\n", `attribute BANDWIDTH: "1.5" is no whole number`},
		"a resolution without a height":                 {"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=640\nv\n", `"640" is no resolution: write WIDTHxHEIGHT`},
		"a frame rate in words":                         {"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,FRAME-RATE=NaN\nv\n", `"NaN" is no decimal number`},
		"an I-frame variant without a URI":              {"#EXTM3U\n" + variant + "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1\n", "it needs the attribute URI"},
		"a rendition of an unknown type":                {"#EXTM3U\n" + variant + "#EXT-X-MEDIA:TYPE=SMELL,GROUP-ID=\"a\",NAME=\"n\"\n", `TYPE is "SMELL"`},
		"a rendition without a name":                    {"#EXTM3U\n" + variant + "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\"\n", "it needs the attribute NAME"},
		"subtitles without a URI":                       {"#EXTM3U\n" + variant + "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"a\",NAME=\"n\"\n", "subtitles need the attribute URI"},
		"steering twice":                                {"#EXTM3U\n" + variant + "#EXT-X-CONTENT-STEERING:SERVER-URI=\"a\"\n#EXT-X-CONTENT-STEERING:SERVER-URI=\"a\"\n", "line 5: #EXT-X-CONTENT-STEERING stands there twice"},
		"a variable that nobody defined":                {"#EXTM3U\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"b\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{$c}.m3u8\n", `line 4: variable "c" has no value here`},
		"a variable that another playlist would define": {"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-DEFINE:IMPORT=\"a\"\n#EXTINF:4,\n{$a}.ts\n", `variable "a" has no value here`},
		"a variable twice":                              {"#EXTM3U\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"b\"\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"b\"\n" + variant, "line 3: #EXT-X-DEFINE: variable a is defined twice"},
		"an open reference":                             {"#EXTM3U\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"b\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{$a.m3u8\n", "has no value here"},
		"variables that grow without end":               {"#EXTM3U\n" + bomb + "#EXT-X-STREAM-INF:BANDWIDTH=1\n{$a8}\n", "its variables make a line of over 65536 bytes"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := parse(t, c.text)
			var err error
			if p.IsMultivariant() {
				_, err = p.Multivariant()
			} else {
				_, err = p.Media()
			}
			if !errors.Is(err, hls.ErrMalformed) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the view gave %v, want %q", err, c.want)
			}
		})
	}
}

func TestAMultivariantPlaylistIsNoMediaPlaylist(t *testing.T) {
	t.Parallel()
	_, err := file(t, "bipbop-multivariant.m3u8").Media()
	if !errors.Is(err, hls.ErrMalformed) || !strings.Contains(err.Error(), "line 5: #EXT-X-MEDIA belongs into a multivariant playlist") {
		t.Errorf("Media gave %v, want it refused", err)
	}
}

func TestManyReferencesToALongVariableAreBounded(t *testing.T) {
	t.Parallel()
	text := "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"" + strings.Repeat("a", 60_000) + "\"\n" + strings.Repeat("#EXTINF:4,\n{$a}\n", 300)
	if _, err := parse(t, text).Media(); err == nil || !strings.Contains(err.Error(), "variables make over 16777216 bytes") {
		t.Errorf("Media gave %v, want an error about the variables", err)
	}
}
