package hls_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stratos-mesh/stratos/internal/hls"
)

// vod is what transcode writes for one rung.
func vod() *hls.Media {
	m := &hls.Media{TargetDuration: 4, Type: "VOD", IndependentSegments: true, EndList: true}
	section := &hls.Map{URI: "init.mp4", Digest: hls.Sum([]byte("init"))}
	for i, d := range []time.Duration{4 * time.Second, 4004 * time.Millisecond, 1966666667} {
		uri := fmt.Sprintf("s%d.m4s", i)
		m.Segments = append(m.Segments, hls.Segment{URI: uri, Duration: d, Map: section, Digest: hls.Sum([]byte(uri))})
	}
	return m
}

// event is a playlist that grows, at n segments.
func event(n int) *hls.Media {
	m := vod()
	m.Type, m.EndList, m.Start, m.Segments = "EVENT", false, &hls.Start{Precise: true}, m.Segments[:n]
	return m
}

// iframes is an I-frame playlist into the segments of a rung.
func iframes() *hls.Media {
	m := &hls.Media{Type: "VOD", IFramesOnly: true, EndList: true}
	section := &hls.Map{URI: "all.mp4", Range: &hls.ByteRange{Length: 700}}
	for i := range 3 {
		m.Segments = append(m.Segments, hls.Segment{URI: "all.mp4", Duration: 2 * time.Second, Map: section, Range: &hls.ByteRange{Length: 900, Offset: int64(700 + 5000*i)}})
	}
	return m
}

// everything has each feature that a media playlist of ours can have.
func everything() *hls.Media {
	key := hls.Key{Method: "AES-128", URI: "k1", IV: "0x00000000000000000000000000001234"}
	drm := hls.Key{Method: "SAMPLE-AES", URI: "skd://k2", KeyFormat: "com.apple.streamingkeydelivery", KeyFormatVersions: "1"}
	one, two := &hls.Map{URI: "one.mp4"}, &hls.Map{URI: "two.mp4", Range: &hls.ByteRange{Length: 7, Offset: 3}, Digest: hls.Sum(nil)}
	return &hls.Media{
		TargetDuration: 10, Sequence: 1 << 40, DiscontinuitySequence: 3, Start: &hls.Start{Offset: -1500 * time.Millisecond},
		Segments: []hls.Segment{
			{URI: "a", Duration: time.Second, Title: "été, 日本", Keys: []hls.Key{key}, Map: one, Bitrate: 900},
			{URI: "b", Keys: []hls.Key{key, drm}, Map: one, Bitrate: 900, DateTime: time.Date(2026, 1, 31, 12, 0, 0, 5e6, time.UTC)},
			{URI: "c", Duration: 1, Keys: []hls.Key{drm}, Map: two, Bitrate: 800, Discontinuity: true, Digest: hls.Sum(nil)},
			{URI: "d", Duration: 10 * time.Second, Map: two, Bitrate: 800, Gap: true, Range: &hls.ByteRange{Length: 5}},
		},
	}
}

// ladder is what transcode writes for a film.
func ladder() *hls.Multivariant {
	m := &hls.Multivariant{
		IndependentSegments: true,
		Renditions: []hls.Rendition{
			{Type: "AUDIO", GroupID: "aud", Name: "English", Language: "en", Default: true, AutoSelect: true, Channels: "2", URI: "a/en/index.m3u8", StableID: "a.en", Digest: hls.Sum([]byte("a"))},
			{Type: "AUDIO", GroupID: "aud", Name: "Deutsch", Language: "de", AutoSelect: true, Channels: "2", URI: "a/de/index.m3u8", StableID: "a.de", Digest: hls.Sum([]byte("b"))},
			{Type: "SUBTITLES", GroupID: "sub", Name: "English", Language: "en", AutoSelect: true, Forced: true, Characteristics: "public.easy-to-read", URI: "t/en.m3u8", StableID: "t.en", Digest: hls.Sum([]byte("t"))},
			{Type: "CLOSED-CAPTIONS", GroupID: "cc", Name: "English", Language: "en", InstreamID: "CC1"},
		},
	}
	for i, h := range []int{540, 360, 720} {
		m.Variants = append(m.Variants, hls.Variant{
			URI: fmt.Sprintf("v%d/index.m3u8", h), Bandwidth: int64(2_000_000 + i), AverageBandwidth: int64(1_500_000 + i), Codecs: "avc1.64001f,mp4a.40.2",
			Width: h * 16 / 9, Height: h, FrameRate: 29.97, Audio: "aud", Subtitles: "sub", ClosedCaptions: "cc", StableID: fmt.Sprintf("v%d", h), Digest: hls.Sum([]byte{byte(i)}),
		})
	}
	m.IFrames = []hls.Variant{{URI: "i360/index.m3u8", Bandwidth: 90_000, AverageBandwidth: 45_000, Codecs: "avc1.64001e", Width: 640, Height: 360, StableID: "i360", Digest: hls.Sum([]byte("i"))}}
	return m
}

