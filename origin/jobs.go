package origin

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/origin/work"
)

// jobs is the queue of tasks of all assets: the work.Queue of this origin. What
// is done is on disk; leases are not. After a restart a worker that goes on
// renewing gets its lease again, unless another was faster.
type jobs struct {
	assets *assets

	mu      sync.Mutex // guards following
	all     map[string]*job
	changed chan struct{} // closed and replaced when a task may be leased
	// ended leases of tasks that are done: a worker that missed the answer asks again.
	ended map[string]bool
}

// maxEnded bounds them; the worker asks within seconds.
const maxEnded = 10_000

// remember a lease of a task that is done; mu is held.
func (q *jobs) remember(id string) {
	if len(q.ended) >= maxEnded {
		clear(q.ended)
	}
	q.ended[id] = true
}

func newJobs(s *assets) *jobs {
	return &jobs{assets: s, all: map[string]*job{}, changed: make(chan struct{}), ended: map[string]bool{}}
}

func (q *jobs) now() time.Time { return q.assets.origin.config().Now() }

// wake has waiting workers look again; mu is held.
func (q *jobs) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// begin offers a job's tasks.
func (q *jobs) begin(j *job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.all[j.asset.id] = j
	q.wake()
}

// end takes them back.
func (q *jobs) end(j *job) {
	q.mu.Lock()
	delete(q.all, j.asset.id)
	q.mu.Unlock()
	j.log.close()
}

// Lease implements work.Queue.
func (q *jobs) Lease(ctx context.Context, ask work.Ask) (*work.Task, error) {
	end := time.NewTimer(time.Duration(ask.Wait * float64(time.Second)))
	defer end.Stop()
	for {
		q.mu.Lock()
		task, next := q.lease(ask)
		changed := q.changed
		q.mu.Unlock()
		if task != nil {
			return task, nil
		}
		again := time.NewTimer(next)
		select {
		case <-changed:
		case <-again.C: // a lease or a pause ends
		case <-end.C:
			again.Stop()
			return nil, work.ErrNone
		case <-ctx.Done():
			again.Stop()
			return nil, work.ErrNone
		case <-q.assets.origin.ctx.Done():
			again.Stop()
			return nil, work.ErrNone
		}
		again.Stop()
	}
}

// lease picks the best task for a worker, or tells when to look again. mu is
// held.
func (q *jobs) lease(ask work.Ask) (*work.Task, time.Duration) {
	now, next := q.now(), work.LeaseTime
	var best *task
	var of *job
	for _, j := range q.all {
		if j.failed != nil || j.misfits[ask.Worker] || !ask.Local && j.asset.state().SHA256 == "" {
			continue
		}
		for _, t := range j.tasks {
			q.expire(j, t, now)
			switch {
			case j.failed != nil || !slices.Contains(ask.Kinds, t.kind):
			case t.lease != nil:
				next = min(next, t.lease.until.Sub(now))
			case now.Before(t.after):
				next = min(next, t.after.Sub(now))
			case best == nil || before(j, t, of, best): // tasks of a job are in order
				best, of = t, j
			}
		}
	}
	if best == nil {
		return nil, max(next, 10*time.Millisecond)
	}
	var token [8]byte
	_, _ = rand.Read(token[:]) // never fails
	best.lease = &lease{token: hex.EncodeToString(token[:]), worker: ask.Worker, local: ask.Local, since: now, until: now.Add(work.LeaseTime)}
	best.progress = work.Progress{}
	return q.describe(of, best, ask.Local), 0
}

// before tells whether a task comes before another.
func before(j *job, t *task, other *job, than *task) bool {
	switch {
	case t.class != than.class:
		return t.class < than.class
	case !j.created.Equal(other.created):
		return j.created.Before(other.created)
	}
	return false
}

// expire takes a task from a worker that is silent; mu is held.
func (q *jobs) expire(j *job, t *task, now time.Time) {
	if t.lease == nil || now.Before(t.lease.until) {
		return
	}
	q.assets.origin.config().Logger.Warn("a worker fell silent; its task goes to another", "worker", t.lease.worker, "asset", j.asset.id, "piece", t.work.Piece.Index, "renditions", t.work.Renditions)
	q.giveBack(j, t, "the worker "+t.lease.worker+" fell silent", 0)
}

