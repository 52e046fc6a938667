package work

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stratos-mesh/stratos/transcode"
	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

// Config of a worker. Zero values mean the defaults named here.
type Config struct {
	// Origin's URL, or unix:/path for the socket of one on this machine.
	Origin string
	// Key is an API key with the scope work; none for a socket.
	Key string
	// HTTP calls the origin; nil is a client of its own.
	HTTP *http.Client
	// Dir holds sources and what is being encoded. One worker uses it at a time;
	// what it finds there from before it removes.
	Dir string
	// Jobs at a time; 1. Sound goes beside them.
	Jobs int
	// Name for people; the machine's.
	Name string
	// Cache bounds the sources kept for further pieces, in bytes; 50 GiB.
	Cache int64
	// Encode is transcode.Encode, and Box where it runs.
	Encode transcode.EncodeFunc
	Box    *sandbox.Box
	Logger *slog.Logger
}

func (c *Config) withDefaults() error {
	if c.Dir == "" || c.Encode == nil {
		return errors.New("worker: a directory and an encoder are needed")
	}
	if c.Jobs == 0 {
		c.Jobs = 1
	}
	if c.Jobs < 0 {
		return fmt.Errorf("worker: %d jobs, want 1 or more", c.Jobs)
	}
	if c.Cache == 0 {
		c.Cache = 50 << 30
	}
	if c.Name == "" {
		c.Name, _ = os.Hostname()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// worker is a running one.
type worker struct {
	Config
	client  *Client
	sources *sources
}

// Run works until ctx ends, and returns its error, or one that trying again does
// not help against: a key that the origin does not take.
func Run(ctx context.Context, c Config) error {
	if err := c.withDefaults(); err != nil {
		return err
	}
	client, err := NewClient(c.Origin, c.Key, c.HTTP)
	if err != nil {
		return err
	}
	defer client.http.CloseIdleConnections()
	for _, dir := range []string{"tasks", "sources"} {
		// Half of what is there may be missing.
		if err := os.RemoveAll(filepath.Join(c.Dir, dir)); err != nil {
			return fmt.Errorf("worker: %w", err)
		}
		if err := os.MkdirAll(filepath.Join(c.Dir, dir), 0o700); err != nil {
			return fmt.Errorf("worker: %w", err)
		}
	}
	w := &worker{Config: c, client: client, sources: newSources(client, filepath.Join(c.Dir, "sources"), c.Cache)}
	group, ctx := errgroup.WithContext(ctx)
	for range c.Jobs {
		group.Go(func() error { return w.loop(ctx, Video) })
	}
	group.Go(func() error { return w.loop(ctx, Sound) })
	return group.Wait()
}

// loop leases tasks of a kind and does them, one after the other.
func (w *worker) loop(ctx context.Context, kind Kind) error {
	for failures := 0; ctx.Err() == nil; {
		task, err := w.client.Lease(ctx, Ask{Worker: w.Name, Kinds: []Kind{kind}, Wait: MaxWait.Seconds()})
		var answer *AnswerError
		switch {
		case err == nil:
			failures = 0
			w.do(ctx, task)
			continue
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrNone):
			failures = 0
			continue
		case errors.As(err, &answer) && (answer.Status == http.StatusUnauthorized || answer.Status == http.StatusForbidden):
			return fmt.Errorf("worker: %w: give it a key with the scope work (stratos keys create --scope work)", err)
		}
		failures++
		if failures == 1 || failures%20 == 0 {
			w.Logger.Warn("the origin cannot be asked for work; trying again", "error", err)
		}
		pause(ctx, failures)
	}
	return ctx.Err()
}

// pause between attempts: doubling to 10 s, between half and all of it.
func pause(ctx context.Context, attempt int) {
	d := min(100*time.Millisecond<<min(attempt, 10), 10*time.Second)
	timer := time.NewTimer(d/2 + rand.N(d/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
