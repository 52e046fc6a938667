package origin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/origin/origintest"
	"github.com/stratos-mesh/stratos/origin/work"
	"github.com/stratos-mesh/stratos/transcode"
)

// queue is the tasks of videos without an origin around them.
type queue struct {
	*jobs
	t *testing.T
	n int
}

func startQueue(t *testing.T) *queue {
	t.Helper()
	o := &Origin{counters: &Counters{}}
	c := Config{Dir: t.TempDir()}.withDefaults()
	o.settings.Store(&c)
	o.ctx, o.cancel = context.WithCancel(context.Background())
	t.Cleanup(o.cancel)
	s := &assets{origin: o, dir: c.Dir, all: map[string]*asset{}}
	s.jobs = newJobs(s)
	o.assets = s
	return &queue{jobs: s.jobs, t: t}
}

// offer begins a job for a video of so many seconds.
func (q *queue) offer(seconds int) *job {
	q.t.Helper()
	q.n++
	source := transcode.Source{Duration: time.Duration(seconds) * time.Second, Video: &transcode.Video{
		Codec: "h264", Width: 1280, Height: 720, Rate: transcode.Ratio{Num: 25, Den: 1},
	}}
	plan, err := new(origintest.Transcoder).Ladder(source, transcode.Policy{})
	if err != nil {
		q.t.Fatal(err)
	}
	id := fmt.Sprintf("%032d", q.n)
	a := &asset{origin: q.assets.origin, id: id, folder: filepath.Join(q.assets.dir, id), created: time.Now(), changed: make(chan struct{})}
	a.info.SHA256, a.info.Size = strings.Repeat("0", 64), 10
	return q.open(a, plan)
}

func (q *queue) open(a *asset, plan transcode.Plan) *job {
	q.t.Helper()
	j, err := openJob(a, plan, []string{"video/234p", "video/360p"}, time.Now())
	if err != nil {
		q.t.Fatal(err)
	}
	j.arrived = func(string) {}
	q.begin(j)
	return j
}

// take leases a task that must be there.
func (q *queue) take(kinds ...work.Kind) *work.Task {
	q.t.Helper()
	if len(kinds) == 0 {
		kinds = []work.Kind{work.Video, work.Sound}
	}
	task, err := q.Lease(q.t.Context(), work.Ask{Worker: "w", Kinds: kinds})
	if err != nil {
		q.t.Fatal(err)
	}
	return task
}

// give returns a task's files and completes it.
func (q *queue) give(task *work.Task) error {
	var files []work.File
	for _, r := range task.Task.Renditions {
		f := work.File{Path: r + "/00000.m4s", Size: 1}
		err := q.Put(q.t.Context(), task.ID, f, func(f *os.File) error { _, err := f.WriteString("x"); return err })
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	return q.Complete(q.t.Context(), task.ID, work.Done{Files: files})
}

func TestWhatMakesAVideoPlayableIsMadeFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := startQueue(t)
		long := q.offer(24) // 6 segments, 2 pieces
		time.Sleep(time.Second)
		q.offer(10)
		defer func() {
			for _, j := range q.all {
				j.log.close()
			}
		}()
		var got []string
		for {
			task, err := q.Lease(t.Context(), work.Ask{Worker: "w", Kinds: []work.Kind{work.Video, work.Sound}})
			if errors.Is(err, work.ErrNone) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			which := "new"
			if task.Asset == long.asset.id {
				which = "old"
			}
			got = append(got, fmt.Sprintf("%s %s %d", which, task.Task.Renditions[0], task.Task.Piece.Index))
		}
		want := []string{
			"old audio/und 0", "new audio/und 0", "old video/234p 0", "old video/234p 1", "new video/234p 0",
			"old video/720p 0", "old video/720p 1", "new video/720p 0",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

func TestATaskOfASilentWorkerGoesToAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := startQueue(t)
		j := q.offer(8)
		defer j.log.close()
		first := q.take(work.Sound)
		time.Sleep(29 * time.Second)
		if _, err := q.Renew(t.Context(), first.ID, work.Progress{Done: 0.5, Speed: 3}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(29 * time.Second)
		if _, err := q.Lease(t.Context(), work.Ask{Kinds: []work.Kind{work.Sound}}); !errors.Is(err, work.ErrNone) {
			t.Errorf("a lease that was renewed was given away: %v", err)
		}
		began := time.Now()
		second, err := q.Lease(t.Context(), work.Ask{Kinds: []work.Kind{work.Sound}, Wait: 20})
		if err != nil || time.Since(began) > 2*time.Second {
			t.Fatalf("after %s: %v", time.Since(began), err)
		}
		if second.Task.Renditions[0] != first.Task.Renditions[0] || second.ID == first.ID {
			t.Errorf("got %s after %s", second.ID, first.ID)
		}
		// The first one comes back: nothing that it says counts.
		if _, err := q.Renew(t.Context(), first.ID, work.Progress{}); !errors.Is(err, work.ErrLost) {
			t.Errorf("renewing a lost lease: %v", err)
		}
		if err := q.give(first); !errors.Is(err, work.ErrLost) {
			t.Errorf("returning under a lost lease: %v", err)
		}
		if err := q.give(second); err != nil {
			t.Fatal(err)
		}
		if err := q.Complete(t.Context(), second.ID, work.Done{}); err != nil {
			t.Errorf("completing again, because the answer was lost: %v", err)
		}
	})
}