// dropLocal takes the tasks of this origin's own worker, which has just ended.
func (q *jobs) dropLocal() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range q.all {
		for _, t := range j.tasks {
			if t.lease != nil && t.lease.local {
				q.giveBack(j, t, "the origin's own worker ended", 0)
			}
		}
	}
}

// giveBack counts a failed attempt; mu is held.
func (q *jobs) giveBack(j *job, t *task, detail string, pause time.Duration) {
	t.lease, t.progress = nil, work.Progress{Speed: t.progress.Speed}
	t.attempts++
	q.assets.origin.counters.TasksFailed.Add(1)
	t.after = q.now().Add(pause)
	if t.attempts >= taskAttempts {
		j.fail(&exhausted{detail})
	}
	q.wake()
	j.asset.announce()
}

// describe is the task as it travels.
func (q *jobs) describe(j *job, t *task, local bool) *work.Task {
	info := j.asset.state()
	out := &work.Task{
		ID: fmt.Sprintf("%s-%s-%s", j.asset.id, t.key, t.lease.token), Asset: j.asset.id, Kind: t.kind,
		Source: work.Source{Size: info.Size, SHA256: info.SHA256}, Plan: j.plan, Task: t.work, Until: t.lease.until,
	}
	if local {
		out.Source.Path = j.asset.sourcePath()
	}
	return out
}

// held finds the task of a lease; mu is held. A lease that this process does not
// know may be from before a restart: it counts again when nobody has the task.
func (q *jobs) held(id string) (*job, *task, error) {
	parts := strings.Split(id, "-")
	if len(parts) != 3 {
		return nil, nil, work.ErrLost
	}
	j := q.all[parts[0]]
	if j == nil || j.failed != nil || len(parts[2]) != 16 {
		return nil, nil, work.ErrLost
	}
	i := slices.IndexFunc(j.tasks, func(t *task) bool { return t.key == parts[1] })
	if i < 0 {
		return nil, nil, work.ErrLost
	}
	t := j.tasks[i]
	if t.lease == nil && t.attempts == 0 {
		t.lease = &lease{token: parts[2], worker: "from before a restart", since: q.now(), until: q.now().Add(work.LeaseTime)}
	}
	if t.lease == nil || t.lease.token != parts[2] || !q.now().Before(t.lease.until) {
		return nil, nil, work.ErrLost
	}
	return j, t, nil
}

// Renew implements work.Queue.
func (q *jobs) Renew(_ context.Context, id string, p work.Progress) (time.Time, error) {
	q.mu.Lock()
	j, t, err := q.held(id)
	if err != nil {
		q.mu.Unlock()
		return time.Time{}, err
	}
	until := q.now().Add(work.LeaseTime)
	t.lease.until = until
	if p.Done >= 0 && p.Done <= 1 { // not a number is neither
		t.progress.Done = p.Done
	}
	if p.Speed > 0 && p.Speed < 1e6 {
		t.progress.Speed = p.Speed
	}
	if j.tooSlow(t, q.now()) {
		q.wake()
		err = work.ErrLost
	}
	q.mu.Unlock()
	j.asset.announce()
	return until, err
}

// Source implements work.Queue.
func (q *jobs) Source(_ context.Context, id string) (*os.File, error) {
	q.mu.Lock()
	j, _, err := q.held(id)
	q.mu.Unlock()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(j.asset.sourcePath())
	if err != nil {
		return nil, fmt.Errorf("source of asset %s: %w", j.asset.id, err)
	}
	return f, nil
}

// Complete implements work.Queue. A task that is done stays done: a worker that
// missed the answer asks again.
func (q *jobs) Complete(ctx context.Context, id string, d work.Done) error {
	q.mu.Lock()
	j, t, err := q.held(id)
	if err != nil && q.ended[id] {
		err = nil
		t = nil
	}
	q.mu.Unlock()
	if err != nil || t == nil {
		return err
	}
	for _, f := range d.Files {
		path, err := taskPath(t, f.Path)
		if err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(j.asset.tree(), path)); err != nil {
			return fmt.Errorf("%w: %s was not returned", work.ErrFile, f.Path)
		}
	}
	line := t.line()
	line.Speed = t.progress.Speed
	if d.Speed > 0 && d.Speed < 1e6 {
		line.Speed = d.Speed
	}
	text, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("asset %s: %w", j.asset.id, err)
	}
	if err := j.log.add(append(text, '\n'))(ctx); err != nil {
		return err
	}
	q.mu.Lock()
	j.finished(t, line)
	q.assets.origin.counters.TasksDone.Add(1)
	q.remember(id)
	q.mu.Unlock()
	j.asset.announce()
	return nil
}

