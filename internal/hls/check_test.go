package hls

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// perfect is a presentation that breaks no rule at all.
func perfect() *Presentation {
	p := &Presentation{Multivariant: &Multivariant{
		IndependentSegments: true,
		Renditions: []Rendition{
			{Type: "AUDIO", URI: "a.m3u8", GroupID: "aud", Name: "English", Language: "en", Default: true, AutoSelect: true, Channels: "2"},
			{Type: "SUBTITLES", URI: "s.m3u8", GroupID: "sub", Name: "English", Language: "en", Default: true, AutoSelect: true},
		},
	}, Playlists: map[string]*Measured{}}
	rung := func(uri string, w, h int, kbit int64) {
		p.Playlists[uri] = measured(kbit * 1000)
		p.Multivariant.Variants = append(p.Multivariant.Variants, Variant{
			URI: uri, Width: w, Height: h, FrameRate: 25, Codecs: "avc1.640028,mp4a.40.2", Audio: "aud", Subtitles: "sub",
			AverageBandwidth: (kbit + 128 + 1) * 1000, Bandwidth: (kbit + 128 + 1) * 1000,
		})
	}
	rung("v540.m3u8", 960, 540, 2000)
	rung("v720.m3u8", 1280, 720, 3000)
	rung("v720high.m3u8", 1280, 720, 4500)
	p.Playlists["a.m3u8"] = measured(128_000)
	p.Playlists["s.m3u8"] = measured(1000)
	for i := range p.Playlists["s.m3u8"].Media.Segments {
		s := &p.Playlists["s.m3u8"].Media.Segments[i]
		s.Map, s.URI = nil, fmt.Sprintf("s%d.vtt", i)
	}
	for i, uri := range []string{"i360.m3u8", "i540.m3u8"} {
		m := measured(45_000)
		m.Media.IFramesOnly, m.Media.Segments, m.Segments = true, nil, nil
		for range 18 {
			m.Media.Segments = append(m.Media.Segments, Segment{URI: "i.m4s", Duration: time.Second, Map: &Map{URI: "i.mp4"}, Range: &ByteRange{Length: 5625}})
			m.Segments = append(m.Segments, Measurement{Bytes: 5625, Moof: Yes})
		}
		p.Playlists[uri] = m
		p.Multivariant.IFrames = append(p.Multivariant.IFrames, Variant{
			URI: uri, Width: []int{640, 960}[i], Height: []int{360, 540}[i], Codecs: "avc1.64001e", AverageBandwidth: 45_000, Bandwidth: 45_000,
		})
	}
	p.Deliveries = []Delivery{
		{URL: "https://e.example/master.m3u8", ContentType: "application/vnd.apple.mpegurl", ContentEncoding: "gzip", Redirected: true},
		{URL: "https://e.example/1.m4s", What: DeliveredMedia, ContentType: "video/iso.segment"},
		{URL: "https://e.example/s1.vtt", What: DeliveredText, ContentType: "text/vtt; charset=utf-8"},
	}
	return p
}

// measured is a playlist of three segments of 6 s at a constant bit rate.
func measured(bits int64) *Measured {
	m := &Measured{Media: &Media{TargetDuration: 6, Type: "VOD", EndList: true}}
	for i := range 3 {
		m.Media.Segments = append(m.Media.Segments, Segment{URI: fmt.Sprintf("%d.m4s", i), Duration: 6 * time.Second, Map: &Map{URI: "init.mp4"}})
		m.Segments = append(m.Segments, Measurement{Bytes: bits * 6 / 8, Duration: 6 * time.Second, KeyFirst: FactOf(true), KeyInterval: 2 * time.Second})
	}
	return m
}

func (p *Presentation) video() *Measured { return p.Playlists["v720.m3u8"] }

// each changes every variant.
func (p *Presentation) each(change func(*Variant)) {
	for i := range p.Multivariant.Variants {
		change(&p.Multivariant.Variants[i])
	}
}

func (p *Presentation) live() {
	for _, m := range p.Playlists {
		m.Media.Type, m.Media.EndList = "", false
	}
}

func TestAPresentationByTheRulesHasNoFindings(t *testing.T) {
	t.Parallel()
	for _, f := range Check(perfect()) {
		t.Error(f)
	}
}

