package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

// workTimeout bounds a task: a unit of 8 GiB at 2 MB/s.
const workTimeout = 2 * time.Hour

// works does tasks until ctx ends.
func (a *Agent) works(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case w := <-a.queue:
			err := a.do(ctx, w)
			if ctx.Err() != nil {
				return // the next run of this edge is given it again
			}
			a.mu.Lock()
			if err != nil {
				a.failed[w.Number] = truncate(err.Error())
			} else {
				a.done = append(a.done, w.Number)
			}
			a.mu.Unlock()
			if err != nil {
				a.config.Logger.Warn("work failed", "number", w.Number, "kind", w.Kind, "name", w.Record.Name, "error", err)
			}
			a.Soon()
		}
	}
}

// dial looks at other edges until ctx ends. One that this edge does not know yet
// is given up: it comes again.
func (a *Agent) dial(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case w := <-a.dials:
			target, known := a.config.Peers.Now().Edge(w.Target)
			var report meta.DialReport
			if known {
				report = a.config.Dial(ctx, target)
			}
			if ctx.Err() != nil {
				return
			}
			report.Number, report.Target = w.Number, w.Target
			a.mu.Lock()
			if known {
				a.reports = append(a.reports, report)
			} else {
				a.failed[w.Number] = fmt.Sprintf("edge %d is unknown here", w.Target)
			}
			a.mu.Unlock()
			a.Soon()
		}
	}
}

func (a *Agent) do(ctx context.Context, w meta.Work) error {
	ctx, cancel := context.WithTimeout(ctx, workTimeout)
	defer cancel()
	switch w.Kind {
	case meta.Replicate, meta.Check:
		// A check is a replication that finds everything there.
		return a.config.Keeper.Replicate(ctx, w)
	case meta.Drop:
		return a.config.Keeper.Drop(ctx, w)
	}
	return fmt.Errorf("this version does not know work of kind %d", w.Kind)
}

// truncate keeps a reason short enough for a beat.
func truncate(text string) string { return text[:min(len(text), 500)] }
