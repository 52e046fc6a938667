package transcode

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files anew")

func source(width, height int, rate Ratio, length time.Duration) Source {
	return Source{
		Container: "mov,mp4,m4a,3gp,3g2,mj2", Duration: length,
		Video: &Video{Width: width, Height: height, Codec: "h264", SAR: Ratio{1, 1}, Rate: rate, PixelFmt: "yuv420p", BitDepth: 8},
		Audio: []Audio{{Stream: 1, Codec: "aac", Channels: 2, Language: "en", Default: true}},
	}
}

// plans are what the golden files hold.
func plans(t *testing.T) map[string]Plan {
	t.Helper()
	film := source(1920, 1080, Ratio{24000, 1001}, 95*time.Minute)
	film.Audio = []Audio{
		{Stream: 1, Codec: "eac3", Channels: 6, Language: "en", Default: true},
		{Stream: 2, Codec: "aac", Channels: 2, Language: "de"},
		{Stream: 3, Codec: "aac", Channels: 1, Language: "en", Title: "Commentary"},
	}
	film.Captions = []Caption{{Stream: 4, Codec: "subrip", Language: "en"}, {Stream: 5, Codec: "mov_text", Language: "fr", Forced: true}}
	hdr := source(3840, 2160, Ratio{60, 1}, 10*time.Minute)
	hdr.Video.HDR, hdr.Video.BitDepth, hdr.Video.Matrix = "pq", 10, "bt2020nc"
	sound := Source{Container: "mp3", Duration: 3 * time.Minute, Audio: []Audio{{Codec: "mp3", Channels: 2}}}
	tape := source(768, 576, Ratio{25, 1}, time.Minute)
	tape.Container, tape.Video.Interlaced, tape.Video.Matrix = "mpegts", true, "bt470bg"
	all := map[string]Plan{}
	for name, c := range map[string]struct {
		Source
		Policy
	}{
		"film": {film, Policy{}}, "uhd-hdr": {hdr, Policy{MaxHeight: 2160, Codecs: []Codec{H264, HEVC, AV1}}}, "sound": {sound, Policy{}},
		"tape": {tape, Policy{}}, "portrait-phone": {source(1080, 1920, Ratio{30, 1}, 12*time.Second), Policy{}},
		"tiny": {source(160, 120, Ratio{15, 1}, time.Second), Policy{}},
	} {
		p, err := Ladder(c.Source, c.Policy)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = p
	}
	return all
}

func TestLaddersAreAsTheyWere(t *testing.T) {
	t.Parallel()
	for name, p := range plans(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := json.MarshalIndent(p, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".json", string(b)+"\n")
			var text strings.Builder
			for _, task := range shown(p.Tasks()) {
				args, outputs, err := p.arguments(task)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&text, "# segments %d to %d: %s\n", task.Piece.First, task.Piece.First+task.Piece.Count-1, strings.Join(outputs, " "))
				line := strings.Join(args, " ")
				for _, at := range []string{" -map ", " -i ", " -filter_complex ", ";["} {
					line = strings.ReplaceAll(line, at, "\n"+strings.TrimLeft(at, " "))
				}
				text.WriteString(line + "\n\n")
			}
			golden(t, name+".args", text.String())
		})
	}
}

// shown are the tasks of the first piece, and the second as one for all later.
func shown(all []Task) []Task {
	return slices.DeleteFunc(all, func(t Task) bool { return t.Piece.Index > 1 })
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, string(want)); diff != "" {
		t.Errorf("%s (got -, want +; -update writes it anew):\n%s", name, diff)
	}
}

// A plan survives its travel to a worker.
func TestAPlanTravelsAsJSON(t *testing.T) {
	t.Parallel()
	for name, p := range plans(t) {
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var back Plan
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(back, p); diff != "" {
			t.Errorf("%s: got -, want +:\n%s", name, diff)
		}
	}
}

