package transcode

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

// Encode makes the renditions of one task of the source at path into dir. What
// the program writes comes through pipes, is cut into segments here, and gets
// its names one by one.
func Encode(ctx context.Context, box *sandbox.Box, path string, plan Plan, task Task, dir string, watch func(Event)) error {
	if plan.Version != PlanVersion {
		return fmt.Errorf("transcode: the plan has version %d, this program knows %d: use a program of the version that made it", plan.Version, PlanVersion)
	}
	args, names, err := plan.arguments(task)
	if err != nil {
		return err
	}
	w := newWatcher(watch, plan, task)
	outputs := []func(io.Reader) error{w.progress}
	var cuts []*cutter
	for _, name := range names {
		c, err := plan.cutter(name, task.Piece, dir, w.segment)
		if err != nil {
			return err
		}
		cuts = append(cuts, c)
		outputs = append(outputs, c.read)
	}
	length := task.Piece.To - task.Piece.From
	err = box.Run(ctx, sandbox.Command{
		Program: "ffmpeg", Args: args, Input: path, Outputs: outputs,
		// A program that makes less than a minute of video in an hour is stuck.
		Limits: sandbox.Limits{CPU: time.Hour + 240*length, Wall: 10*time.Minute + 60*length, Output: plan.mostBytes(task)},
	})
	if refusal := refuse(err); refusal != nil {
		return refusal
	}
	if err != nil {
		return fmt.Errorf("transcode: encode piece %d: %w", task.Piece.Index, err)
	}
	for _, c := range cuts {
		if err := c.finish(); err != nil {
			return err
		}
	}
	w.done()
	return nil
}

// mostBytes that a task may write: ten times its ceilings, and never little.
func (p Plan) mostBytes(task Task) int64 {
	rungs, sound, _ := p.pick(task.Renditions)
	rate := int64(1_000_000)
	for _, r := range rungs {
		rate += int64(r.Bitrate)
	}
	for _, a := range sound {
		rate += int64(a.Bitrate)
	}
	length := int64((task.Piece.To-task.Piece.From)/time.Second) + 60
	return 256<<20 + 10*length*rate/8
}

// watcher turns what programs and cutters say into events, one at a time.
type watcher struct {
	length time.Duration

	mu    sync.Mutex // guards following, and the calls of watch
	watch func(Event)
	last  Event
}

func newWatcher(watch func(Event), plan Plan, task Task) *watcher {
	if watch == nil {
		watch = func(Event) {}
	}
	return &watcher{watch: watch, length: task.Piece.To - task.Piece.From}
}

// progress reads ffmpeg's key=value lines.
func (w *watcher) progress(r io.Reader) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		key, value, _ := strings.Cut(strings.TrimSpace(lines.Text()), "=")
		w.mu.Lock()
		switch key {
		case "out_time_us":
			if us, err := strconv.ParseInt(value, 10, 64); err == nil && us > 0 && w.length > 0 {
				// 1 is said when the last segment has its name.
				w.last.Done = max(w.last.Done, min(0.99, float64(us)*1000/float64(w.length)))
			}
		case "speed":
			if f, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(value, "x")), 64); err == nil {
				w.last.Speed = f
			}
		case "progress":
			w.watch(w.last)
		}
		w.mu.Unlock()
	}
	return lines.Err()
}

func (w *watcher) segment(s Segment) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.last
	e.Segment = &s
	w.watch(e)
}

func (w *watcher) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last.Done = 1
	w.watch(w.last)
}