// breaks holds for each rule somebody who breaks it.
var breaks = []struct {
	name, rule string
	do         func(*Presentation)
}{
	{"a playlist was not fetched", "rfc8216bis 4.4.6", func(p *Presentation) { delete(p.Playlists, "v720.m3u8") }},
	{"a playlist is there by name alone", "rfc8216bis 4.4.6", func(p *Presentation) { p.Playlists["v720.m3u8"] = &Measured{} }},
	{"a segment rounds above the target", "rfc8216bis 4.4.3.1", func(p *Presentation) { p.video().Media.Segments[1].Duration = 6500 * time.Millisecond }},
	{"a group is named that nobody has", "rfc8216bis 4.4.6.2", func(p *Presentation) { p.Multivariant.Variants[0].Audio = "ghost" }},
	{"captions are named that nobody has", "rfc8216bis 4.4.6.2", func(p *Presentation) { p.Multivariant.Variants[0].ClosedCaptions = "ghost" }},
	{"two renditions have one name", "rfc8216bis 4.4.6.1.1", func(p *Presentation) {
		p.Multivariant.Renditions = append(p.Multivariant.Renditions, Rendition{Type: "AUDIO", URI: "a.m3u8", GroupID: "aud", Name: "English", Language: "en"})
	}},
	{"two renditions are the default", "rfc8216bis 4.4.6.1.1", func(p *Presentation) {
		p.Multivariant.Renditions = append(p.Multivariant.Renditions, Rendition{Type: "AUDIO", URI: "a.m3u8", GroupID: "aud", Name: "Deutsch", Language: "de", Default: true, AutoSelect: true})
	}},
	{"the default is not selected by itself", "rfc8216bis 4.4.6.1.1", func(p *Presentation) { p.Multivariant.Renditions[0].AutoSelect = false }},
	{"VP9", "1.1", func(p *Presentation) { p.Multivariant.Variants[0].Codecs = "vp09.00.41.08,mp4a.40.2" }},
	{"all H.264 above level 4.1", "1.3a", func(p *Presentation) { p.each(func(v *Variant) { v.Codecs = "avc1.640032,mp4a.40.2" }) }},
	{"H.264 level 6.0", "1.3b", func(p *Presentation) { p.Multivariant.Variants[0].Codecs = "avc1.64003c,mp4a.40.2" }},
	{"H.264 Baseline", "1.4", func(p *Presentation) { p.Multivariant.Variants[0].Codecs = "avc1.42e01e,mp4a.40.2" }},
	{"HEVC in a transport stream", "1.5", func(p *Presentation) {
		p.Multivariant.Variants[1].Codecs = "hvc1.1.6.L93.B0,mp4a.40.2"
		for i := range p.video().Media.Segments {
			p.video().Media.Segments[i].Map, p.video().Media.Segments[i].URI = nil, "1.ts"
		}
	}},
	{"HEVC level 6.0", "1.6b", func(p *Presentation) { p.Multivariant.Variants[1].Codecs = "hvc1.1.6.H180.B0,mp4a.40.2" }},
	{"parameter sets inside samples", "1.10", func(p *Presentation) { p.Multivariant.Variants[0].Codecs = "avc3.640028,mp4a.40.2" }},
	{"HEVC alone", "1.12", func(p *Presentation) { p.each(func(v *Variant) { v.Codecs = "hvc1.1.6.L93.B0,mp4a.40.2" }) }},
	{"a key frame every 4 s", "1.13", func(p *Presentation) { p.video().Segments[1].KeyInterval = 4 * time.Second }},
	{"15 frames a second", "1.18", func(p *Presentation) { p.Multivariant.Variants[0].FrameRate = 15 }},
	{"120 frames a second", "1.19", func(p *Presentation) { p.Multivariant.Variants[0].FrameRate = 120 }},
	{"HDR alone", "1.24", func(p *Presentation) { p.each(func(v *Variant) { v.VideoRange = "PQ" }) }},
	{"an average that is 11 % off", "1.26", func(p *Presentation) { p.Multivariant.Variants[0].AverageBandwidth = 1_900_000 }},
	{"an average declared for too much", "1.26", func(p *Presentation) { p.Multivariant.Variants[0].AverageBandwidth = 2_500_000 }},
	{"a peak declared for too much", "1.27", func(p *Presentation) { p.Multivariant.Variants[0].Bandwidth = 2_500_000 }},
	{"a live average above what is declared", "1.28", func(p *Presentation) { p.live(); p.Multivariant.Variants[0].AverageBandwidth = 1_500_000 }},
	{"a live peak above what is declared", "1.29", func(p *Presentation) { p.live(); p.Multivariant.Variants[0].Bandwidth = 1_500_000 }},
	{"a peak of three times the average", "1.30", func(p *Presentation) { p.video().Segments[1].Bytes *= 8 }},
	{"the highest rung first", "1.32", func(p *Presentation) { slices.Reverse(p.Multivariant.Variants) }},
	{"one rung in another shape", "1.33", func(p *Presentation) { p.Multivariant.Variants[1].Height = 960 }},
	{"UHD at 20 Mbit/s alone", "1.34", func(p *Presentation) {
		v := &p.Multivariant.Variants[1]
		v.Width, v.Height, v.AverageBandwidth = 3840, 2160, 20_000_000
	}},
	{"AV1 without an initialization section", "1.39", func(p *Presentation) {
		p.Multivariant.Variants[1].Codecs = "av01.0.08M.08,mp4a.40.2"
		p.video().Media.Segments[0].Map = nil
	}},
	{"audio in Opus alone", "2.3", func(p *Presentation) { p.each(func(v *Variant) { v.Codecs = "avc1.640028,opus" }) }},
	{"audio of six channels alone", "2.3", func(p *Presentation) { p.Multivariant.Renditions[0].Channels = "6" }},
	{"HE-AAC at 128 kbit/s", "2.4", func(p *Presentation) { p.Multivariant.Variants[0].Codecs = "avc1.640028,mp4a.40.5" }},
	{"audio description that is not selected", "2.13", func(p *Presentation) {
		r := &p.Multivariant.Renditions[0]
		r.Characteristics, r.AutoSelect = "public.accessibility.describes-video", false
	}},
	{"audio description in no language", "2.27", func(p *Presentation) {
		r := &p.Multivariant.Renditions[0]
		r.Characteristics, r.Language = "public.accessibility.describes-video", ""
	}},
	{"no captions", "4.1", func(p *Presentation) { p.Multivariant.Renditions = p.Multivariant.Renditions[:1] }},
	{"captions in no language", "4.4", func(p *Presentation) {
		p.Multivariant.Renditions = append(p.Multivariant.Renditions, Rendition{Type: "CLOSED-CAPTIONS", GroupID: "cc", Name: "CC", InstreamID: "CC1"})
	}},
	{"half of what the deaf need", "4.5", func(p *Presentation) {
		p.Multivariant.Renditions[1].Characteristics = "public.accessibility.transcribes-spoken-dialog"
	}},
	{"subtitles for the deaf that are not selected", "4.6", func(p *Presentation) {
		r := &p.Multivariant.Renditions[1]
		r.Characteristics, r.AutoSelect = "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound", false
	}},
	{"subtitles in no language", "4.7", func(p *Presentation) { p.Multivariant.Renditions[1].Language = "" }},
	{"subtitles in SubRip", "5.2", func(p *Presentation) { p.Playlists["s.m3u8"].Media.Segments[0].URI = "s.srt?x=.vtt" }},
	{"subtitles that end early", "5.5", func(p *Presentation) {
		m := p.Playlists["s.m3u8"]
		m.Media.Segments, m.Segments = m.Media.Segments[:2], m.Segments[:2]
	}},
	{"forced subtitles that are not selected", "5.11", func(p *Presentation) { r := &p.Multivariant.Renditions[1]; r.Forced, r.AutoSelect = true, false }},
	{"no I-frame playlist", "6.1", func(p *Presentation) { p.Multivariant.IFrames = nil }},
	{"a picture every two seconds", "6.2", func(p *Presentation) {
		for _, uri := range []string{"i360.m3u8", "i540.m3u8"} {
			p.Playlists[uri].Media.Segments[3].Duration = 2 * time.Second
		}
	}},
	{"one I-frame playlist", "6.6", func(p *Presentation) { p.Multivariant.IFrames = p.Multivariant.IFrames[:1] }},
	{"I-frames without the tag", "6.8", func(p *Presentation) { p.Playlists["i360.m3u8"].Media.IFramesOnly = false }},
	{"I-frames without their moof", "6.10", func(p *Presentation) { p.Playlists["i360.m3u8"].Segments[2].Moof = No }},
	{"I-frames in HEVC alone", "6.14", func(p *Presentation) {
		p.Multivariant.IFrames[0].Codecs, p.Multivariant.IFrames[1].Codecs = "hvc1.1.6.L93.B0", "hvc1.1.6.L93.B0"
	}},
	{"I-frames in HDR alone", "6.16", func(p *Presentation) {
		p.Multivariant.IFrames[0].VideoRange, p.Multivariant.IFrames[1].VideoRange = "HLG", "PQ"
	}},
	{"a segment that starts in mid-picture", "7.4", func(p *Presentation) { p.video().Segments[2].KeyFirst = FactOf(false) }},
	{"a target duration of 10 s", "7.5", func(p *Presentation) { p.video().Media.TargetDuration = 10 }},
	{"a segment longer than it says", "7.7", func(p *Presentation) { p.video().Segments[1].Duration = 7 * time.Second }},
	{"durations rounded to seconds", "8.1", func(p *Presentation) {
		for i := range p.video().Segments {
			p.video().Segments[i].Duration = 6*time.Second - 20*time.Millisecond
		}
	}},
	{"audio in other pieces", "8.2", func(p *Presentation) { p.Playlists["a.m3u8"].Media.TargetDuration = 10 }},
	{"audio that ends early", "8.3", func(p *Presentation) { p.Playlists["a.m3u8"].Media.Segments[2].Duration = 5 * time.Second }},
	{"a discontinuity in one rung", "8.15", func(p *Presentation) { p.video().Media.Segments[1].Discontinuity = true }},
	{"one rung cut elsewhere", "8.22", func(p *Presentation) {
		p.video().Media.Segments[0].Duration, p.video().Media.Segments[1].Duration = 5*time.Second, 7*time.Second
	}},
	{"live without a date", "8.4", func(p *Presentation) { p.live() }},
	{"complete without a type", "8.6", func(p *Presentation) { p.video().Media.Type = "" }},
	{"audio in no language", "8.10", func(p *Presentation) { p.Multivariant.Renditions[0].Language = "" }},
	{"live with three segments", "8.11", func(p *Presentation) { p.live() }},
	{"live that reaches back 18 s", "8.12", func(p *Presentation) { p.live() }},
	{"fMP4 without an initialization section", "8.20", func(p *Presentation) { p.video().Media.Segments[0].Map = nil }},
	{"no codecs", "9.1", func(p *Presentation) { p.Multivariant.Variants[0].Codecs = "" }},
	{"no resolution", "9.2", func(p *Presentation) { p.Multivariant.Variants[0].Width, p.Multivariant.Variants[0].Height = 0, 0 }},
	{"no codecs of I-frames", "9.3", func(p *Presentation) { p.Multivariant.IFrames[0].Codecs = "" }},
	{"no resolution of I-frames", "9.4", func(p *Presentation) { p.Multivariant.IFrames[0].Width = 0 }},
	{"audio inside the video", "9.5", func(p *Presentation) { p.Multivariant.Variants[0].Audio = "" }},
	{"six channels inside the video", "9.6", func(p *Presentation) { r := &p.Multivariant.Renditions[0]; r.URI, r.Channels = "", "6" }},
	{"one of two languages inside the video", "9.7", func(p *Presentation) {
		p.Multivariant.Renditions = append(p.Multivariant.Renditions, Rendition{Type: "AUDIO", GroupID: "aud", Name: "Deutsch", Language: "de"})
	}},
	{"one rung", "9.9", func(p *Presentation) { p.Multivariant.Variants = p.Multivariant.Variants[:1] }},
	{"one rung of the highest resolution", "9.10", func(p *Presentation) { p.Multivariant.Variants = p.Multivariant.Variants[:2] }},
	{"independence is not said", "9.11", func(p *Presentation) { p.Multivariant.IndependentSegments = false }},
	{"independence is said nowhere", "9.12", func(p *Presentation) { p.Multivariant.IndependentSegments = false }},
	{"a peak below the sum", "9.13", func(p *Presentation) { p.Multivariant.Variants[0].Bandwidth = 2_000_000 }},
	{"no average", "9.14", func(p *Presentation) { p.Multivariant.Variants[0].AverageBandwidth = 0 }},
	{"no average of I-frames", "9.14", func(p *Presentation) { p.Multivariant.IFrames[0].AverageBandwidth = 0 }},
	{"no frame rate", "9.15", func(p *Presentation) { p.Multivariant.Variants[0].FrameRate = 0 }},
	{"HDR beside one that does not say", "9.16", func(p *Presentation) { p.Multivariant.Variants[0].VideoRange = "PQ" }},
	{"steering without a beginning", "9.18", func(p *Presentation) { p.Multivariant.Steering = &Steering{ServerURI: "/s"} }},
	{"a segment that is redirected", "8.18", func(p *Presentation) { p.Deliveries[1].Redirected = true }},
	{"a playlist that is not compressed", "10.1", func(p *Presentation) { p.Deliveries[0].ContentEncoding = "" }},
	{"a playlist as a segment", "10.4", func(p *Presentation) { p.Deliveries[0].ContentType = "video/mp4" }},
	{"a segment of no type", "10.4", func(p *Presentation) { p.Deliveries[1].ContentType = "" }},
	{"subtitles as a film", "10.4", func(p *Presentation) { p.Deliveries[2].ContentType = "video/mp4" }},
	{"a segment in the clear", "11.1", func(p *Presentation) { p.Deliveries[1].URL = "http://e.example/1.m4s" }},
	{"a score on one variant", "9.19", func(p *Presentation) { p.Multivariant.Variants[0].Score = 2 }},
}

