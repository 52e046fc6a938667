package origin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/stratos-mesh/stratos/origin/work"
	"github.com/stratos-mesh/stratos/transcode"
)

const (
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
	// low are the rungs that are made first, in a pass of their own.
	low     []string
	made    map[part]float64 // what is done, with its speed
	misfits map[string]bool  // workers whose results do not fit
	tasks   []*task          // what is not
	log     *syncLog
	failed  error
	done    chan struct{} // closed when nothing is left, or failed is set
	began   time.Time
	before  float64           // share of the work that was done when this process began
	arrived func(path string) // told of every file that is in the tree
}

// part is one rendition of one piece; sound and captions have one piece.
type part struct {
	rendition string
	piece     int
}

// task is one run of an encoder.
type task struct {
	key      string // says which one it is, over restarts too
	class    int
	kind     work.Kind
	work     transcode.Task
	attempts int
	after    time.Time // not before
	lease    *lease
	progress work.Progress
}

// lease is a worker's hold on a task.
type lease struct {
	token  string
	worker string
	local  bool // of this origin's own worker
	since  time.Time
	until  time.Time
}

// jobLine is a line of the file "done".
type jobLine struct {
	Piece      int      `json:"piece"`
	Renditions []string `json:"renditions"`
	Speed      float64  `json:"speed,omitempty"`
	// Reset takes them back.
	Reset bool `json:"reset,omitempty"`
}

func (t *task) line() jobLine {
	return jobLine{Piece: t.work.Piece.Index, Renditions: t.work.Renditions}
}

// openJob reads what is done, and makes tasks of the rest.
func openJob(a *asset, plan transcode.Plan, low []string, now time.Time) (*job, error) {
	j := &job{asset: a, plan: plan, created: a.created, low: low, made: map[part]float64{}, misfits: map[string]bool{}, done: make(chan struct{}), began: now}
	if err := os.MkdirAll(a.tree(), 0o700); err != nil {
		return nil, fmt.Errorf("asset %s: %w", a.id, err)
	}
	var err error
	j.log, err = openLog(filepath.Join(a.folder, "done"), func(line []byte) {
		var l jobLine
		if json.Unmarshal(line, &l) == nil {
			j.apply(l)
		}
	})
	if err != nil {
		return nil, err
	}
	j.regroup(low)
	j.before, _ = j.shares()
	return j, nil
}

func (j *job) apply(l jobLine) {
	for _, r := range l.Renditions {
		if l.Reset {
			delete(j.made, part{r, l.Piece})
		} else {
			j.made[part{r, l.Piece}] = max(l.Speed, 0.001)
		}
	}
}

// regroup makes the tasks of what is not done: sound, the low rungs piece by
// piece, then the others. Those that stay what they were keep their leases. mu of
// jobs is held, or nobody else is there yet.
func (j *job) regroup(low []string) {
	old := map[string]*task{}
	for _, t := range j.tasks {
		old[t.key] = t
	}
	j.low, j.tasks = low, nil
	add := func(class int, kind work.Kind, piece transcode.Piece, names []string) {
		var left []string
		for _, n := range names {
			if j.made[part{n, piece.Index}] == 0 {
				left = append(left, n)
			}
		}
		if len(left) == 0 {
			return
		}
		sum := sha256.Sum256(fmt.Appendf(nil, "%d %q", piece.Index, left))
		t := &task{key: hex.EncodeToString(sum[:8]), class: class, kind: kind, work: transcode.Task{Piece: piece, Renditions: left}}
		if before := old[t.key]; before != nil {
			t = before
			t.class = class
		}
		j.tasks = append(j.tasks, t)
	}
	var rest []string
	for _, r := range j.plan.Rungs {
		if !slices.Contains(low, r.Name) {
			rest = append(rest, r.Name)
		}
	}
	add(classSound, work.Sound, j.plan.Whole(), j.sounds())
	for _, piece := range j.plan.Pieces() {
		add(classLow, work.Video, piece, low)
	}
	for _, piece := range j.plan.Pieces() {
		add(classRest, work.Video, piece, rest)
	}
	j.check()
}

// sounds are the renditions that are made in one piece.
func (j *job) sounds() (names []string) {
	for _, a := range j.plan.Audio {
		names = append(names, a.Name)
	}
	for _, c := range j.plan.Captions {
		names = append(names, c.Name)
	}
	return names
}

// check ends the job when nothing is left.
func (j *job) check() {
	if len(j.tasks) == 0 && j.failed == nil {
		close(j.done)
	}
}

// finished takes a task for done; mu of jobs is held.
func (j *job) finished(t *task, l jobLine) {
	if i := slices.Index(j.tasks, t); i >= 0 {
		j.tasks = slices.Delete(j.tasks, i, i+1)
		j.apply(l)
		j.check()
	}
}

// fail ends the job; mu of jobs is held.
func (j *job) fail(err error) {
	if j.failed == nil && len(j.tasks) > 0 {
		j.failed = err
		close(j.done)
	}
}

// reset takes results back, of renditions for which match says yes. Their files
// are removed first, unless keep.
func (j *job) reset(keep bool, match func(rendition string) bool) error {
	for p := range j.made {
		if !match(p.rendition) {
			continue
		}
		if !keep {
			j.asset.origin.assets.clear(filepath.Join(j.asset.tree(), filepath.FromSlash(p.rendition)))
		}
		text, err := json.Marshal(jobLine{Piece: p.piece, Renditions: []string{p.rendition}, Reset: true})
		if err != nil {
			return fmt.Errorf("asset %s: %w", j.asset.id, err)
		}
		if err := j.log.add(append(text, '\n'))(j.asset.origin.ctx); err != nil {
			return err
		}
	}
	return nil
}
