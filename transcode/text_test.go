package transcode

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSniffNamesWhatIsNoVideo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bytes string
		want  Reason
	}{
		"nothing":                                {"", ReasonEmpty},
		"a playlist":                             {"#EXTM3U\n", ReasonPlaylist},
		"a playlist after a mark and blanks":     {"\ufeff \r\n#EXTM3U\n", ReasonPlaylist},
		"a list for concatenation":               {"ffconcat version 1.0\n", ReasonPlaylist},
		"a PLS list":                             {"[playlist]\nFile1=x\n", ReasonPlaylist},
		"a DASH manifest":                        {"<?xml version='1.0'?>\n<MPD>", ReasonPlaylist},
		"an SVG":                                 {"<?xml version='1.0'?><svg xmlns=''>", ReasonStill},
		"a JPEG":                                 {"\xff\xd8\xff\xe0", ReasonStill},
		"a WebP":                                 {"RIFF\x01\x02\x03\x04WEBPVP8 ", ReasonStill},
		"a HEIC":                                 {"\x00\x00\x00\x20ftypheic", ReasonStill},
		"an icon":                                {"\x00\x00\x01\x00\x01\x00", ReasonStill},
		"text":                                   {"Hello,\nworld — ciao\n", ReasonNotMedia},
		"text cut within a character at the end": {strings.Repeat("a", head-1) + "\xc3", ReasonNotMedia},
		"an MP4":                                 {"\x00\x00\x00\x20ftypisom\x00", ""},
		"an MPEG program stream":                 {"\x00\x00\x01\xba\x44\x00", ""},
		"an MPEG transport stream":               {"\x47\x40\x11\x10\x00", ""},
		"a WAV":                                  {"RIFF\x01\x02\x03\x04WAVEfmt ", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := sniff([]byte(c.bytes)[:min(len(c.bytes), head)])
			if (got == nil) != (c.want == "") || got != nil && got.Reason != c.want {
				t.Errorf("got %+v, want %q", got, c.want)
			}
		})
	}
}

func TestCuesGoIntoEverySegmentTheyTouch(t *testing.T) {
	t.Parallel()
	cues, err := readCues(strings.NewReader("WEBVTT\n\nNOTE nothing\n\n1\n00:01.000 --> 00:00:05.500 line:0\nfirst\nsecond line\n\n00:05.000 --> 00:04.000\nbackwards\n\n01:00:00.000 --> 01:00:01.000\nlate\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []cue{
		{time.Second, 5500 * time.Millisecond, "line:0", "first\nsecond line\n"},
		{time.Hour, time.Hour + time.Second, "", "late\n"},
	}
	if diff := cmp.Diff(cues, want, cmp.AllowUnexported(cue{})); diff != "" {
		t.Fatalf("got -, want +:\n%s", diff)
	}
	const top = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n"
	const first = "\n00:00:01.000 --> 00:00:05.500 line:0\nfirst\nsecond line\n"
	for from, want := range map[time.Duration]string{0: top + first, 4 * time.Second: top + first, 8 * time.Second: top} {
		if got := string(writeCues(cues, from, from+4*time.Second)); got != want {
			t.Errorf("at %s got %q, want %q", from, got, want)
		}
	}
}

// FuzzCues: what was read and written is read the same again.
func FuzzCues(f *testing.F) {
	f.Add([]byte("WEBVTT\n\n00:01.000 --> 00:02.000 align:start\n<i>x</i>\n"))
	f.Add([]byte("WEBVTT\r\n\r\n99:59:59.999 --> 999:00:00.000\r\n-->\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		cues, err := readCues(bytes.NewReader(b))
		if err != nil {
			return
		}
		again, err := readCues(bytes.NewReader(writeCues(cues, 0, 1<<62)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(again, cues, cmp.AllowUnexported(cue{})); diff != "" {
			t.Fatalf("got -, want +:\n%s", diff)
		}
	})
}

// FuzzFragments: no bytes of a program make the reader panic, hang or take more
// than they are.
func FuzzFragments(f *testing.F) {
	for _, name := range []string{"video.mp4", "sound.mp4"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in := fragments{r: bytes.NewReader(b)}
		track, err := in.header()
		if err != nil {
			return
		}
		_, _ = codecs(track)
		size := 0
		for {
			samples, err := in.next(track)
			if err != nil {
				break
			}
			for _, s := range samples {
				size += len(s.Data)
			}
		}
		if size > len(b) {
			t.Errorf("%d bytes of samples from %d bytes", size, len(b))
		}
		if facts, err := measureSegment(b, track); err == nil {
			for _, k := range facts.keys {
				if k.offset < 0 || k.length <= 0 || k.offset+k.length > int64(len(b)) {
					t.Errorf("a key frame at %+v of %d bytes", k, len(b))
				}
			}
		}
	})
}

// FuzzProbed: whatever ffprobe prints makes a source within bounds or an error.
func FuzzProbed(f *testing.F) {
	f.Add([]byte(`{"streams":[{"index":0,"codec_type":"video","codec_name":"h264","width":9,"height":7,"sample_aspect_ratio":"4:3","r_frame_rate":"30/1","avg_frame_rate":"0/0","side_data_list":[{"rotation":-90}],"tags":{"language":"ger","title":"a\"\nb"}}],"format":{"duration":"1.5"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseProbed(b)
		if err != nil {
			return
		}
		s.Duration = time.Second
		p, err := Ladder(s, Policy{})
		if err != nil {
			return
		}
		for _, task := range p.Tasks() {
			if _, _, err := p.arguments(task); err != nil {
				t.Fatal(err)
			}
		}
		for _, a := range p.Audio {
			if strings.ContainsAny(a.Name+a.Label, "\n\"") {
				t.Fatalf("a label %q", a.Label)
			}
		}
	})
}