func TestWhoBreaksARuleIsFound(t *testing.T) {
	t.Parallel()
	for _, b := range breaks {
		t.Run(b.rule+" "+b.name, func(t *testing.T) {
			t.Parallel()
			p := perfect()
			b.do(p)
			found := Check(p)
			if len(found) > 0 && !strings.HasPrefix(found[0].String(), found[0].Rule+" ("+string(found[0].Severity)+") "+found[0].Where+": ") {
				t.Errorf("a finding is written as %q", found[0])
			}
			if !slices.ContainsFunc(found, func(f Finding) bool { return f.Rule == b.rule && f.Where != "" && f.Message != "" }) {
				t.Errorf("Check found %v, want rule %s", found, b.rule)
			}
		})
	}
}

func TestEveryRuleHasSomebodyWhoBreaksIt(t *testing.T) {
	t.Parallel()
	for _, r := range allRules() {
		if !slices.ContainsFunc(breaks, func(b struct {
			name, rule string
			do         func(*Presentation)
		},
		) bool {
			return b.rule == r.number
		}) {
			t.Errorf("nobody breaks rule %s", r.number)
		}
	}
}

func TestWhatIsNotMeasuredIsNotJudged(t *testing.T) {
	t.Parallel()
	p := perfect()
	for _, m := range p.Playlists {
		m.Segments = nil
	}
	p.each(func(v *Variant) { v.Bandwidth /= 2 })
	for _, f := range Check(p) {
		if f.Severity == Must && f.Rule != "1.32" {
			t.Error(f)
		}
	}
}

