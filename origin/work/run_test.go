package work_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/origin/origintest"
	"github.com/stratos-mesh/stratos/origin/work"
	"github.com/stratos-mesh/stratos/transcode"
	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

// queue has the tasks of one video, and remembers what came back.
type queue struct {
	t      *testing.T
	source string
	sum    string
	plan   transcode.Plan

	mu       sync.Mutex // guards following
	waiting  []*work.Task
	held     map[string]bool
	files    map[string]string
	done     map[string]work.Done
	failures []work.Failure
	refuse   func(path string) error
	ended    chan struct{}
	fetches  atomic.Int64
}

func newQueue(t *testing.T, seconds int, size int) *queue {
	t.Helper()
	text := append(fmt.Appendf(nil, "video %d", seconds), bytes.Repeat([]byte(" "), size)...)
	q := &queue{
		t: t, source: filepath.Join(t.TempDir(), "source"), held: map[string]bool{}, files: map[string]string{}, done: map[string]work.Done{},
		ended: make(chan struct{}, 100),
	}
	if err := os.WriteFile(q.source, text, 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	q.sum = hex.EncodeToString(sum[:])
	fake := &origintest.Transcoder{}
	source, err := fake.Probe(t.Context(), nil, q.source)
	if err != nil {
		t.Fatal(err)
	}
	if q.plan, err = fake.Ladder(source, transcode.Policy{}); err != nil {
		t.Fatal(err)
	}
	for i, task := range q.plan.Tasks() {
		kind := work.Video
		if i == 0 {
			kind = work.Sound
		}
		q.waiting = append(q.waiting, &work.Task{
			ID: fmt.Sprintf("task-%d", i), Asset: "a", Kind: kind, Plan: q.plan, Task: task,
			Source: work.Source{Size: int64(len(text)), SHA256: q.sum, Path: q.source},
		})
	}
	return q
}

func (q *queue) Lease(_ context.Context, ask work.Ask) (*work.Task, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, t := range q.waiting {
		if t.Kind == ask.Kinds[0] {
			q.waiting = append(q.waiting[:i:i], q.waiting[i+1:]...)
			q.held[t.ID] = true
			out := *t
			if !ask.Local {
				out.Source.Path = ""
			}
			return &out, nil
		}
	}
	time.Sleep(10 * time.Millisecond) // a worker asks again at once
	return nil, work.ErrNone
}

func (q *queue) check(id string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.held[id] {
		return work.ErrLost
	}
	return nil
}

func (q *queue) Renew(_ context.Context, id string, _ work.Progress) (time.Time, error) {
	return time.Now().Add(work.LeaseTime), q.check(id)
}

func (q *queue) Source(_ context.Context, id string) (*os.File, error) {
	q.fetches.Add(1)
	if err := q.check(id); err != nil {
		return nil, err
	}
	return os.Open(q.source)
}

func (q *queue) Put(_ context.Context, id string, f work.File, write func(*os.File) error) error {
	if err := q.check(id); err != nil {
		return err
	}
	if q.refuse != nil {
		if err := q.refuse(f.Path); err != nil {
			return err
		}
	}
	to, err := os.CreateTemp(q.t.TempDir(), "")
	if err != nil {
		return err
	}
	defer to.Close()
	if err := write(to); err != nil {
		return err
	}
	text, err := os.ReadFile(to.Name())
	q.mu.Lock()
	defer q.mu.Unlock()
	q.files[f.Path] = string(text)
	return err
}

func (q *queue) Complete(_ context.Context, id string, d work.Done) error {
	if err := q.check(id); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.held, id)
	q.done[id] = d
	q.ended <- struct{}{}
	return nil
}

func (q *queue) Fail(_ context.Context, id string, f work.Failure) error {
	if err := q.check(id); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.held, id)
	q.failures = append(q.failures, f)
	q.ended <- struct{}{}
	return nil
}

// serve gives the queue an origin's URL; wrap may stand before it.
func (q *queue) serve(wrap func(http.Handler) http.Handler) string {
	var h http.Handler = &work.Handler{Queue: q}
	if wrap != nil {
		h = wrap(h)
	}
	s := httptest.NewServer(h)
	q.t.Cleanup(s.Close)
	return s.URL
}