// Fail implements work.Queue.
func (q *jobs) Fail(_ context.Context, id string, f work.Failure) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	j, t, err := q.held(id)
	if err != nil {
		return err
	}
	detail := f.Detail[:min(len(f.Detail), 2000)]
	q.assets.origin.config().Logger.Error("a task failed", "asset", j.asset.id, "piece", t.work.Piece.Index, "renditions", t.work.Renditions, "worker", t.lease.worker, "detail", detail)
	if f.Refusal != nil {
		j.fail(f.Refusal)
		q.wake()
		return nil
	}
	q.giveBack(j, t, detail, time.Second<<min(t.attempts, 5))
	return nil
}

// taskPath checks where a task may put a file: into the folders of its own
// renditions, and no playlist, which the origin itself writes.
func taskPath(t *task, path string) (string, error) {
	clean, err := bundlePath(path)
	if err != nil || clean != path || strings.HasSuffix(strings.ToLower(path), ".m3u8") || strings.Contains("/"+path, "/.") || len(path) > 200 {
		return "", fmt.Errorf("%w: %.80q is no path for a result", work.ErrFile, path)
	}
	for _, name := range t.work.Renditions {
		if rest, ok := strings.CutPrefix(path, name+"/"); ok && !strings.Contains(rest, "/") {
			return filepath.FromSlash(path), nil
		}
	}
	return "", fmt.Errorf("%w: %.80q lies outside the task's renditions", work.ErrFile, path)
}

// Put implements work.Queue.
func (q *jobs) Put(_ context.Context, id string, file work.File, write func(*os.File) error) error {
	q.mu.Lock()
	j, t, err := q.held(id)
	q.mu.Unlock()
	if err != nil {
		return err
	}
	path, err := taskPath(t, file.Path)
	if err != nil {
		return err
	}
	if err := q.assets.take(file.Size); err != nil {
		return fmt.Errorf("%w: %w", work.ErrRoom, err)
	}
	kept, err := keep(filepath.Join(j.asset.tree(), path), write)
	if err != nil || !kept {
		q.assets.give(file.Size)
		if errors.Is(err, errMisfit) {
			q.exclude(j, t)
			return fmt.Errorf("%w: %s: %w", work.ErrFile, file.Path, err)
		}
		return err
	}
	j.arrived(file.Path)
	return nil
}

// keep writes a file aside and gives it its name, unless that is taken: then
// what is there stays, because viewers may have been shown it.
func keep(path string, write func(*os.File) error) (kept bool, err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, fmt.Errorf("result: %w", err)
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return false, fmt.Errorf("result: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := write(f); err != nil {
		return false, err
	}
	if err := f.Sync(); err != nil {
		return false, fmt.Errorf("result: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil {
		if errors.Is(err, os.ErrExist) {
			return false, fits(f.Name(), path)
		}
		return false, fmt.Errorf("result: %w", err)
	}
	return true, syncDir(dir)
}

// initSection is the name of the file that all pieces of a rendition share.
const initSection = "init.mp4"

var errMisfit = errors.New("the initialization section differs from that of another worker, whose encoder is of another version")

// fits compares a file that all workers must write alike.
func fits(file, there string) error {
	if filepath.Base(there) != initSection {
		return nil
	}
	a, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("result: %w", err)
	}
	b, err := os.ReadFile(there)
	if err != nil {
		return fmt.Errorf("result: %w", err)
	}
	if !bytes.Equal(a, b) {
		return errMisfit
	}
	return nil
}

// exclude gives no more tasks of a job to a worker whose results do not fit.
func (q *jobs) exclude(j *job, t *task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if t.lease != nil {
		j.misfits[t.lease.worker] = true
	}
}

var _ work.Queue = (*jobs)(nil)
