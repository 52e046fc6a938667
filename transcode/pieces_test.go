package transcode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

// counted is a source in which the brightness tells which frame it is.
func counted(t testing.TB, file string, seconds int, more ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), file)
	ffmpeg(t, append(with(lavfi(fmt.Sprintf("nullsrc=s=64x36:r=25:d=%d,geq=lum='mod(N*37,200)+20':cb=128:cr=128", seconds)),
		"-c:v", "libx264", "-preset", "veryfast", "-g", "47", "-bf", "3", "-crf", "10", "-pix_fmt", "yuv420p"), append(more, path)...)...)
	return path
}

// brightness of every frame of a rung.
func brightness(t *testing.T, plan Plan, dir, name string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-hide_banner", "-v", "error", "-f", "mp4", "-i", "pipe:0", "-fps_mode", "passthrough", "-vf", "scale=1:1,format=gray", "-f", "rawvideo", "-")
	cmd.Stdin = &segmentReader{dir: dir, name: name, next: -1, end: plan.Segments}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestPiecesJoinWithoutASeam makes the same video in one piece and in pieces, in
// any order, and compares every frame.
func TestPiecesJoinWithoutASeam(t *testing.T) {
	t.Parallel()
	box := openBox(t)
	for name, c := range map[string]struct {
		file string
		more []string
		lead time.Duration
	}{
		"MP4 with B-frames":                     {"a.mp4", nil, time.Second},
		"MPEG-TS, which is seeked by guessing":  {"a.ts", nil, 10 * time.Second},
		"a gap in the pictures across the seam": {"a.mkv", []string{"-vf", "select='not(between(t,6.5,9))'", "-fps_mode", "vfr"}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := counted(t, c.file, 17, c.more...)
			source, err := Probe(t.Context(), box, path)
			if err != nil {
				t.Fatal(err)
			}
			source.Video.Rate, source.Video.Variable = Ratio{25, 1}, false
			plan, err := Ladder(source, Policy{Preset: "ultrafast", PieceSegments: 1})
			if err != nil {
				t.Fatal(err)
			}
			if plan.lead() != c.lead {
				t.Fatalf("the seek leads by %s, want %s", plan.lead(), c.lead)
			}
			whole, pieces := t.TempDir(), t.TempDir()
			rung := plan.Rungs[0].Name
			if err := Encode(t.Context(), box, path, plan, Task{Piece: plan.Whole(), Renditions: []string{rung}}, whole, nil); err != nil {
				t.Fatal(err)
			}
			all := plan.Pieces()
			slices.Reverse(all)
			for _, piece := range all {
				if err := Encode(t.Context(), box, path, plan, Task{Piece: piece, Renditions: []string{rung}}, pieces, nil); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := plan.measure(pieces, rung, state{complete: true, segments: plan.Segments}); err != nil {
				t.Fatal(err)
			}
			want, got := brightness(t, plan, whole, rung), brightness(t, plan, pieces, rung)
			if int64(len(want)) != plan.Frames || len(got) != len(want) {
				t.Fatalf("%d frames in one, %d in pieces, want %d", len(want), len(got), plan.Frames)
			}
			for i := range want {
				if d := int(want[i]) - int(got[i]); d < -9 || d > 9 {
					t.Fatalf("frame %d is %d in one piece and %d in pieces", i, want[i], got[i])
				}
				// The frames are those of the source, where it has them.
				if expect := i*37%200 + 20; len(c.more) == 0 && (int(got[i])-expect > 24 || expect-int(got[i]) > 24) {
					t.Fatalf("frame %d is %d, the source has %d there", i, got[i], expect)
				}
			}
		})
	}
}

// small is a plan and its source for tests of what surrounds the encoder.
func small(t testing.TB, box *sandbox.Box, seconds int) (string, Plan) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.mp4")
	ffmpeg(t, with(lavfi(fmt.Sprintf("testsrc2=s=96x54:r=25:d=%d", seconds), fmt.Sprintf("sine=d=%d", seconds)), with(h264, "-c:a", "aac", path)...)...)
	source, err := Probe(t.Context(), box, path)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := Ladder(source, Policy{Preset: "ultrafast", PieceSegments: 2})
	if err != nil {
		t.Fatal(err)
	}
	return path, plan
}