func TestATaskThatKeepsFailingEndsItsVideo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := startQueue(t)
		j := q.offer(8)
		defer j.log.close()
		for range taskAttempts {
			task, err := q.Lease(t.Context(), work.Ask{Kinds: []work.Kind{work.Sound}, Wait: 20})
			if err != nil {
				t.Fatal(err)
			}
			if err := q.Fail(t.Context(), task.ID, work.Failure{Detail: "the disk burns"}); err != nil {
				t.Fatal(err)
			}
		}
		<-j.done
		reason := lasting(j.failed)
		if reason == nil || !strings.Contains(reason.Detail, "the disk burns") || reason.Hint == "" {
			t.Errorf("got %+v of %v", reason, j.failed)
		}
	})
}

func TestARefusedSourceEndsItsVideoAtOnce(t *testing.T) {
	t.Parallel()
	q := startQueue(t)
	j := q.offer(8)
	defer j.log.close()
	task := q.take(work.Sound)
	f := work.Failure{Refusal: &transcode.Refusal{Reason: transcode.ReasonDamaged, Sentence: "The sound breaks off."}}
	if err := q.Fail(t.Context(), task.ID, f); err != nil {
		t.Fatal(err)
	}
	<-j.done
	if reason := lasting(j.failed); reason == nil || reason.Detail != "The sound breaks off." || reason.Type != "urn:stratos:problem:source-damaged" {
		t.Errorf("got %+v", reason)
	}
}

