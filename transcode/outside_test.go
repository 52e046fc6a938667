package transcode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// other is another publisher's asset beside the upload: red pictures, and words
// in its metadata that can be looked for.
const otherWords = "ANOTHER-PUBLISHERS-WORDS"

func makeOther(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "other.mp4")
	ffmpeg(t, with(lavfi("color=red:s=192x108:r=25:d=2"), with(h264, "-metadata", "comment="+otherWords, "-x264-params", "annexb=0", path)...)...)
	return path
}

// makeOwn is green, of the same shape, so that offsets into one fit the other.
func makeOwn(t *testing.T, path string) {
	t.Helper()
	ffmpeg(t, with(lavfi("color=green:s=192x108:r=25:d=2"), with(h264, path)...)...)
}

// TestNoUploadReachesAnotherFile sends files that point at another asset, through
// the probe and, with a forged plan, straight to the encoder.
func TestNoUploadReachesAnotherFile(t *testing.T) {
	t.Parallel()
	box := openBox(t)
	for name, c := range map[string]struct {
		file  string
		write func(t *testing.T, path, other string)
		plays bool // as itself
	}{
		"an HLS playlist named .mp4":          {"a.mp4", textOf("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXTINF:2,\n%s\n#EXT-X-ENDLIST\n"), false},
		"a multivariant playlist":             {"a.mp4", textOf("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nfile://%s\n"), false},
		"a playlist after a byte order mark":  {"a.mp4", textOf("\ufeff#EXTM3U\n#EXTINF:2,\n%s\n"), false},
		"a list for concatenation":            {"a.mkv", textOf("ffconcat version 1.0\nfile '%s'\n"), false},
		"a DASH manifest":                     {"a.mp4", textOf("<?xml version=\"1.0\"?><MPD type=\"static\" mediaPresentationDuration=\"PT2S\"><Period><AdaptationSet><Representation id=\"1\" mimeType=\"video/mp4\" codecs=\"avc1\" bandwidth=\"1\"><BaseURL>%s</BaseURL></Representation></AdaptationSet></Period></MPD>"), false},
		"an SVG":                              {"a.mp4", textOf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"64\" height=\"64\"><image href=\"file://%s\" width=\"64\" height=\"64\"/></svg>"), false},
		"an IMF composition":                  {"a.xml", textOf("<?xml version=\"1.0\"?><CompositionPlaylist xmlns=\"http://www.smpte-ra.org/schemas/2067-3/2016\"><Id>%s</Id></CompositionPlaylist>"), false},
		"a script for VapourSynth":            {"a.vpy", textOf("import vapoursynth\n# %s\n"), false},
		"an MKV whose next part is elsewhere": {"a.mkv", linkedMKV, true},
		"a MOV whose media is elsewhere, by alias": {"a.mov", func(t *testing.T, path, other string) {
			t.Helper()
			externalMOV(t, path, alias(other))
		}, false},
		"a MOV whose media is elsewhere, by URL": {"a.mov", func(t *testing.T, path, other string) {
			t.Helper()
			externalMOV(t, path, box4("url ", append([]byte{0, 0, 0, 0}, "file://"+other+"\x00"...)))
		}, true}, // ffmpeg takes it for its own
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			other := makeOther(t, root)
			path := filepath.Join(root, "upload", c.file)
			if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			c.write(t, path, other)

			s, err := Probe(t.Context(), box, path)
			var refusal *Refusal
			if !c.plays && !errors.As(err, &refusal) {
				t.Errorf("the probe gives %+v and %v, want a refusal", s, err)
			}
			if strings.Contains(fmt.Sprintf("%+v %v", s, err), otherWords) {
				t.Errorf("the probe tells of the other asset: %+v %v", s, err)
			}
			forged := source(192, 108, Ratio{25, 1}, 2*time.Second)
			forged.Audio = nil
			plan, err := Ladder(forged, Policy{Preset: "ultrafast"})
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(root, "tree")
			err = Encode(t.Context(), box, path, plan, plan.Tasks()[0], dir, nil)
			if !c.plays && err == nil {
				t.Error("the encoder takes it")
			}
			if c.plays && err != nil {
				t.Error(err)
			}
			lookForOther(t, dir, c.plays && err == nil)
		})
	}
}

// lookForOther searches every output for the other asset: its words, and its
// colour.
func lookForOther(t *testing.T, dir string, plays bool) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(otherWords)) {
			t.Errorf("%s holds the other asset's words", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !plays {
		return
	}
	joined := filepath.Join(t.TempDir(), "joined.mp4")
	name := filepath.Join(dir, "video", "108p")
	var all []byte
	for _, f := range []string{initName, segmentName(0)} {
		b, err := os.ReadFile(filepath.Join(name, f))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	if err := os.WriteFile(joined, all, 0o600); err != nil {
		t.Fatal(err)
	}
	pixel := ffmpeg(t, "-i", joined, "-vf", "scale=1:1", "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
	if len(pixel) != 3 || pixel[0] > 60 || pixel[1] < 60 {
		t.Errorf("the picture is %v, want green", pixel)
	}
}

func textOf(format string) func(*testing.T, string, string) {
	return func(t *testing.T, path, other string) {
		t.Helper()
		text(fmt.Sprintf(format, other))(t, path)
	}
}

// linkedMKV puts a NextFilename in the place of MuxingApp, of the same length.
func linkedMKV(t *testing.T, path, _ string) {
	t.Helper()
	makeOwn(t, path)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(b, []byte("\x4d\x80\x8dLavf"))
	if i < 0 {
		t.Fatal("no MuxingApp of 13 bytes")
	}
	copy(b[i:], "\x3e\x83\xbb\x8c../other.mp4")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// externalMOV replaces the data reference of a MOV, which has its index at the
// end, so no offset moves.
func externalMOV(t *testing.T, path string, entry []byte) {
	t.Helper()
	makeOwn(t, path)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	entries := bytes.LastIndex(b, []byte("dref"))
	at := entries - 4
	size := int(binary.BigEndian.Uint32(b[at:]))
	fresh := box4("dref", append([]byte{0, 0, 0, 0, 0, 0, 0, 1}, entry...))
	grown := len(fresh) - size
	b = append(b[:at:at], append(fresh, b[at+size:]...)...)
	for _, parent := range []string{"moov", "trak", "mdia", "minf", "dinf"} {
		i := bytes.LastIndex(b[:at], []byte(parent)) - 4
		if i < 0 {
			t.Fatalf("no %s before the data reference", parent)
		}
		binary.BigEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:])+uint32(grown))
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func box4(kind string, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
	return append(append(b, kind...), body...)
}

// alias is an alis entry as ffmpeg reads it, with an absolute path.
func alias(path string) []byte {
	body := make([]byte, 4+10)                    // version and flags, not self-contained; header
	body = append(body, make([]byte, 1+27+12)...) // volume
	body = append(body, make([]byte, 1+63+16)...) // file name
	body = append(body, 0, 1, 0, 1)               // levels
	body = append(body, make([]byte, 16)...)
	for _, kind := range []uint16{2, 18} { // the absolute path, in two spellings
		p := path
		if len(p)%2 == 1 {
			p = "/" + p
		}
		body = binary.BigEndian.AppendUint16(body, kind)
		body = binary.BigEndian.AppendUint16(body, uint16(len(p)))
		body = append(body, p...)
	}
	body = append(body, 0xff, 0xff, 0, 0)
	return box4("alis", body)
}
