package transcode

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/internal/hls"
)

// fragmented makes a short fMP4 that is not ours, and cuts it behind its moov.
func fragmented(t testing.TB, args ...string) (init, segment []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "f.mp4")
	ffmpeg(t, append(args, "-movflags", "empty_moov+default_base_moof+frag_keyframe", "-f", "mp4", file)...)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at+8 <= len(b); {
		size := int(b[at])<<24 | int(b[at+1])<<16 | int(b[at+2])<<8 | int(b[at+3])
		if string(b[at+4:at+8]) == "moof" {
			return b[:at], b[at:]
		}
		at += max(size, 8)
	}
	t.Fatal("no fragment in it")
	return nil, nil
}

func TestForeignSegmentsAreMeasured(t *testing.T) {
	t.Parallel()
	init, segment := fragmented(t, "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=25:duration=3", "-c:v", "libx264", "-preset", "ultrafast",
		"-force_key_frames", "0,2")
	s, err := ReadSection(init)
	if err != nil || !s.Video() {
		t.Fatalf("ReadSection: %v", err)
	}
	got, err := s.Measure(segment)
	want := hls.Measurement{Bytes: int64(len(segment)), Duration: 3 * time.Second, KeyFirst: hls.Yes, KeyInterval: 2 * time.Second, Moof: hls.Yes}
	// ffmpeg ends with an index of the fragments, which is no sample.
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	// Without its first fragment it begins in the middle; cut off it is no segment.
	if _, err := s.Measure(segment[:len(segment)/2]); err == nil {
		t.Error("half a segment was taken")
	}
	if _, err := s.Measure(nil); err == nil {
		t.Error("an empty segment was taken")
	}
}

func TestSoundHasNoKeyFrames(t *testing.T) {
	t.Parallel()
	init, segment := fragmented(t, "-f", "lavfi", "-i", "sine=duration=2", "-c:a", "aac")
	s, err := ReadSection(init)
	if err != nil || s.Video() {
		t.Fatalf("ReadSection: %v", err)
	}
	got, err := s.Measure(segment)
	if err != nil || got.KeyFirst != hls.Unknown || got.KeyInterval != 0 || got.Duration < 2*time.Second || got.Duration > 2100*time.Millisecond {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestSectionsWithSeveralTracksAreRefused(t *testing.T) {
	t.Parallel()
	init, _ := fragmented(t, "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=25:duration=1", "-f", "lavfi", "-i", "sine=duration=1",
		"-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac")
	for name, b := range map[string][]byte{"two tracks": init, "nothing": nil, "text": []byte("#EXTM3U\n#EXT-X-VERSION:7\n")} {
		if _, err := ReadSection(b); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func FuzzSection(f *testing.F) {
	init, segment := fragmented(f, "-f", "lavfi", "-i", "testsrc2=size=32x32:rate=5:duration=1", "-c:v", "libx264", "-preset", "ultrafast")
	f.Add(init, segment)
	f.Fuzz(func(t *testing.T, init, segment []byte) {
		s, err := ReadSection(init)
		if err != nil {
			return
		}
		if m, err := s.Measure(segment); err == nil && (m.Duration < 0 || m.KeyInterval > m.Duration) {
			t.Errorf("measured %+v", m)
		}
	})
}
