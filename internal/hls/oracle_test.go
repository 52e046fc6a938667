package hls_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"testing"
	"time"

	eyevinn "github.com/Eyevinn/hls-m3u8/m3u8"
	"github.com/google/go-cmp/cmp"
	grafov "github.com/grafov/m3u8"

	"github.com/stratos-mesh/stratos/internal/hls"
)

// other is a segment as another reader sees it.
type other struct {
	uri           string
	seconds       float64
	limit, offset int64
	discontinuity bool
	mapURI        string
}

// seen reads our segments in the same shape.
func seen(m *hls.Media) []other {
	var list []other
	for _, s := range m.Segments {
		o := other{uri: s.URI, seconds: s.Duration.Seconds(), discontinuity: s.Discontinuity}
		if s.Range != nil {
			o.limit, o.offset = s.Range.Length, s.Range.Offset
		}
		if s.Map != nil {
			o.mapURI = s.Map.URI
		}
		list = append(list, o)
	}
	return list
}

func compare(t *testing.T, reader, name string, got, want []other) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %s has %d segments, we %d", name, reader, len(got), len(want))
		return
	}
	for i := range got {
		g, w := got[i], want[i]
		if math.Abs(g.seconds-w.seconds) > 1e-9 {
			t.Errorf("%s: %s says segment %d lasts %v, we %v", name, reader, i, g.seconds, w.seconds)
		}
		g.seconds, w.seconds = 0, 0
		if g != w {
			t.Errorf("%s: %s has segment %d as %+v, we as %+v", name, reader, i, g, w)
		}
	}
}

// oracleFiles are what we wrote and what others wrote.
var oracleFiles = []string{"golden/vod.m3u8", "golden/event-2.m3u8", "golden/iframes.m3u8", "ffmpeg-fmp4.m3u8", "golden/everything.m3u8"}

func TestOtherReadersSeeTheSameSegments(t *testing.T) {
	t.Parallel()
	for _, name := range oracleFiles {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		m := media(t, parse(t, string(text)))
		compare(t, "hls-m3u8", name, readEyevinn(t, name, text, m), seen(m))
		compare(t, "grafov", name, readGrafov(t, name, text, m), seen(m))
	}
}

func readEyevinn(t *testing.T, name string, text []byte, m *hls.Media) []other {
	t.Helper()
	list, kind, err := eyevinn.DecodeFrom(bytes.NewReader(text), true)
	if err != nil || kind != eyevinn.MEDIA {
		t.Fatalf("%s: hls-m3u8 says %v, kind %v", name, err, kind)
	}
	e := list.(*eyevinn.MediaPlaylist)
	if int(e.TargetDuration) != m.TargetDuration || e.Closed != m.EndList || e.Iframe != m.IFramesOnly || int64(e.SeqNo) != m.Sequence {
		t.Errorf("%s: hls-m3u8 has target %d, closed %v, I-frames %v, sequence %d, we %+v", name, e.TargetDuration, e.Closed, e.Iframe, e.SeqNo, m)
	}
	if m.Start != nil && (e.StartTime != m.Start.Offset.Seconds() || e.StartTimePrecise != m.Start.Precise) {
		t.Errorf("%s: hls-m3u8 starts at %v, %v, we at %+v", name, e.StartTime, e.StartTimePrecise, m.Start)
	}
	section := ""
	if e.Map != nil {
		section = e.Map.URI
	}
	var got []other
	for _, s := range e.GetAllSegments() {
		if s.Map != nil {
			section = s.Map.URI
		}
		got = append(got, other{s.URI, s.Duration, s.Limit, s.Offset, s.Discontinuity, section})
	}
	return got
}

func readGrafov(t *testing.T, name string, text []byte, m *hls.Media) []other {
	t.Helper()
	list, kind, err := grafov.DecodeFrom(bytes.NewReader(text), true)
	if err != nil || kind != grafov.MEDIA {
		t.Fatalf("%s: grafov says %v, kind %v", name, err, kind)
	}
	g := list.(*grafov.MediaPlaylist)
	// It makes the target duration as long as the longest segment.
	if int(g.TargetDuration) > m.TargetDuration+1 || g.Closed != m.EndList || g.Iframe != m.IFramesOnly || int64(g.SeqNo) != m.Sequence {
		t.Errorf("%s: grafov has target %v, closed %v, I-frames %v, sequence %d, we %+v", name, g.TargetDuration, g.Closed, g.Iframe, g.SeqNo, m)
	}
	section := ""
	if g.Map != nil {
		section = g.Map.URI
	}
	var got []other
	for i, s := range g.Segments {
		if s == nil || i >= int(g.Count()) {
			break
		}
		if s.Map != nil {
			section = s.Map.URI
		}
		got = append(got, other{s.URI, s.Duration, s.Limit, s.Offset, s.Discontinuity, section})
	}
	return got
}

