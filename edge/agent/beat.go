package agent

import (
	"context"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

// beats sends heartbeats until ctx ends.
func (a *Agent) beats(ctx context.Context) {
	interval := firstInterval
	failures := 0
	lastDigest := time.Now()
	for ctx.Err() == nil {
		id := a.config.Peers.Now().ID()
		if id == 0 { // not admitted yet, as far as we know
			a.waitFor(ctx, interval)
			continue
		}
		reply, err := a.beat(ctx, id)
		if err != nil {
			if failures++; failures == 1 && ctx.Err() == nil {
				a.config.Logger.Warn("no meta node takes the heartbeat; serving goes on", "error", err)
			}
			a.waitFor(ctx, min(backoff(failures), 2*max(interval, firstInterval)))
			continue
		}
		if failures > 0 {
			a.config.Logger.Info("a meta node takes the heartbeat again", "missed", failures)
		}
		failures = 0
		interval = min(max(reply.Interval, 100*time.Millisecond), time.Minute)
		if reply.WantDigest || a.digest.Swap(false) || time.Since(lastDigest) > digestEvery {
			if err := a.compare(ctx, id); err != nil {
				a.config.Logger.Warn("the inventory could not be compared", "error", err)
				a.digest.Store(true)
			} else {
				lastDigest = time.Now()
			}
		}
		a.waitFor(ctx, interval)
	}
}

// Leave tells the meta node that this edge goes, before the process does: until
// it hears so, or misses beats, viewers are sent here.
func (a *Agent) Leave(ctx context.Context) {
	id := a.config.Peers.Now().ID()
	if id == 0 {
		return
	}
	if _, err := a.beat(ctx, id); err != nil {
		a.config.Logger.Warn("no meta node heard that this edge goes; it finds out by missed beats", "error", err)
	}
}

// waitFor waits for the next beat, less when something is to be told.
func (a *Agent) waitFor(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-a.sooner:
	}
}

// beat sends one heartbeat and takes in the reply. What it carried is given
// back when it was lost.
func (a *Agent) beat(ctx context.Context, id meta.EdgeID) (meta.BeatReply, error) {
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	c := a.config
	b := meta.Beat{
		Sequence: a.sequence.Add(1), Boot: a.boot, Version: c.Version, Load: c.Load(), Draining: c.Draining(),
		Changes: c.Keeper.Changes(), Cached: c.Cached(), Revocation: c.Revocations.Number(), Accepted: c.Accepted(),
	}
	a.finished(&b)
	reply, err := c.Meta.Beat(ctx, id, b)
	if err != nil {
		c.Keeper.Restore(b.Changes)
		a.unfinished(&b)
		return reply, err
	}
	a.lastBeat.Store(time.Now().Unix())
	if len(reply.Revocations) > 0 {
		if err := c.Revocations.Add(reply.Revocations, c.Peers.Now()); err != nil {
			c.Logger.Error("a revocation could not be applied", "error", err)
		}
		if c.Revoked != nil {
			c.Revoked()
		}
		a.Soon() // the meta node waits for the number
	}
	for _, w := range reply.Work {
		a.take(w)
	}
	return reply, nil
}

// finished takes what was done since the last beat.
func (a *Agent) finished(b *meta.Beat) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b.Done, b.Failed = a.done, a.failed
	a.done, a.failed = nil, make(map[uint64]string)
	n := min(len(a.reports), meta.MaxDialReports)
	b.Dials, a.reports = a.reports[:n:n], a.reports[n:]
	for i := range b.Dials {
		b.Done = append(b.Done, b.Dials[i].Number)
	}
	for _, n := range b.Done {
		delete(a.known, n)
	}
	for n := range b.Failed {
		delete(a.known, n)
	}
}

// unfinished gives back what nobody heard of.
func (a *Agent) unfinished(b *meta.Beat) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range b.Done {
		a.known[n] = true
	}
	a.done = append(a.done, b.Done[:len(b.Done)-len(b.Dials)]...)
	a.reports = append(a.reports, b.Dials...)
	for n, why := range b.Failed {
		a.known[n], a.failed[n] = true, why
	}
}

// take queues a task once; one that finds no room comes again.
func (a *Agent) take(w meta.Work) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known[w.Number] {
		return
	}
	queue := a.queue
	if w.Kind == meta.Dial {
		queue = a.dials
	}
	select {
	case queue <- w:
		a.known[w.Number] = true
	default:
	}
}