func TestEventsTellHowATaskGoes(t *testing.T) {
	t.Parallel()
	box := openBox(t)
	path, plan := small(t, box, 10)
	next := map[string]int{}
	last := Event{}
	dir := t.TempDir()
	task := Task{Piece: plan.Whole(), Renditions: []string{plan.Rungs[0].Name, plan.Rungs[1].Name}}
	err := Encode(t.Context(), box, path, plan, task, dir, func(e Event) {
		if e.Done < last.Done || e.Done > 1 {
			t.Errorf("%v after %v", e.Done, last.Done)
		}
		last = e
		if s := e.Segment; s != nil {
			info, err := os.Stat(filepath.Join(dir, s.Path))
			if err != nil || info.Size() != s.Bytes || s.Number != next[s.Rendition] {
				t.Errorf("%+v is told, the file is %v, %v", s, info, err)
			}
			next[s.Rendition]++
		}
	})
	if err != nil || last.Done != 1 || next[task.Renditions[0]] != plan.Segments || next[task.Renditions[1]] != plan.Segments {
		t.Errorf("got %v, %+v at last, segments %v of %d", err, last, next, plan.Segments)
	}
}

func TestATaskThatIsCancelledLeavesWholeSegmentsOnly(t *testing.T) {
	t.Parallel()
	box := openBox(t)
	path, plan := small(t, box, 60)
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	task := Task{Piece: plan.Whole(), Renditions: []string{plan.Rungs[0].Name}}
	err := Encode(ctx, box, path, plan, task, dir, func(e Event) {
		if e.Segment != nil {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	have, err := plan.have(dir, plan.Rungs[0].Name)
	if err != nil || have == 0 {
		t.Fatalf("%d segments, %v", have, err)
	}
	if _, err := plan.measure(dir, plan.Rungs[0].Name, state{segments: have}); err != nil {
		t.Error(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, plan.Rungs[0].Name, ".new-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	// The next try keeps what may be published, and mends what a crash broke.
	sums := segmentSums(t, dir, plan.Rungs[0].Name)
	broken := filepath.Join(dir, plan.Rungs[0].Name, segmentName(plan.Segments-1))
	if err := os.WriteFile(broken, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	// Other pictures, so that the bytes would be others.
	ffmpeg(t, with(lavfi("testsrc=s=96x54:r=25:d=60"), with(h264, path)...)...)
	if err := Encode(t.Context(), box, path, plan, task, dir, nil); err != nil {
		t.Error(err)
	}
	if now := segmentSums(t, dir, plan.Rungs[0].Name); !slices.Equal(now[:len(sums)], sums) || len(now) != plan.Segments {
		t.Errorf("%d segments, and those that were there changed", len(now))
	}
	if _, err := plan.measure(dir, plan.Rungs[0].Name, state{segments: plan.Segments}); err != nil {
		t.Error(err)
	}
}

func TestAGrowingTreeKeepsWhatItPublished(t *testing.T) {
	t.Parallel()
	box := openBox(t)
	path, plan := small(t, box, 18)
	dir := t.TempDir()
	low, high := plan.Rungs[1].Name, plan.Rungs[0].Name
	names := append(plan.soundAndText(), low)
	if _, err := Grow(plan, dir, names); !errors.Is(err, ErrMissing) {
		t.Fatalf("got %v before anything is there, want ErrMissing", err)
	}
	if err := Encode(t.Context(), box, path, plan, plan.Tasks()[0], dir, nil); err != nil {
		t.Fatal(err)
	}
	var before []byte
	for i, piece := range plan.Pieces() {
		if err := Encode(t.Context(), box, path, plan, Task{Piece: piece, Renditions: []string{low}}, dir, nil); err != nil {
			t.Fatal(err)
		}
		tree, err := Grow(plan, dir, names)
		if err != nil {
			t.Fatal(err)
		}
		if last := i == len(plan.Pieces())-1; tree.Complete != last {
			t.Errorf("state %d: complete is %v", i, tree.Complete)
		}
		now := read(t, dir, low+"/"+mediaName)
		if !tree.Complete && !bytes.Contains(now, []byte("#EXT-X-PLAYLIST-TYPE:EVENT\n")) || !bytes.Contains(now, []byte("TIME-OFFSET=0,PRECISE=YES")) != tree.Complete {
			t.Errorf("state %d:\n%s", i, now)
		}
		if !tree.Complete && !bytes.HasPrefix(now, before) {
			t.Errorf("state %d changed what was there:\n%s\nwas\n%s", i, now, before)
		}
		if bytes.Contains(read(t, dir, masterName), []byte(high+"/")) {
			t.Errorf("state %d lists a rung that is not there", i)
		}
		before = now
	}
	sums := segmentSums(t, dir, low)
	for _, piece := range plan.Pieces() {
		if err := Encode(t.Context(), box, path, plan, Task{Piece: piece, Renditions: []string{high}}, dir, nil); err != nil {
			t.Fatal(err)
		}
	}
	first, err := Assemble(t.Context(), box, plan, dir)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(sums, segmentSums(t, dir, low)) {
		t.Error("published segments changed")
	}
	files := map[string][]byte{}
	for _, f := range first.Files {
		files[f] = read(t, dir, f)
	}
	second, err := Assemble(t.Context(), box, plan, dir)
	if err != nil || second.Integrity != first.Integrity {
		t.Errorf("assembled again: %+v, %v", second, err)
	}
	for _, f := range second.Files {
		if !bytes.Equal(read(t, dir, f), files[f]) {
			t.Errorf("%s is another one the second time", f)
		}
	}
	checkTree(t, plan, dir, second)
}

func TestATreeWithAFaultIsNotAssembled(t *testing.T) {
	t.Parallel()
	box := openBox(t)
	path, plan := small(t, box, 9)
	whole := t.TempDir()
	encodeAll(t, box, path, plan, whole)
	segment := filepath.Join(plan.Rungs[0].Name, segmentName(1))
	for name, c := range map[string]struct {
		file   string
		change func([]byte) []byte // nil removes it
	}{
		"a segment is missing":             {segment, nil},
		"a segment is empty after a crash": {segment, func([]byte) []byte { return nil }},
		"a segment is cut off":             {segment, func(b []byte) []byte { return b[:len(b)-10] }},
		"a segment stands in the place of another": {segment, func([]byte) []byte {
			return read(t, whole, plan.Rungs[0].Name+"/"+segmentName(0))
		}},
		"an initialization section is missing": {filepath.Join(plan.Rungs[0].Name, initName), nil},
		"a segment of the sound is missing":    {filepath.Join(plan.Audio[0].Name, segmentName(0)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			at := filepath.Join(dir, c.file)
			b, err := os.ReadFile(at)
			if err != nil {
				t.Fatal(err)
			}
			if c.change == nil {
				err = os.Remove(at)
			} else {
				err = os.WriteFile(at, c.change(b), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			if tree, err := Assemble(t.Context(), box, plan, dir); !errors.Is(err, ErrMissing) {
				t.Errorf("got %+v and %v, want ErrMissing", tree, err)
			}
		})
	}
}

func TestAPieceOfAnotherEncoderDoesNotFit(t *testing.T) {
	t.Parallel()
	box := openBox(t)
	path, plan := small(t, box, 9)
	dir := t.TempDir()
	task := Task{Piece: plan.Pieces()[0], Renditions: []string{plan.Rungs[0].Name}}
	if err := Encode(t.Context(), box, path, plan, task, dir, nil); err != nil {
		t.Fatal(err)
	}
	foreign := plan
	foreign.Rungs = slices.Clone(plan.Rungs)
	foreign.Rungs[0].Level = "4.0"
	task.Piece = plan.Pieces()[1]
	if err := Encode(t.Context(), box, path, foreign, task, dir, nil); !errors.Is(err, ErrSeam) {
		t.Errorf("got %v, want ErrSeam", err)
	}
	foreign.Version++
	if err := Encode(t.Context(), box, path, foreign, task, dir, nil); err == nil || !strings.Contains(err.Error(), "version") {
		t.Errorf("got %v for a plan of a later version", err)
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func segmentSums(t *testing.T, dir, name string) []string {
	t.Helper()
	var all []string
	paths, err := filepath.Glob(filepath.Join(dir, name, "*.m4s"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no segments: %v", err)
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s %x", filepath.Base(p), b))
	}
	return all
}
