package origin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/stratos-mesh/stratos/origin/work"
)

// runWorker keeps this origin's own worker running. It speaks to the origin over
// a socket that nobody else can open, so that it needs no key and no network.
func (o *Origin) runWorker() {
	run := o.config().Video.Worker
	// Not below Dir: a socket's path may have 107 bytes.
	dir, err := os.MkdirTemp("", "stratos-origin-") // mode 0700
	if err != nil {
		o.config().Logger.Error("the origin's worker does not run", "error", err)
		return
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "work")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		o.config().Logger.Error("the origin's worker does not run", "error", err)
		return
	}
	server := &http.Server{
		Handler:     &work.Handler{Queue: o.assets.jobs, Local: true},
		BaseContext: func(net.Listener) context.Context { return o.ctx },
	}
	o.tasks.Go(func() { _ = server.Serve(listener) })
	defer server.Close()
	for attempt := 1; o.ctx.Err() == nil; attempt++ {
		began := time.Now()
		err := guardWorker(o.ctx, run, "unix:"+socket)
		if o.ctx.Err() != nil {
			return
		}
		o.assets.jobs.dropLocal()
		o.config().Logger.Error("the origin's worker has ended; it is started again", "error", err)
		if time.Since(began) > time.Minute {
			attempt = 1
		}
		if sleep(o.ctx, min(time.Second<<min(attempt, 6), time.Minute)) != nil {
			return
		}
	}
}

// guardWorker turns a panic of a worker in this process into an error.
func guardWorker(ctx context.Context, run func(context.Context, string) error, socket string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if err := run(ctx, socket); err != nil {
		return err
	}
	return errors.New("it ended without an error")
}