// run works until so many tasks have ended.
func (q *queue) run(c work.Config, tasks int) {
	q.t.Helper()
	ctx, cancel := context.WithCancel(q.t.Context())
	defer cancel()
	c.Dir = q.t.TempDir()
	stopped := make(chan error, 1)
	go func() { stopped <- work.Run(ctx, c) }()
	for range tasks {
		select {
		case <-q.ended:
		case err := <-stopped:
			q.t.Fatalf("the worker ended: %v", err)
		case <-time.After(30 * time.Second):
			q.t.Fatal("the worker does nothing")
		}
	}
	cancel()
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		q.t.Errorf("stopped: %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(c.Dir, "tasks")); err != nil || len(left) != 0 {
		q.t.Errorf("the worker left %v, %v", left, err)
	}
}

// whole is every file that the plan asks for.
func (q *queue) whole() map[string]string {
	want := map[string]string{}
	for _, name := range []string{"video/720p", "video/360p", "video/234p", "audio/und"} {
		want[name+"/init.mp4"] = "init of " + name
		for n := range q.plan.Segments {
			want[fmt.Sprintf("%s/%05d.m4s", name, n)] = origintest.SegmentText(name, n)
		}
	}
	return want
}

func TestAWorkerOnAnotherMachine(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 30, 3<<20)
	fake := &origintest.Transcoder{Speed: 5}
	q.run(work.Config{Origin: q.serve(nil), Jobs: 2, Encode: fake.Encode}, 4)
	if diff := cmp.Diff(q.whole(), q.files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if n := q.fetches.Load(); n != 1 {
		t.Errorf("the source was fetched %d times for 4 tasks", n)
	}
	listed := 0
	for _, d := range q.done {
		listed += len(d.Files)
	}
	// Every piece has the initialization sections too.
	if want := len(q.files) + 2*3; listed != want {
		t.Errorf("%d files were listed, want %d", listed, want)
	}
}

// An origin that is away for a moment, breaks off answers, and forgets none.
func TestAWorkerOfAnOriginThatStumbles(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 20, 1<<20)
	var n atomic.Int64
	url := q.serve(func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch i := n.Add(1); {
			case i%7 == 3:
				w.WriteHeader(http.StatusServiceUnavailable)
			case i%11 == 5:
				panic(http.ErrAbortHandler)
			case strings.HasSuffix(r.URL.Path, "/source") && r.Header.Get("Range") == "":
				h.ServeHTTP(&cut{ResponseWriter: w, left: 300_000}, r)
			default:
				h.ServeHTTP(w, r)
			}
		})
	})
	q.run(work.Config{Origin: url, Encode: (&origintest.Transcoder{}).Encode}, 3)
	if diff := cmp.Diff(q.whole(), q.files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if len(q.failures) != 0 {
		t.Errorf("failures: %+v", q.failures)
	}
}

// cut breaks an answer off.
type cut struct {
	http.ResponseWriter
	left int
}

func (c *cut) Write(p []byte) (int, error) {
	if len(p) > c.left {
		_, _ = c.ResponseWriter.Write(p[:c.left])
		panic(http.ErrAbortHandler)
	}
	c.left -= len(p)
	return c.ResponseWriter.Write(p)
}

func TestWhatGoesWrongInATaskIsTold(t *testing.T) {
	t.Parallel()
	refusal := &transcode.Refusal{Reason: transcode.ReasonDamaged, Sentence: "Broken."}
	for _, c := range []struct {
		sentence string
		encode   transcode.EncodeFunc
		refuse   func(string) error
		want     func(work.Failure) bool
	}{
		{"the source is refused", fails(refusal), nil, func(f work.Failure) bool { return f.Refusal != nil && f.Refusal.Sentence == "Broken." }},
		{"results do not fit", fails(fmt.Errorf("piece 3: %w", transcode.ErrSeam)), nil, func(f work.Failure) bool { return f.Seam }},
		{"something else", fails(errors.New("no memory")), nil, func(f work.Failure) bool { return strings.Contains(f.Detail, "no memory") && f.Refusal == nil }},
		{
			"a panic", func(context.Context, *sandbox.Box, string, transcode.Plan, transcode.Task, string, func(transcode.Event)) error {
				panic("index out of range")
			}, nil,
			func(f work.Failure) bool { return strings.Contains(f.Detail, "index out of range") },
		},
		{
			"the origin has no room", (&origintest.Transcoder{}).Encode, func(string) error { return fmt.Errorf("%w: full", work.ErrRoom) },
			func(f work.Failure) bool { return strings.Contains(f.Detail, "no room") },
		},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			q := newQueue(t, 4, 0)
			q.refuse = c.refuse
			q.run(work.Config{Origin: q.serve(nil), Encode: c.encode}, 2)
			if len(q.failures) != 2 || !c.want(q.failures[0]) {
				t.Errorf("told: %+v", q.failures)
			}
		})
	}
}

