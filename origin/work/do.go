package work

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/stratos-mesh/stratos/transcode"
)

// do does one task and tells the origin how it ended.
func (w *worker) do(ctx context.Context, task *Task) {
	log := w.Logger.With("task", task.ID, "piece", task.Task.Piece.Index, "renditions", task.Task.Renditions)
	began := time.Now()
	err := w.attempt(ctx, task)
	switch {
	case err == nil:
		log.Info("task done", "seconds", time.Since(began).Seconds())
		return
	case errors.Is(err, ErrLost):
		log.Warn("the task was given to another, or is gone", "error", err)
		return
	}
	f := Failure{Detail: err.Error(), Seam: errors.Is(err, transcode.ErrSeam)}
	errors.As(err, &f.Refusal)
	if ctx.Err() != nil {
		f = Failure{Detail: "the worker was stopped"}
	}
	log.Error("task failed", "error", err)
	// Also when the worker is just being stopped: then another need not wait for
	// the lease to end.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := w.client.Fail(ctx, task.ID, f); err != nil {
		log.Warn("the origin was not told of the failure; the lease will end", "error", err)
	}
}

// attempt encodes while another goroutine keeps the lease, and returns the
// files.
func (w *worker) attempt(ctx context.Context, task *Task) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := &progress{length: (task.Task.Piece.To - task.Task.Piece.From).Seconds()}
	renewing := make(chan struct{})
	go func() {
		defer close(renewing)
		w.renew(ctx, task.ID, p, cancel)
	}()
	defer func() {
		if cause := context.Cause(ctx); cause != nil && err != nil {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		cancel(nil)
		<-renewing
	}()
	source, release, err := w.sources.get(ctx, task)
	if err != nil {
		return err
	}
	defer release()
	dir := filepath.Join(w.Dir, "tasks", task.ID)
	defer os.RemoveAll(dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	r := newReturner(ctx, w.client, task.ID, dir)
	err = w.encode(ctx, source, task, dir, func(e transcode.Event) {
		p.set(e)
		if e.Segment != nil {
			r.segment(e.Segment.Path)
		}
	})
	files, failed := r.finish(err == nil)
	if err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	return insist(ctx, func() error {
		return w.client.Complete(ctx, task.ID, Done{Files: files, Speed: p.get().Speed})
	})
}

// encode turns a panic of the encoder over a stranger's bytes into an error.
func (w *worker) encode(ctx context.Context, source string, task *Task, dir string, watch func(transcode.Event)) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("worker: the encoder panics: %v", p)
		}
	}()
	return w.Encode(ctx, w.Box, source, task.Plan, task.Task, dir, watch)
}

// renew keeps the lease until ctx ends, or ends it when the lease is lost. An
// origin that cannot be reached may be just starting again: it takes the lease
// up when nobody else has the task.
func (w *worker) renew(ctx context.Context, lease string, p *progress, lost context.CancelCauseFunc) {
	ticker := time.NewTicker(RenewEvery)
	defer ticker.Stop()
	// Often at first: the speed of the first seconds decides what plays early.
	early, calls := time.NewTimer(renewEarly), 0
	defer early.Stop()
	for {
		select {
		case <-ticker.C:
		case <-early.C:
			if calls++; calls < 20 {
				early.Reset(renewEarly)
			}
		case <-ctx.Done():
			return
		}
		if err := w.client.Renew(ctx, lease, p.get()); errors.Is(err, ErrLost) {
			lost(err)
			return
		}
	}
}

// insist repeats a call that may be repeated while the origin is away, for as
// long as another worker could not have the task.
func insist(ctx context.Context, call func() error) error {
	var err error
	for attempt := 1; attempt <= 12; attempt++ {
		err = call()
		var answer *AnswerError
		if err == nil || errors.Is(err, ErrLost) || errors.Is(err, ErrFile) || errors.Is(err, ErrRoom) ||
			errors.As(err, &answer) && answer.Status < 500 && answer.Status != 429 && answer.Status != 408 {
			return err
		}
		pause(ctx, attempt)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return err
}