// otherVariant is a variant as another reader sees it.
type otherVariant struct {
	uri                     string
	bandwidth, average      int64
	codecs, size            string
	audio, subtitles, video string
	iframe                  bool
	rate                    float64
}

func seenVariants(m *hls.Multivariant) map[otherVariant]int {
	seen := map[otherVariant]int{}
	add := func(v hls.Variant, iframe bool) {
		o := otherVariant{v.URI, v.Bandwidth, v.AverageBandwidth, v.Codecs, "", v.Audio, v.Subtitles, v.Video, iframe, v.FrameRate}
		if v.Width > 0 {
			o.size = fmt.Sprintf("%dx%d", v.Width, v.Height)
		}
		seen[o]++
	}
	for _, v := range m.Variants {
		add(v, false)
	}
	for _, v := range m.IFrames {
		add(v, true)
	}
	return seen
}

func TestOtherReadersSeeTheSameVariants(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"golden/ladder.m3u8", "golden/ladder-full.m3u8", "golden/ladder-pathways.m3u8", "golden/bipbop-digests.m3u8", "bipbop-multivariant.m3u8"} {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		want := seenVariants(multivariant(t, parse(t, string(text))))
		list, _, err := eyevinn.DecodeFrom(bytes.NewReader(text), true)
		if err != nil {
			t.Fatalf("%s: hls-m3u8 says %v", name, err)
		}
		got := map[otherVariant]int{}
		for _, v := range list.(*eyevinn.MasterPlaylist).Variants {
			got[otherVariant{v.URI, int64(v.Bandwidth), int64(v.AverageBandwidth), v.Codecs, v.Resolution, v.Audio, v.Subtitles, v.Video, v.Iframe, v.FrameRate}]++
		}
		sameVariants(t, "hls-m3u8", name, got, want)
		old, _, err := grafov.DecodeFrom(bytes.NewReader(text), true)
		if err != nil {
			t.Fatalf("%s: grafov says %v", name, err)
		}
		clear(got)
		for _, v := range old.(*grafov.MasterPlaylist).Variants {
			got[otherVariant{v.URI, int64(v.Bandwidth), int64(v.AverageBandwidth), v.Codecs, v.Resolution, v.Audio, v.Subtitles, v.Video, v.Iframe, v.FrameRate}]++
		}
		sameVariants(t, "grafov", name, got, want)
	}
}

func sameVariants(t *testing.T, reader, name string, got, want map[otherVariant]int) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(otherVariant{})); diff != "" {
		t.Errorf("%s: variants (-ours +%s):\n%s", name, reader, diff)
	}
}

func TestWeReadWhatOthersWrite(t *testing.T) {
	t.Parallel()
	e, err := eyevinn.NewMediaPlaylist(0, 100)
	if err != nil {
		t.Fatal(err)
	}
	g, err := grafov.NewMediaPlaylist(0, 100)
	if err != nil {
		t.Fatal(err)
	}
	e.SetDefaultMap("init.mp4", 100, 0)
	for i := range 50 {
		uri, seconds := fmt.Sprintf("s%d.m4s", i), 4+float64(i)/1000
		if err := e.Append(uri, seconds, ""); err != nil {
			t.Fatal(err)
		}
		if err := g.Append(uri, seconds, ""); err != nil {
			t.Fatal(err)
		}
	}
	e.Close()
	g.Close()
	// Its map's byte range has no quotes, against the specification.
	g.SetDefaultMap("init.mp4", 100, 0)
	for reader, text := range map[string][]byte{"hls-m3u8": e.Encode().Bytes(), "grafov": g.Encode().Bytes()} {
		m := media(t, parse(t, string(text)))
		if len(m.Segments) != 50 || !m.EndList || m.Segments[49].Map == nil || *m.Segments[49].Map.Range != (hls.ByteRange{Length: 100}) {
			t.Fatalf("%s: got %d segments, end %v\n%s", reader, len(m.Segments), m.EndList, text)
		}
		for i, s := range m.Segments {
			if want := 4*time.Second + time.Duration(i)*time.Millisecond; s.Duration != want {
				t.Errorf("%s: segment %d lasts %s, want %s", reader, i, s.Duration, want)
			}
		}
	}
}