func writeMedia(t *testing.T, m *hls.Media) []byte {
	t.Helper()
	b, err := hls.WriteMedia(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeMultivariant(t *testing.T, m *hls.Multivariant) []byte {
	t.Helper()
	b, err := hls.WriteMultivariant(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// unread is what a reader adds and writers ignore.
var unread = cmp.FilterPath(func(p cmp.Path) bool {
	return p.Last().String() == ".Line" || p.Last().String() == ".Version"
}, cmp.Ignore())

func TestWhatWeWriteIsReadBack(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]*hls.Media{"vod": vod(), "event-1": event(1), "event-2": event(2), "iframes": iframes(), "everything": everything()} {
		b := writeMedia(t, m)
		golden(t, "golden/"+name+".m3u8", b)
		got := media(t, parse(t, string(b)))
		if m.TargetDuration == 0 {
			got.TargetDuration = 0
		}
		if diff := cmp.Diff(m, got, unread, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-written +read):\n%s", name, diff)
		}
	}
	full := ladder()
	full.Start, full.Steering = &hls.Start{Offset: time.Second}, &hls.Steering{ServerURI: "/s", PathwayID: "A"}
	full.SessionData = []hls.SessionData{{DataID: "title", Value: "x", Language: "en"}, {DataID: "more", URI: "x.json", Format: "RAW"}}
	full.SessionKeys = []hls.Key{{Method: "AES-128", URI: "k"}}
	full.Variants[0].NoClosedCaptions, full.Variants[0].ClosedCaptions = true, ""
	full.Variants[1].Score, full.Variants[1].VideoRange, full.Variants[1].HDCPLevel = 2.25, "PQ", "TYPE-1"
	full.Variants[1].AllowedCPC, full.Variants[1].SupplementalCodecs, full.Variants[1].ReqVideoLayout = "a:b", "dvh1.08.07/db4h", "CH-STEREO"
	full.Variants[2].PathwayID, full.Variants[2].Name, full.Variants[2].Video = "A", "HD", "vid"
	for name, m := range map[string]*hls.Multivariant{"ladder": ladder(), "ladder-full": full} {
		b := writeMultivariant(t, m)
		golden(t, "golden/"+name+".m3u8", b)
		if diff := cmp.Diff(m, multivariant(t, parse(t, string(b))), unread, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-written +read):\n%s", name, diff)
		}
	}
}

func TestAPlaylistGrowsAtItsEnd(t *testing.T) {
	t.Parallel()
	last := writeMedia(t, event(1))
	for n := 2; n <= 3; n++ {
		b := writeMedia(t, event(n))
		if !bytes.HasPrefix(b, last) {
			t.Errorf("with %d segments it does not begin with what it was:\n%s", n, b)
		}
		last = b
	}
	if !strings.Contains(string(last), "#EXT-X-START:TIME-OFFSET=0,PRECISE=YES\n") {
		t.Errorf("the start is missing:\n%s", last)
	}
}

func TestTheVersionIsTheLowestThatHasAllFeatures(t *testing.T) {
	t.Parallel()
	one := hls.Segment{URI: "a.ts", Duration: 4 * time.Second}
	with := func(change func(*hls.Media, *hls.Segment)) []byte {
		m, s := &hls.Media{}, one
		change(m, &s)
		m.Segments = []hls.Segment{s}
		return writeMedia(t, m)
	}
	part := &hls.ByteRange{Length: 1}
	among := func(m hls.Multivariant) []byte {
		m.Variants = append(m.Variants, hls.Variant{URI: "v", Bandwidth: 1})
		return writeMultivariant(t, &m)
	}
	for name, c := range map[string]struct {
		text []byte
		want int
	}{
		"decimals alone":                    {with(func(*hls.Media, *hls.Segment) {}), 3},
		"an AES-128 key with an IV":         {with(func(_ *hls.Media, s *hls.Segment) { s.Keys = []hls.Key{{Method: "AES-128", URI: "k", IV: "0x1"}} }), 3},
		"a byte range":                      {with(func(_ *hls.Media, s *hls.Segment) { s.Range = part }), 4},
		"I-frames":                          {with(func(m *hls.Media, _ *hls.Segment) { m.IFramesOnly = true }), 4},
		"a key format":                      {with(func(_ *hls.Media, s *hls.Segment) { s.Keys = []hls.Key{{Method: "AES-128", URI: "k", KeyFormat: "x"}} }), 5},
		"SAMPLE-AES":                        {with(func(_ *hls.Media, s *hls.Segment) { s.Keys = []hls.Key{{Method: "SAMPLE-AES", URI: "k"}} }), 5},
		"a map among I-frames":              {with(func(m *hls.Media, s *hls.Segment) { m.IFramesOnly, s.Map = true, &hls.Map{URI: "i"} }), 5},
		"a map":                             {with(func(_ *hls.Media, s *hls.Segment) { s.Map = &hls.Map{URI: "i"} }), 6},
		"variants alone":                    {among(hls.Multivariant{}), 0},
		"renditions":                        {among(hls.Multivariant{Renditions: []hls.Rendition{{Type: "AUDIO", GroupID: "a", Name: "n"}}}), 4},
		"a session key of a format":         {among(hls.Multivariant{SessionKeys: []hls.Key{{Method: "SAMPLE-AES", URI: "k", KeyFormat: "x"}}}), 5},
		"a service of captions":             {among(hls.Multivariant{Renditions: []hls.Rendition{{Type: "CLOSED-CAPTIONS", GroupID: "a", Name: "n", InstreamID: "SERVICE1"}}}), 7},
		"a video layout":                    {among(hls.Multivariant{Variants: []hls.Variant{{URI: "v", Bandwidth: 1, ReqVideoLayout: "CH-STEREO"}}}), 12},
		"an instream id that is no caption": {among(hls.Multivariant{Renditions: []hls.Rendition{{Type: "AUDIO", GroupID: "a", Name: "n", InstreamID: "x"}}}), 13},
	} {
		line := fmt.Sprintf("#EXT-X-VERSION:%d\n", c.want)
		if got := strings.Contains(string(c.text), line); got != (c.want > 0) || c.want == 0 && strings.Contains(string(c.text), "VERSION") {
			t.Errorf("%s: want version %d in\n%s", name, c.want, c.text)
		}
	}
}

func TestWritersRefuseWhatReadersWould(t *testing.T) {
	t.Parallel()
	segment := func(s hls.Segment) *hls.Media {
		return &hls.Media{TargetDuration: 4, Segments: []hls.Segment{s}}
	}
	for name, m := range map[string]*hls.Media{
		"a segment longer than the target":          segment(hls.Segment{URI: "a", Duration: 4500 * time.Millisecond}),
		"a negative duration":                       segment(hls.Segment{URI: "a", Duration: -1}),
		"no URI":                                    segment(hls.Segment{}),
		"a URI that is a comment":                   segment(hls.Segment{URI: "#a"}),
		"a URI of spaces":                           segment(hls.Segment{URI: "  "}),
		"a line break in a URI":                     segment(hls.Segment{URI: "a\nb"}),
		"a line break in a title":                   segment(hls.Segment{URI: "a", Title: "a\nb"}),
		"a quote in a map":                          segment(hls.Segment{URI: "a", Map: &hls.Map{URI: `a"b`}}),
		"a map without a URI":                       segment(hls.Segment{URI: "a", Map: &hls.Map{}}),
		"a key without a URI":                       segment(hls.Segment{URI: "a", Keys: []hls.Key{{Method: "AES-128"}}}),
		"a comma in a method":                       segment(hls.Segment{URI: "a", Keys: []hls.Key{{Method: "A,B", URI: "k"}}}),
		"a type that is neither":                    {Type: "LIVE"},
		"no map after one with it":                  {Segments: []hls.Segment{{URI: "a", Map: &hls.Map{URI: "i"}}, {URI: "b"}}},
		"a bit rate in force that nothing can end":  {Segments: []hls.Segment{{URI: "a", Bitrate: 5}, {URI: "b", Bitrate: -1}}},
		"a sequence number below nought":            {Sequence: -1},
		"a discontinuity number below nought":       {DiscontinuitySequence: -1},
		"a byte range that begins before its file":  segment(hls.Segment{URI: "a", Range: &hls.ByteRange{Length: 1, Offset: -1}}),
		"an initialization section of no such part": segment(hls.Segment{URI: "a", Map: &hls.Map{URI: "i", Range: &hls.ByteRange{Length: -1}}}),
	} {
		if b, err := hls.WriteMedia(m); err == nil {
			t.Errorf("%s: WriteMedia wrote\n%s", name, b)
		}
	}
	for name, m := range map[string]*hls.Multivariant{
		"no bit rate":                    {Variants: []hls.Variant{{URI: "v"}}},
		"no URI":                         {Variants: []hls.Variant{{Bandwidth: 1}}},
		"no URI of I-frames":             {IFrames: []hls.Variant{{Bandwidth: 1}}},
		"a quote in codecs":              {Variants: []hls.Variant{{URI: "v", Bandwidth: 1, Codecs: `a"`}}},
		"a rendition without a name":     {Renditions: []hls.Rendition{{Type: "AUDIO", GroupID: "a"}}},
		"a line break in session data":   {SessionData: []hls.SessionData{{DataID: "a", Value: "a\rb"}}},
		"a space in a word":              {Variants: []hls.Variant{{URI: "v", Bandwidth: 1, VideoRange: "S DR"}}},
		"steering without a server":      {Steering: &hls.Steering{PathwayID: "A"}},
		"session data without a name":    {SessionData: []hls.SessionData{{Value: "a"}}},
		"subtitles without a playlist":   {Renditions: []hls.Rendition{{Type: "SUBTITLES", GroupID: "a", Name: "n"}}},
		"a rendition of an unknown type": {Renditions: []hls.Rendition{{Type: "SMELL", GroupID: "a", Name: "n"}}},
	} {
		m.Variants = append(m.Variants, hls.Variant{URI: "v", Bandwidth: 1})
		if b, err := hls.WriteMultivariant(m); err == nil {
			t.Errorf("%s: WriteMultivariant wrote\n%s", name, b)
		}
	}
}
