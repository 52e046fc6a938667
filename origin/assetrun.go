package origin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/transcode"
)

// transientAttempts bound how often trouble of our own is tried again; edges and
// meta nodes that are away are waited for as long as it takes.
const transientAttempts = 6

// start works on the asset until it is settled or halt is called.
func (a *asset) start() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended != nil || a.deleted {
		return
	}
	ctx, cancel := context.WithCancel(a.origin.ctx)
	ended := make(chan struct{})
	a.cancel, a.ended = cancel, ended
	a.origin.tasks.Go(func() {
		defer close(ended)
		defer cancel()
		a.run(ctx)
	})
}

// halt ends the work and waits for its end.
func (a *asset) halt() {
	a.mu.Lock()
	cancel, ended := a.cancel, a.ended
	a.mu.Unlock()
	if ended != nil {
		cancel()
		<-ended
	}
}

// run brings the asset to its end, whatever it takes.
func (a *asset) run(ctx context.Context) {
	log := a.origin.config().Logger.With("asset", a.id, "name", a.name)
	for attempt := 1; ; attempt++ {
		began := time.Now()
		err := a.guarded(ctx)
		if err == nil || ctx.Err() != nil || errors.Is(err, errAssetGone) {
			return
		}
		reason := lasting(err)
		if away := problem(err).Status == http.StatusServiceUnavailable; reason == nil && !away && attempt >= transientAttempts {
			reason = &Reason{
				Type: reasonType + "internal", Detail: "This origin could not make the video.",
				Hint: "Ask its operator: the log has the details under this asset's id.",
			}
		}
		if reason != nil {
			log.Error("asset failed", "reason", reason.Type, "error", err)
			if err := a.fail(reason); err != nil {
				log.Error("the failure of an asset could not be written down", "error", err)
			}
			return
		}
		log.Warn("asset is tried again", "error", err)
		if time.Since(began) > time.Minute {
			attempt = 1 // it got somewhere
		}
		if sleep(ctx, min(200*time.Millisecond<<min(attempt, 8), 30*time.Second)) != nil {
			return
		}
	}
}

// guarded turns a panic over a stranger's bytes into an error: other assets and
// uploads go on.
func (a *asset) guarded(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("asset %s: panic: %v", a.id, p)
		}
	}()
	return a.advance(ctx)
}

// advance goes on from the state on disk to the end.
func (a *asset) advance(ctx context.Context) error {
	info := a.state()
	if info.settled() {
		return nil
	}
	if info.Plan == nil {
		if err := a.probe(ctx); err != nil {
			return err
		}
	}
	return a.encode(ctx)
}

