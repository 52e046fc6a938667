package transcode

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

// TestTwoHoursArePlannedAtOnceAndMadeInPieces: the probe of a long file reads its
// end alone, and a piece in its middle costs what a piece costs.
func TestTwoHoursArePlannedAtOnceAndMadeInPieces(t *testing.T) {
	t.Parallel()
	box := openBox(t)
	path := filepath.Join(t.TempDir(), "a.mp4")
	ffmpeg(t, with(lavfi("testsrc2=s=64x36:r=1:d=7200"), "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-pix_fmt", "yuv420p", path)...)
	source, err := Probe(t.Context(), box, path)
	if err != nil {
		t.Fatal(err)
	}
	if d := source.Duration - 2*time.Hour; d.Abs() > time.Second {
		t.Errorf("it lasts %s, want two hours", source.Duration)
	}
	plan, err := Ladder(source, Policy{Preset: "ultrafast"})
	if err != nil {
		t.Fatal(err)
	}
	if plan.Segments != 1800 || len(plan.Pieces()) != 120 {
		t.Errorf("%d segments in %d pieces", plan.Segments, len(plan.Pieces()))
	}
	pieces := plan.Pieces()
	if testing.Short() {
		dir := t.TempDir()
		for _, piece := range []Piece{pieces[0], pieces[60], pieces[119]} {
			if err := Encode(t.Context(), box, path, plan, Task{Piece: piece, Renditions: []string{plan.Rungs[0].Name}}, dir, nil); err != nil {
				t.Errorf("piece %d: %v", piece.Index, err)
			}
		}
		return
	}
	dir := t.TempDir()
	task := Task{Piece: plan.Whole(), Renditions: []string{plan.Rungs[0].Name, plan.Rungs[1].Name}}
	if err := Encode(t.Context(), box, path, plan, task, dir, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Assemble(t.Context(), box, plan, dir); err != nil {
		t.Fatal(err)
	}
	checkRules(t, plan, dir)
	// 3600 key frames on four sheets of a hundred: one in nine.
	index := string(read(t, dir, thumbsName))
	if n := strings.Count(index, "#xywh="); n != 400 || !strings.Contains(index, sheetName(3)) {
		t.Errorf("%d thumbnails:\n%.400s", n, index)
	}
}

// TestOtherCodecsByPolicy makes HEVC and AV1 beside H.264.
func TestOtherCodecsByPolicy(t *testing.T) {
	t.Parallel()
	box := openBox(t)
	path := inputs()["an ordinary MP4"].write(t)
	for codec, want := range map[Codec]string{HEVC: "hvc1.1.6.L", AV1: "av01.0.0"} {
		t.Run(string(codec), func(t *testing.T) {
			t.Parallel()
			source, err := Probe(t.Context(), box, path)
			if err != nil {
				t.Fatal(err)
			}
			plan, err := Ladder(source, Policy{Codecs: []Codec{codec}, Preset: "ultrafast", PieceSegments: 2})
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			encodeAll(t, box, path, plan, dir)
			tree, err := Assemble(t.Context(), box, plan, dir)
			if err != nil {
				t.Fatal(err)
			}
			checkTree(t, plan, dir, tree)
			seen := 0
			for _, m := range tree.Renditions {
				if strings.HasPrefix(m.Codecs, want) {
					seen++
				}
			}
			if seen != 2 {
				t.Errorf("%d renditions with %s: %+v", seen, want, tree.Renditions)
			}
		})
	}
}

// TestALimitOfTheBoxEndsATask: what the program uses up is ours to say, and no
// refusal of the file.
func TestALimitOfTheBoxEndsATask(t *testing.T) {
	t.Parallel()
	tight, err := sandbox.Open(t.Context(), sandbox.Config{Limits: sandbox.Limits{Memory: 96 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	path, plan := small(t, openBox(t), 5)
	err = Encode(t.Context(), tight, path, plan, plan.Tasks()[1], t.TempDir(), nil)
	if err == nil || refuse(err) != nil {
		t.Errorf("got %v, want an error of ours", err)
	}
}