// TestAnyLadderKeepsItsPromises draws sources of any size, rate and length.
func TestAnyLadderKeepsItsPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := source(rapid.IntRange(2, maxEdge).Draw(t, "width"), rapid.IntRange(2, maxEdge).Draw(t, "height"),
			ratio(rapid.IntRange(1, 240_000).Draw(t, "num"), rapid.SampledFrom([]int{1000, 1001}).Draw(t, "den")),
			time.Duration(rapid.Int64Range(1, int64(12*time.Hour)).Draw(t, "length")))
		s.Video.Rate, _ = frameRate(s.Video.Rate, s.Video.Rate, false)
		p, err := Ladder(s, Policy{MaxHeight: rapid.SampledFrom([]int{234, 720, 1080, 2160}).Draw(t, "most")})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Rungs) < 2 {
			t.Fatalf("%d rungs, players need two", len(p.Rungs))
		}
		names := map[string]bool{}
		for _, r := range p.Rungs {
			switch {
			case r.Width%2 != 0 || r.Height%2 != 0:
				t.Fatalf("%+v has odd edges", r)
			case r.Width > s.Video.Width || r.Height > s.Video.Height:
				t.Fatalf("%+v enlarges %d × %d", r, s.Video.Width, s.Video.Height)
			case p.KeyFrames%r.Divide != 0 || p.SegmentFrames%p.KeyFrames != 0 || p.Frames%int64(r.Divide) != 0:
				t.Fatalf("%+v does not share the grid of %+v", r, p)
			case p.Rate.over(r.Divide).Float() > highRate+0.01:
				t.Fatalf("%+v is faster than any screen", r)
			case names[r.Name]:
				t.Fatalf("two rungs are called %s", r.Name)
			}
			names[r.Name] = true
		}
		if d := p.SegmentTime; d < 3*time.Second || d > 5*time.Second {
			t.Fatalf("segments of %s", d)
		}
		pieces := p.Pieces()
		next := 0
		for i, piece := range pieces {
			if piece.Index != i || piece.First != next || piece.Count < 1 || p.pieceFrames(piece) < 1 {
				t.Fatalf("piece %d is %+v", i, piece)
			}
			next += piece.Count
		}
		if next != p.Segments {
			t.Fatalf("pieces of %d segments, the plan has %d", next, p.Segments)
		}
		ends := p.soundEnds()
		for i, end := range ends {
			before := int64(0)
			if i > 0 {
				before = ends[i-1]
			}
			if end <= before {
				t.Fatalf("sound's segment %d is empty", i)
			}
			// Within one AAC frame of the pictures' cut.
			at := time.Duration(end) * time.Second * aacFrame / sampleRate
			if want := min(p.segmentStart(i+1), p.Length); (at - want).Abs() > 43*time.Millisecond {
				t.Fatalf("sound's segment %d ends at %s, pictures' at %s", i, at, want)
			}
		}
	})
}

func TestLaddersAreRefusedWithAReason(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		source Source
		policy Policy
		want   Reason
	}{
		"longer than the policy allows": {source(640, 360, Ratio{25, 1}, 2*time.Hour), Policy{MaxDuration: time.Hour}, ReasonTooLarge},
		"nothing to play":               {Source{Duration: time.Minute}, Policy{}, ReasonNotMedia},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Ladder(c.source, c.policy)
			var refusal *Refusal
			if !errors.As(err, &refusal) || refusal.Reason != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	if _, err := Ladder(source(640, 360, Ratio{25, 1}, time.Minute), Policy{Codecs: []Codec{"mpeg1"}}); err == nil {
		t.Error("a codec that nobody knows passes")
	}
}

func TestTasksThatDoNotFitThePlanAreErrors(t *testing.T) {
	t.Parallel()
	p := plans(t)["film"]
	for name, task := range map[string]Task{
		"no renditions":                  {Piece: p.Whole()},
		"an unknown rendition":           {Piece: p.Whole(), Renditions: []string{"video/9p"}},
		"pictures and sound together":    {Piece: p.Whole(), Renditions: []string{p.Rungs[0].Name, p.Audio[0].Name}},
		"sound in pieces":                {Piece: p.Pieces()[1], Renditions: []string{p.Audio[0].Name}},
		"a piece beyond the end":         {Piece: Piece{First: p.Segments, Count: 1}, Renditions: []string{p.Rungs[0].Name}},
		"a piece before the beginning":   {Piece: Piece{First: -1, Count: 1}, Renditions: []string{p.Rungs[0].Name}},
		"a piece of nothing":             {Piece: Piece{First: 0, Count: 0}, Renditions: []string{p.Rungs[0].Name}},
		"the same rendition named twice": {Piece: p.Whole(), Renditions: []string{p.Rungs[0].Name, p.Rungs[0].Name}},
	} {
		if _, _, err := p.arguments(task); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