func TestWhatIsDoneStaysDoneAfterARestart(t *testing.T) {
	t.Parallel()
	q := startQueue(t)
	j := q.offer(24)
	sound, low := q.take(work.Sound), q.take(work.Video)
	if err := q.give(sound); err != nil {
		t.Fatal(err)
	}
	q.end(j)
	if _, err := q.Renew(t.Context(), low.ID, work.Progress{}); !errors.Is(err, work.ErrLost) {
		t.Errorf("renewing while the video is not open: %v", err)
	}
	// A crash may leave half a line.
	f, err := os.OpenFile(filepath.Join(j.asset.folder, "done"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"task":1`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	again := q.open(j.asset, j.plan)
	defer again.log.close()
	if len(again.tasks) != 4 || again.tasks[0].kind != work.Video {
		t.Errorf("%d tasks are left, want the 4 of the pictures", len(again.tasks))
	}
	// The worker of before goes on, and is believed.
	if _, err := q.Renew(t.Context(), low.ID, work.Progress{Done: 0.7}); err != nil {
		t.Errorf("a worker that goes on after a restart: %v", err)
	}
	if next := q.take(work.Video); next.Task.Piece.Index != 1 {
		t.Errorf("its task was given away: %+v", next.Task)
	}
	if err := q.give(low); err != nil {
		t.Error(err)
	}
}

func TestFilesThatATaskMayNotReturn(t *testing.T) {
	t.Parallel()
	q := startQueue(t)
	j := q.offer(8)
	defer j.log.close()
	task := q.take(work.Sound)
	for _, c := range []struct{ sentence, path string }{
		{"another rendition's", "video/360p/00000.m4s"},
		{"outside the tree", "../state"},
		{"outside by a detour", "audio/und/../../../state"},
		{"absolute", "/etc/passwd"},
		{"a playlist", "audio/und/playlist.m3u8"},
		{"a playlist in capitals", "audio/und/x.M3U8"},
		{"hidden", "audio/und/.new-1"},
		{"below a folder of its own", "audio/und/x/y"},
		{"the folder itself", "audio/und"},
		{"nothing", ""},
	} {
		err := q.Put(t.Context(), task.ID, work.File{Path: c.path, Size: 1}, func(*os.File) error { return nil })
		if !errors.Is(err, work.ErrFile) {
			t.Errorf("%s: got %v", c.sentence, err)
		}
	}
	if left, err := os.ReadDir(j.asset.tree()); err != nil || len(left) != 0 {
		t.Errorf("refused files left %v, %v", left, err)
	}
	if err := q.Complete(t.Context(), task.ID, work.Done{Files: []work.File{{Path: "audio/und/00000.m4s"}}}); !errors.Is(err, work.ErrFile) {
		t.Errorf("completing with a file that was not returned: %v", err)
	}
}

func TestAFileThatIsThereStays(t *testing.T) {
	t.Parallel()
	q := startQueue(t)
	j := q.offer(8)
	defer j.log.close()
	task := q.take(work.Sound)
	for _, text := range []string{"one", "two"} {
		f := work.File{Path: "audio/und/00000.m4s", Size: 3}
		if err := q.Put(t.Context(), task.ID, f, func(f *os.File) error { _, err := f.WriteString(text); return err }); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(filepath.Join(j.asset.tree(), "audio/und/00000.m4s")); err != nil || string(got) != "one" {
		t.Errorf("got %q, %v; viewers may have been shown the first", got, err)
	}
	if entries, _ := os.ReadDir(filepath.Join(j.asset.tree(), "audio/und")); len(entries) != 1 {
		t.Errorf("left over: %v", entries)
	}
	if q.assets.disk != 3 {
		t.Errorf("%d bytes are counted, want 3", q.assets.disk)
	}
}

func TestAWorkerWhoseResultsDoNotFitGetsNoMore(t *testing.T) {
	t.Parallel()
	q := startQueue(t)
	j := q.offer(24)
	defer j.log.close()
	take := func(worker string) *work.Task {
		t.Helper()
		task, err := q.Lease(t.Context(), work.Ask{Worker: worker, Kinds: []work.Kind{work.Video}})
		if err != nil {
			t.Fatal(err)
		}
		return task
	}
	put := func(task *work.Task, text string) error {
		f := work.File{Path: "video/234p/init.mp4", Size: 3}
		return q.Put(t.Context(), task.ID, f, func(f *os.File) error { _, err := f.WriteString(text); return err })
	}
	one, two := take("old"), take("new")
	if err := put(one, "v61"); err != nil {
		t.Fatal(err)
	}
	if err := put(two, "v62"); !errors.Is(err, work.ErrFile) {
		t.Errorf("another version: %v", err)
	}
	if err := put(one, "v61"); err != nil {
		t.Errorf("the same again: %v", err)
	}
	if err := q.Fail(t.Context(), two.ID, work.Failure{Detail: "refused"}); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Lease(t.Context(), work.Ask{Worker: "new", Kinds: []work.Kind{work.Video}}); !errors.Is(err, work.ErrNone) {
		t.Errorf("it got another task: %v", err)
	}
}

func TestADiskThatIsFull(t *testing.T) {
	t.Parallel()
	q := startQueue(t)
	c := *q.assets.origin.config()
	c.Video.Disk = 5
	q.assets.origin.settings.Store(&c)
	j := q.offer(8)
	defer j.log.close()
	task := q.take(work.Sound)
	put := func(name string) error {
		return q.Put(t.Context(), task.ID, work.File{Path: "audio/und/" + name, Size: 3}, func(f *os.File) error { _, err := f.WriteString("xyz"); return err })
	}
	if err := put("00000.m4s"); err != nil {
		t.Error(err)
	}
	if err := put("00001.m4s"); !errors.Is(err, work.ErrRoom) {
		t.Errorf("got %v", err)
	}
}

func TestWorkersThatDoNotShareTheDiskWaitForTheDigest(t *testing.T) {
	t.Parallel()
	q := startQueue(t)
	j := q.offer(8)
	defer j.log.close()
	j.asset.info.SHA256 = ""
	if _, err := q.Lease(t.Context(), work.Ask{Kinds: []work.Kind{work.Sound}}); !errors.Is(err, work.ErrNone) {
		t.Errorf("a worker got a source that it cannot check: %v", err)
	}
	task, err := q.Lease(t.Context(), work.Ask{Kinds: []work.Kind{work.Sound}, Local: true})
	if err != nil || task.Source.Path == "" {
		t.Errorf("a worker of this machine: %+v, %v", task, err)
	}
}

// The tasks of a plan together make every segment of every rendition once.
func TestTasksCoverThePlan(t *testing.T) {
	t.Parallel()
	for _, seconds := range []int{1, 4, 12, 13, 125} {
		plan, err := new(origintest.Transcoder).Ladder(transcode.Source{Duration: time.Duration(seconds) * time.Second}, transcode.Policy{})
		if err != nil {
			t.Fatal(err)
		}
		made := map[string][]int{}
		j := &job{plan: plan, made: map[part]float64{}, done: make(chan struct{})}
		j.regroup([]string{"video/234p"})
		for _, task := range j.tasks {
			for _, r := range task.work.Renditions {
				for n := range task.work.Piece.Count {
					made[r] = append(made[r], task.work.Piece.First+n)
				}
			}
		}
		for _, name := range []string{"video/720p", "video/360p", "video/234p", "audio/und"} {
			slices.Sort(made[name])
			if n := len(made[name]); n != plan.Segments || len(slices.Compact(made[name])) != n {
				t.Errorf("%d s: %s: %v, want %d segments once", seconds, name, made[name], plan.Segments)
			}
		}
	}
}