func fails(err error) transcode.EncodeFunc {
	return func(context.Context, *sandbox.Box, string, transcode.Plan, transcode.Task, string, func(transcode.Event)) error {
		return err
	}
}

func TestAWorkerStopsWhenItsLeaseIsLost(t *testing.T) {
	t.Parallel()
	q := newQueue(t, 4, 0)
	began, ended := make(chan string, 2), make(chan error, 2)
	encode := func(ctx context.Context, _ *sandbox.Box, _ string, _ transcode.Plan, task transcode.Task, _ string, _ func(transcode.Event)) error {
		began <- task.Renditions[0]
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return ctx.Err()
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- work.Run(ctx, work.Config{Origin: q.serve(nil), Encode: encode, Dir: t.TempDir()}) }()
	<-began
	<-began
	q.mu.Lock()
	clear(q.held)
	q.mu.Unlock()
	for range 2 {
		if err := <-ended; !errors.Is(err, work.ErrLost) {
			t.Errorf("the encoder was stopped by %v", err)
		}
	}
	cancel()
	<-stopped
}

func TestAWorkerWithoutAGoodKey(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer secret" {
				t.Errorf("Authorization: %q", r.Header.Get("Authorization"))
			}
			w.WriteHeader(status)
		}))
		err := work.Run(t.Context(), work.Config{Origin: s.URL, Key: "secret", Dir: t.TempDir(), Encode: (&origintest.Transcoder{}).Encode})
		s.Close()
		if err == nil || !strings.Contains(err.Error(), "--scope work") {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestWorkersThatCannotRun(t *testing.T) {
	t.Parallel()
	encode := (&origintest.Transcoder{}).Encode
	for _, c := range []struct {
		sentence string
		config   work.Config
		want     string
	}{
		{"no directory", work.Config{Origin: "http://x", Encode: encode}, "a directory"},
		{"no encoder", work.Config{Origin: "http://x", Dir: "x"}, "an encoder"},
		{"no origin", work.Config{Dir: "x", Encode: encode}, "no origin's URL"},
		{"another scheme", work.Config{Origin: "ftp://x", Dir: "x", Encode: encode}, "no origin's URL"},
		{"jobs below zero", work.Config{Origin: "http://x", Dir: "x", Encode: encode, Jobs: -1}, "-1 jobs"},
	} {
		if err := work.Run(t.Context(), c.config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.sentence, err)
		}
	}
}

// FuzzRequests sends what strangers may send.
func FuzzRequests(f *testing.F) {
	f.Add("POST", "lease", []byte(`{"worker":"w","kinds":["video"],"wait":1e99}`), "")
	f.Add("PUT", "task-0/files/audio/und/00000.m4s", []byte("x"), "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:")
	f.Add("POST", "task-0/complete", []byte(`{"files":[{"path":"../x"}]}`), "")
	f.Add("POST", "task-0/fail", []byte(`{"refusal":{}}`), "")
	f.Add("GET", "task-0/source", []byte(nil), "")
	f.Fuzz(func(t *testing.T, method, path string, body []byte, digest string) {
		h := &work.Handler{Queue: nothing{}}
		r, err := http.NewRequest(method, "http://origin"+work.Base, bytes.NewReader(body))
		if err != nil {
			return
		}
		r.URL.Path += path
		r.Header.Set("Content-Digest", digest)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s %q: %d %s", method, path, w.Code, w.Body)
		}
	})
}

// nothing is a queue without tasks that reads what it is sent.
type nothing struct{}

func (nothing) Lease(context.Context, work.Ask) (*work.Task, error) { return nil, work.ErrNone }
func (nothing) Renew(context.Context, string, work.Progress) (time.Time, error) {
	return time.Time{}, work.ErrLost
}
func (nothing) Source(context.Context, string) (*os.File, error) { return nil, work.ErrLost }
func (nothing) Put(_ context.Context, _ string, _ work.File, write func(*os.File) error) error {
	f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return write(f)
}
func (nothing) Complete(context.Context, string, work.Done) error { return work.ErrFile }
func (nothing) Fail(context.Context, string, work.Failure) error  { return work.ErrLost }