func TestPeakIsOfSetsNearTheTargetDuration(t *testing.T) {
	t.Parallel()
	playlist := func(target int, segments ...Measurement) *Measured {
		m := &Measured{Media: &Media{TargetDuration: target}, Segments: segments}
		for _, s := range segments {
			m.Media.Segments = append(m.Media.Segments, Segment{Duration: s.Duration})
		}
		return m
	}
	s := func(bytes int64, seconds float64) Measurement {
		return Measurement{Bytes: bytes, Duration: time.Duration(seconds * float64(time.Second))}
	}
	for name, c := range map[string]struct {
		m             *Measured
		average, peak int64
	}{
		"one segment":                              {playlist(4, s(1000, 4)), 2000, 2000},
		"the largest of several":                   {playlist(4, s(1000, 4), s(3000, 4), s(1000, 4)), 3334, 6000},
		"a short last segment counts with another": {playlist(4, s(1000, 4), s(1000, 1)), 3200, 3200},
		"small segments count together":            {playlist(4, s(1000, 1), s(0+1, 1), s(1000, 1), s(1, 1)), 4004, 5336},
		"all of it when it is short":               {playlist(10, s(1000, 1)), 8000, 8000},
		"not measured":                             {playlist(4, s(0, 4)), 0, 0},
		"nothing":                                  {playlist(4), 0, 0},
		"no duration":                              {playlist(4, s(1, 0)), 0, 0},
	} {
		if average, peak := c.m.Average(), c.m.Peak(); average != c.average || peak != c.peak {
			t.Errorf("%s: got %d and %d, want %d and %d", name, average, peak, c.average, c.peak)
		}
	}
}