// probe finds out what is in the source and plans the ladder.
func (a *asset) probe(ctx context.Context) error {
	s := a.origin.assets
	select {
	case s.probes <- struct{}{}:
		defer func() { <-s.probes }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	video := &a.origin.config().Video
	box, err := s.sandbox(ctx)
	if err != nil {
		return err
	}
	source, err := video.Probe(ctx, box, a.sourcePath())
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	plan, err := video.Ladder(source, a.state().Policy)
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	return a.change(func(i *assetInfo) { i.Plan, i.State = &plan, assetEncoding })
}

// encode has workers do the plan's tasks while their results go to the edges,
// then finishes the tree and publishes it.
func (a *asset) encode(ctx context.Context) error {
	info := a.state()
	b, err := a.bundle()
	if err != nil {
		return err
	}
	// Asks for a grant: a name that is not free shows before hours of encoding.
	if _, err := b.session(ctx); err != nil {
		return err
	}
	if len(info.Plan.Rungs)+len(info.Plan.Audio) == 0 {
		return fmt.Errorf("asset %s: the plan is empty: %w", a.id, meta.ErrInvalid)
	}
	low, err := a.low(ctx, &info)
	if err != nil {
		return err
	}
	j, err := openJob(a, *info.Plan, low, a.origin.config().Now())
	if err != nil {
		return err
	}
	feed := newFeed(a, b)
	j.arrived = feed.add
	a.origin.assets.jobs.begin(j)
	a.setJob(j)
	defer func() {
		a.setJob(nil)
		a.origin.assets.jobs.end(j)
	}()
	feed.addTree()
	g := &growth{asset: a, bundle: b, job: j, feed: feed}
	growing, stop := context.WithCancel(ctx)
	var grower sync.WaitGroup
	grower.Go(func() { g.run(growing) })
	defer grower.Wait()
	defer stop()
	group, inside := errgroup.WithContext(ctx)
	group.Go(func() error { return feed.run(inside) })
	group.Go(func() error { return a.digestSource(inside) })
	group.Go(func() error {
		select {
		case <-j.done:
			feed.close()
			return a.outcome(j)
		case <-inside.Done():
			return context.Cause(inside)
		}
	})
	if err := group.Wait(); err != nil {
		return err
	}
	if err := a.finish(ctx, b, j, g); err != nil {
		return err
	}
	a.clearWork()
	return a.origin.bundles.remove(b)
}

// low chooses the rungs that are made first, to be shown before the others are
// there: none where the name has a version, which plays until then.
func (a *asset) low(ctx context.Context, info *assetInfo) ([]string, error) {
	if len(info.Grown) > 0 {
		names := []string{}
		for _, r := range lowest(*info.Plan) {
			if slices.Contains(info.Grown, r.Name) {
				names = append(names, r.Name)
			}
		}
		return names, nil
	}
	record, err := a.origin.newest(ctx, a.name)
	if err != nil || record != nil && record.Growing == 0 {
		return nil, err
	}
	return guessLow(*info.Plan, runtime.GOMAXPROCS(0)), nil
}

// outcome of a job that ended.
func (a *asset) outcome(j *job) error {
	q := a.origin.assets.jobs
	q.mu.Lock()
	defer q.mu.Unlock()
	return j.failed
}

func (a *asset) setJob(j *job) {
	a.mu.Lock()
	a.job = j
	a.mu.Unlock()
	a.announce()
}

// bundle is what takes the asset's files, made when there is none.
func (a *asset) bundle() (*bundle, error) {
	info := a.state()
	if b := a.origin.bundles.get(info.Bundle); b != nil {
		return b, nil
	}
	b, err := a.origin.bundles.makeBundle(bundleInfo{Name: info.Name, Key: info.Key, Asset: a.id})
	if err != nil {
		return nil, err
	}
	if err := a.change(func(i *assetInfo) { i.Bundle = b.id }); err != nil {
		return nil, err
	}
	return b, nil
}

// patiently repeats what may fail because edges or the meta node are away.
func (a *asset) patiently(ctx context.Context, do func() error) error {
	for attempt := 1; ; attempt++ {
		err := do()
		if err == nil || ctx.Err() != nil || problem(err).Status != http.StatusServiceUnavailable {
			return err
		}
		a.origin.config().Logger.Warn("edges or the meta node are away; an asset waits", "asset", a.id, "error", err)
		if err := sleep(ctx, min(200*time.Millisecond<<min(attempt, 8), 30*time.Second)); err != nil {
			return err
		}
	}
}

// fail settles the asset. The source of a refused file goes; one that we failed
// over stays as long as the asset, so that it can be tried again.
func (a *asset) fail(reason *Reason) error {
	if err := a.change(func(i *assetInfo) { i.State, i.Reason = assetFailed, reason }); err != nil {
		return err
	}
	a.origin.counters.VideosFailed.Add(1)
	a.clearWork()
	if b := a.origin.bundles.get(a.state().Bundle); b != nil {
		_ = a.origin.bundles.remove(b)
	}
	if strings.HasPrefix(reason.Type, reasonType+"source-") {
		a.clearSource()
	}
	return nil
}

// retry begins again with an asset that failed though its source is good.
func (a *asset) retry() error {
	info := a.state()
	if _, err := os.Stat(a.sourcePath()); info.State != assetFailed || err != nil {
		return httperr.New(http.StatusConflict, "retry", "only an asset that failed and has its source can be tried again; this one is "+info.State)
	}
	a.halt()
	a.mu.Lock()
	a.ended = nil
	a.mu.Unlock()
	err := a.change(func(i *assetInfo) {
		i.State, i.Reason, i.Plan, i.Bundle, i.Redone = assetProbing, nil, nil, "", 0
	})
	if err == nil {
		a.start()
	}
	return err
}

func (a *asset) clearWork() {
	s := a.origin.assets
	s.clear(a.shown())
	s.clear(a.tree())
	if err := os.Remove(filepath.Join(a.folder, "done")); err != nil && !errors.Is(err, os.ErrNotExist) {
		a.origin.config().Logger.Warn("what an asset no longer needs cannot be removed", "asset", a.id, "error", err)
	}
}

func (a *asset) clearSource() {
	a.origin.assets.clear(a.sourcePath())
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.room != nil {
		a.room.release()
		a.room = nil
	}
}

// misfit tells results that must be made again.
func misfit(err error) bool {
	return errors.Is(err, transcode.ErrMissing) || errors.Is(err, transcode.ErrSeam)
}
