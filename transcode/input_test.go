package transcode

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// input is one kind of file that people upload.
type input struct {
	file string   // its name, with the ending that decides the format
	make []string // ffmpeg's arguments
	bend func(*testing.T, string)
	// what must come of it: a refusal, or
	refused Reason
	see     func(*testing.T, Plan)
	left    string // a part of a sentence of Source.Left
	slow    bool   // left out by -short
}

const (
	pictures = "testsrc2=s=192x108:r=25:d=6"
	tone     = "sine=f=440:r=48000:d=6"
)

func lavfi(sources ...string) []string {
	var args []string
	for _, s := range sources {
		args = append(args, "-f", "lavfi", "-i", s)
	}
	return args
}

func with(args []string, more ...string) []string { return append(args[:len(args):len(args)], more...) }

var h264 = []string{"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"}

func inputs() map[string]input {
	film := with(lavfi(pictures, tone), with(h264, "-c:a", "aac", "-shortest")...)
	size := func(w, h int) func(*testing.T, Plan) {
		return func(t *testing.T, p Plan) {
			t.Helper()
			top := highest(p)
			if top.Width != w || top.Height != h {
				t.Errorf("the largest rung is %d × %d, want %d × %d", top.Width, top.Height, w, h)
			}
		}
	}
	return map[string]input{
		"an ordinary MP4": {file: "a.mp4", make: film, see: size(192, 108)},
		"an MP4 with its index at the end plays, one with it in front too": {file: "a.mp4", make: with(film, "-movflags", "+faststart"), see: size(192, 108)},
		"portrait by its pixels":            {file: "a.mp4", make: with(lavfi("testsrc2=s=108x192:r=25:d=5"), h264...), see: size(108, 192)},
		"portrait by rotation":              {file: "a.mp4", make: film, bend: rotate, see: size(108, 192)},
		"odd edges become even":             {file: "a.mkv", make: with(lavfi("testsrc2=s=192x108:r=25:d=5,format=yuv444p,crop=191:107"), "-c:v", "ffv1"), see: size(190, 106)},
		"4:3":                               {file: "a.mp4", make: with(lavfi("testsrc2=s=160x120:r=25:d=5"), h264...), see: size(160, 120)},
		"pixels that are not square become": {file: "a.mp4", make: with(lavfi("testsrc2=s=144x120:r=25:d=5,setsar=16/12"), h264...), see: size(192, 120)},
		"a variable frame rate": {
			file: "a.mp4", make: with(lavfi("testsrc2=s=192x108:r=30:d=6,select='if(lt(t,3),not(mod(n,3)),1)'", tone), with(h264, "-fps_mode", "vfr", "-c:a", "aac")...),
			see: func(t *testing.T, p Plan) {
				if !p.Source.Video.Variable || p.Rate != (Ratio{30, 1}) {
					t.Errorf("got %+v at %s, want a variable rate at 30/1", p.Source.Video, p.Rate)
				}
			},
		},
		"120 frames a second become 60 and 30": {
			file: "a.mp4", make: with(lavfi("testsrc2=s=1280x720:r=120:d=1.2"), h264...), slow: true,
			see: func(t *testing.T, p Plan) {
				if p.Rate != (Ratio{60, 1}) || highest(p).Divide != 1 || p.Rungs[len(p.Rungs)-1].Divide != 2 {
					t.Errorf("got %s and %+v", p.Rate, p.Rungs)
				}
			},
		},
		"NTSC's 29.97 keeps its rate": {
			file: "a.mp4", make: with(lavfi("testsrc2=s=192x108:r=30000/1001:d=9", tone), with(h264, "-c:a", "aac")...),
			see: func(t *testing.T, p Plan) {
				if p.Rate != (Ratio{30000, 1001}) || p.SegmentTime != 4004*time.Millisecond {
					t.Errorf("got %s and segments of %s", p.Rate, p.SegmentTime)
				}
			},
		},
		"10 bit":                 {file: "a.mp4", make: with(lavfi(pictures), "-c:v", "libx264", "-pix_fmt", "yuv420p10le"), see: size(192, 108)},
		"HDR with the PQ curve":  {file: "a.mp4", make: with(lavfi(pictures), "-c:v", "libx265", "-x265-params", "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc", "-pix_fmt", "yuv420p10le"), see: hdr("pq")},
		"HDR with the HLG curve": {file: "a.mp4", make: with(lavfi(pictures), "-c:v", "libx265", "-x265-params", "log-level=none:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc", "-pix_fmt", "yuv420p10le"), see: hdr("hlg"), slow: true},
		"interlaced":             {file: "a.ts", make: with(lavfi("testsrc2=s=192x108:r=50:d=5,interlace"), "-c:v", "mpeg2video", "-flags", "+ildct+ilme"), see: size(192, 108), slow: true},
		"no sound": {
			file: "a.mp4", make: with(lavfi(pictures), h264...),
			see: func(t *testing.T, p Plan) {
				if len(p.Audio) != 0 {
					t.Errorf("got %+v", p.Audio)
				}
			},
		},
		"5.1 sound gives stereo too": {
			file: "a.mp4", make: with(lavfi(pictures, "anoisesrc=r=48000:d=6,aformat=channel_layouts=5.1"), with(h264, "-c:a", "aac")...),
			see: audio("audio/und", "audio/und-51"),
		},
		"several languages": {
			file: "a.mkv", make: with(lavfi(pictures, tone, "sine=f=220:d=6"), with(h264, "-map", "0", "-map", "1", "-map", "2", "-c:a", "aac",
				"-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger", "-metadata:s:a:1", "title=Kommentar", "-disposition:a:0", "0", "-disposition:a:1", "default")...),
			see: audio("audio/de", "audio/en"),
		},
		"sound alone": {file: "a.mp3", make: lavfi("sine=d=9"), see: audio("audio/und")},
		"sound with a cover picture": {
			file: "a.m4a", make: with(lavfi("sine=d=5", "testsrc2=s=64x64:r=1:d=1"), "-map", "0", "-map", "1", "-c:a", "aac", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-frames:v", "1", "-disposition:v", "attached_pic"),
			see: audio("audio/und"), left: "cover",
		},
		"sound that begins late":  {file: "a.mkv", make: with([]string{"-f", "lavfi", "-i", pictures, "-itsoffset", "1.5", "-f", "lavfi", "-i", tone}, with(h264, "-c:a", "aac")...), see: audio("audio/und")},
		"a clip of one second":    {file: "a.mp4", make: with(lavfi("testsrc2=s=192x108:r=25:d=1", "sine=d=1"), with(h264, "-c:a", "aac")...), see: size(192, 108)},
		"WebM with VP9 and Opus":  {file: "a.webm", make: with(lavfi(pictures, tone), "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"), see: size(192, 108)},
		"HEVC":                    {file: "a.mov", make: with(lavfi(pictures), "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-tag:v", "hvc1"), see: size(192, 108)},
		"AVI with MPEG-4 and MP3": {file: "a.avi", make: with(lavfi(pictures, tone), "-c:v", "mpeg4", "-c:a", "libmp3lame"), see: size(192, 108), slow: true},
		"FLV":                     {file: "a.flv", make: with(film, "-ar", "44100"), see: size(192, 108), slow: true},
		"MPEG-TS":                 {file: "a.ts", make: film, see: size(192, 108)},
		"MKV with subtitles": {
			file: "a.mkv", make: with(lavfi(pictures), with([]string{"-i", "SUBTITLES"}, with(h264, "-map", "0", "-map", "1", "-c:s", "srt", "-metadata:s:s", "language=fre")...)...),
			see: func(t *testing.T, p Plan) {
				if len(p.Captions) != 1 || p.Captions[0].Name != "captions/fr" || p.Captions[0].Label != "français" {
					t.Errorf("got %+v", p.Captions)
				}
			},
		},
		"a truncated MP4 with its index in front plays as far as it goes": {
			file: "a.mp4", make: with(film, "-movflags", "+faststart"), bend: cutTo(2, 3), left: "The last",
			see: func(t *testing.T, p Plan) {
				if p.Length < 2*time.Second || p.Length > 5*time.Second {
					t.Errorf("it lasts %s", p.Length)
				}
			},
		},
		"a truncated MPEG-TS":                {file: "a.ts", make: film, bend: cutTo(1, 2), see: size(192, 108)},
		"a truncated MP4 without its index":  {file: "a.mp4", make: film, bend: cutTo(2, 3), refused: ReasonTruncated},
		"an MP4 of which nothing plays":      {file: "a.mp4", make: with(film, "-movflags", "+faststart"), bend: cutTo(1, 16), refused: ReasonTruncated},
		"noise in the middle is played over": {file: "a.ts", make: film, bend: scratch, see: size(192, 108)},
		"zero bytes":                         {file: "a.mp4", bend: text(""), refused: ReasonEmpty},
		"a text file renamed":                {file: "a.mp4", bend: text("Dear uploader,\nthis is not a film.\n"), refused: ReasonNotMedia},
		"random bytes":                       {file: "a.mp4", bend: text(strings.Repeat("\x00\x9f\x13\xff\x01", 2000)), refused: ReasonNotMedia},
		"a playlist that names local files":  {file: "a.mp4", bend: text("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n/etc/passwd\n"), refused: ReasonPlaylist},
		"a picture":                          {file: "a.png", make: with(lavfi("testsrc2=s=64x64:r=1:d=1"), "-frames:v", "1"), refused: ReasonStill},
		"a picture in an MP4":                {file: "a.mp4", make: with(lavfi("testsrc2=s=64x64:r=1:d=1"), with(h264, "-frames:v", "1")...), refused: ReasonStill},
		"a PDF":                              {file: "a.mp4", bend: text("%PDF-1.7\n\x00\xff"), refused: ReasonNotMedia},
		"subtitles alone":                    {file: "a.mkv", make: []string{"-i", "SUBTITLES"}, refused: ReasonNotMedia},
	}
}

// TestEveryKindOfFilePlaysOrIsRefused makes each, and looks at what comes out as
// players would.
func TestEveryKindOfFilePlaysOrIsRefused(t *testing.T) {
	t.Parallel()
	box := openBox(t)
	for name, in := range inputs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if in.slow && testing.Short() {
				t.Skip("-short")
			}
			path := in.write(t)
			source, err := Probe(t.Context(), box, path)
			var refusal *Refusal
			if in.refused != "" {
				if !errors.As(err, &refusal) || refusal.Reason != in.refused || !strings.HasSuffix(refusal.Sentence, ".") {
					t.Fatalf("got %+v and %v, want a refusal for %s", source, err, in.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if in.left != "" && !strings.Contains(strings.Join(source.Left, "\n"), in.left) {
				t.Errorf("left out: %q, want a sentence with %q", source.Left, in.left)
			}
			plan, err := Ladder(source, Policy{Preset: "ultrafast", PieceSegments: 1})
			if err != nil {
				t.Fatal(err)
			}
			in.see(t, plan)
			dir := t.TempDir()
			encodeAll(t, box, path, plan, dir)
			tree, err := Assemble(t.Context(), box, plan, dir)
			if err != nil {
				t.Fatal(err)
			}
			checkTree(t, plan, dir, tree)
		})
	}
}

func hdr(kind string) func(*testing.T, Plan) {
	return func(t *testing.T, p Plan) {
		t.Helper()
		if v := p.Source.Video; v.HDR != kind || v.BitDepth != 10 {
			t.Errorf("got %+v", v)
		}
	}
}

func audio(names ...string) func(*testing.T, Plan) {
	return func(t *testing.T, p Plan) {
		t.Helper()
		var got []string
		for _, a := range p.Audio {
			got = append(got, a.Name)
		}
		if strings.Join(got, " ") != strings.Join(names, " ") {
			t.Errorf("got %q, want %q", got, names)
		}
	}
}

func highest(p Plan) Rung {
	var top Rung
	for _, r := range p.Rungs {
		if r.Width*r.Height > top.Width*top.Height {
			top = r
		}
	}
	return top
}
