package origin

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/stratos-mesh/stratos/origin/work"
	"github.com/stratos-mesh/stratos/transcode"
)

const (
	// lowLines: rungs whose pictures have fewer lines on their short side are made
	// first, all of them in one pass, because they are soon there.
	lowLines = 500
	// taskAttempts are how often a task may fail or lose its worker.
	taskAttempts = 5
	// maxResets are how often tasks may be begun again because results do not fit.
	maxResets = 2
)

// The order among all tasks of all assets: what makes something playable first.
const (
	classSound = iota
	classLow
	classRest
)

// job is the tasks of one asset while it encodes. Its fields are guarded by the
// mu of jobs.
type job struct {
	asset   *asset
	plan    transcode.Plan
	created time.Time
	tasks   []*task
	log     *syncLog
	left    int
	failed  error
	done    chan struct{} // closed when nothing is left, or failed is set
	began   time.Time
	before  float64 // share of the work that was done when this process began
	// arrived is told of every file that is in the tree.
	arrived func(path string)
}

// task is one run of an encoder.
type task struct {
	index    int
	class    int
	kind     work.Kind
	work     transcode.Task
	weight   float64
	done     bool
	attempts int
	after    time.Time // not before
	lease    *lease
	progress work.Progress
}

// lease is a worker's hold on a task.
type lease struct {
	token  string
	worker string
	until  time.Time
}

// jobLine is a line of the file "done".
type jobLine struct {
	Task  int     `json:"task"`
	Speed float64 `json:"speed,omitempty"`
	// Reset takes the task back.
	Reset bool `json:"reset,omitempty"`
}

// tasksOf a plan: sound, the low rungs piece by piece, then the others. A plan
// gives the same tasks at every restart, so a number names one.
func tasksOf(plan transcode.Plan) []*task {
	var sound, low, rest []string
	for _, a := range plan.Audio {
		sound = append(sound, a.Name)
	}
	for _, c := range plan.Captions {
		sound = append(sound, c.Name)
	}
	area := map[string]float64{}
	for _, r := range plan.Rungs {
		area[r.Name] = float64(r.Width * r.Height)
		if r.Codec == transcode.H264 && min(r.Width, r.Height) < lowLines {
			low = append(low, r.Name)
		} else {
			rest = append(rest, r.Name)
		}
	}
	var all []*task
	add := func(class int, kind work.Kind, piece transcode.Piece, names []string) {
		if len(names) == 0 {
			return
		}
		t := &task{index: len(all), class: class, kind: kind, work: transcode.Task{Piece: piece, Renditions: names}}
		for _, n := range names {
			t.weight += max(area[n], 20_000) * (piece.To - piece.From).Seconds()
		}
		all = append(all, t)
	}
	add(classSound, work.Sound, plan.Whole(), sound)
	for _, piece := range plan.Pieces() {
		add(classLow, work.Video, piece, low)
	}
	for _, piece := range plan.Pieces() {
		add(classRest, work.Video, piece, rest)
	}
	return all
}

// lowRungs are what may play early: the rungs of the low pass, and the sound.
func lowRungs(tasks []*task) (names []string) {
	for _, t := range tasks {
		if t.class == classLow && t.work.Piece.Index == 0 {
			names = append(names, t.work.Renditions...)
		}
	}
	return names
}

// openJob reads which tasks are done.
func openJob(a *asset, plan transcode.Plan, now time.Time) (*job, error) {
	j := &job{asset: a, plan: plan, created: a.created, tasks: tasksOf(plan), done: make(chan struct{}), began: now}
	if err := os.MkdirAll(a.tree(), 0o700); err != nil {
		return nil, fmt.Errorf("asset %s: %w", a.id, err)
	}
	var err error
	j.log, err = openLog(filepath.Join(a.folder, "done"), func(line []byte) {
		var l jobLine
		if json.Unmarshal(line, &l) == nil && l.Task >= 0 && l.Task < len(j.tasks) {
			t := j.tasks[l.Task]
			t.done, t.progress = !l.Reset, work.Progress{Done: 1, Speed: l.Speed}
		}
	})
	if err != nil {
		return nil, err
	}
	for _, t := range j.tasks {
		if !t.done {
			j.left++
			t.progress.Done = 0
		}
	}
	j.before, _ = j.shares()
	if j.left == 0 {
		close(j.done)
	}
	return j, nil
}

// shares of the work done, and the speed of what runs.
func (j *job) shares() (done, speed float64) {
	var sum, total float64
	for _, t := range j.tasks {
		total += t.weight
		sum += t.weight * t.progress.Done
		if t.lease != nil && t.kind == work.Video {
			speed += t.progress.Speed
		}
	}
	if total == 0 {
		return 0, speed
	}
	return sum / total, speed
}

// progress of one rendition, and the speed at which it is made now.
func (j *job) progress(name string) (done, speed float64) {
	q := j.asset.origin.assets.jobs
	q.mu.Lock()
	defer q.mu.Unlock()
	var total float64
	for _, t := range j.tasks {
		if !slices.Contains(t.work.Renditions, name) {
			continue
		}
		length := (t.work.Piece.To - t.work.Piece.From).Seconds()
		total += length
		done += length * t.progress.Done
		if t.lease != nil {
			speed += t.progress.Speed
		}
	}
	if total > 0 {
		done /= total
	}
	return done, speed
}

// total is the progress of all, the speed of what runs, and the seconds that
// are left at the pace so far.
func (j *job) total() (done, speed, left float64) {
	q := j.asset.origin.assets.jobs
	q.mu.Lock()
	defer q.mu.Unlock()
	done, speed = j.shares()
	elapsed := q.now().Sub(j.began).Seconds()
	if made := done - j.before; made > 0.01 && elapsed > 1 {
		left = elapsed / made * (1 - done)
	}
	return done, speed, left
}

// lowSpeed is how fast the low rungs are made, measured; 0 before it can be told.
func (j *job) lowSpeed() float64 {
	q := j.asset.origin.assets.jobs
	q.mu.Lock()
	defer q.mu.Unlock()
	speed := 0.0
	for _, t := range j.tasks {
		if t.class == classLow {
			speed = max(speed, t.progress.Speed)
		}
	}
	return speed
}

// fail ends the job; mu of jobs is held.
func (j *job) fail(err error) {
	if j.failed == nil && j.left > 0 {
		j.failed = err
		close(j.done)
	}
}

// reset takes tasks back: those of which match says yes. What they returned is
// removed first, unless keep.
func (j *job) reset(keep bool, match func(*task) bool) error {
	for _, t := range j.tasks {
		if !match(t) {
			continue
		}
		for _, name := range t.work.Renditions {
			if !keep {
				j.asset.origin.assets.clear(filepath.Join(j.asset.tree(), filepath.FromSlash(name)))
			}
		}
		text, err := json.Marshal(jobLine{Task: t.index, Reset: true})
		if err != nil {
			return fmt.Errorf("asset %s: %w", j.asset.id, err)
		}
		if err := j.log.add(append(text, '\n'))(j.asset.origin.ctx); err != nil {
			return err
		}
	}
	return nil
}

var errNoTasks = errors.New("the plan has no tasks")
