package origin

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/origin/work"
	"github.com/stratos-mesh/stratos/transcode"
)

func TestAGuessOfWhatIsMadeFastEnough(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sentence      string
		width, height int
		rate, cores   int
		codec         string
		want          int
	}{
		{"high definition on two cores", 1920, 1080, 30, 2, "h264", 2},
		{"with twice the pictures", 1920, 1080, 60, 2, "h264", 1},
		{"on a large machine", 1920, 1080, 30, 16, "h264", 3},
		{"a small video on two cores", 1280, 720, 25, 2, "h264", 3},
		{"ultra high definition on two cores", 3840, 2160, 30, 2, "hevc", 1},
	} {
		source := transcode.Source{Duration: time.Minute, Video: &transcode.Video{
			Codec: c.codec, Width: c.width, Height: c.height, Rate: transcode.Ratio{Num: c.rate, Den: 1},
		}}
		plan, err := transcode.Ladder(source, transcode.Policy{})
		if err != nil {
			t.Fatal(err)
		}
		got := guessLow(plan, c.cores)
		if len(got) != c.want {
			t.Errorf("%s: got %q, want %d rungs", c.sentence, got, c.want)
		}
	}
}

// Nothing that could be left out would make it fast: what is done stays.
func TestALowPassThatIsMuchTooSlowStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := startQueue(t)
		j := q.offer(24)
		defer j.log.close()
		low := q.take(work.Video)
		for range 5 {
			time.Sleep(lowPatience)
			if _, err := q.Renew(t.Context(), low.ID, work.Progress{Done: 0.1, Speed: 1}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A worker that is too slow for all low rungs loses the task to one with fewer.
func TestALowPassThatIsTooSlowGetsSmaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := startQueue(t)
		j := q.offer(24)
		defer j.log.close()
		sound, low := q.take(work.Sound), q.take(work.Video)
		if diff := cmp.Diff([]string{"video/360p", "video/234p"}, low.Task.Renditions); diff == "" {
			t.Error("renditions are in the order of the ladder")
		}
		slow := work.Progress{Done: 0.1, Speed: 3.8}
		if _, err := q.Renew(t.Context(), low.ID, slow); err != nil {
			t.Fatalf("after no time: %v", err)
		}
		time.Sleep(lowPatience)
		if _, err := q.Renew(t.Context(), sound.ID, work.Progress{Done: 0.1, Speed: 2}); err != nil {
			t.Errorf("sound that is slow: %v", err)
		}
		if _, err := q.Renew(t.Context(), low.ID, slow); !errors.Is(err, work.ErrLost) {
			t.Fatalf("after a while: %v", err)
		}
		next := q.take(work.Video)
		if diff := cmp.Diff([]string{"video/234p"}, next.Task.Renditions); diff != "" || next.Task.Piece.Index != 0 {
			t.Errorf("the next task: %+v", next.Task)
		}
		time.Sleep(lowPatience)
		if _, err := q.Renew(t.Context(), next.ID, slow); err != nil {
			t.Errorf("nothing smaller is left: %v", err)
		}
		if got := j.lowSpeed(); got != 3.8 {
			t.Errorf("speed %v, want 3.8", got)
		}
		var rest []string
		for _, task := range j.tasks {
			if task.class == classRest {
				rest = append(rest, task.work.Renditions...)
			}
		}
		if diff := cmp.Diff([]string{"video/720p", "video/360p", "video/720p", "video/360p"}, rest); diff != "" {
			t.Errorf("the rest (-want +got):\n%s", diff)
		}
	})
}
