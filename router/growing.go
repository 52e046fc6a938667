package router

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// The router and each edge ask for the states of a growing bundle by themselves,
// at most once a second, so an edge may be at another state than the router, for
// a moment, and then its nodes prove nothing about the router's.

const (
	// newerFor is how long the answer to a question for a newer state is shared.
	newerFor = 250 * time.Millisecond
	// behindFor is how long edges may be behind: a second, and the way there.
	behindFor = 1500 * time.Millisecond
)

// presentGrowing is present for a bundle that is still being made: it takes the
// state that edges have by now, or, while they are behind, the playlist of the
// state before, of which every file stays.
func (r *Router) presentGrowing(ctx context.Context, q *request, ticket *meta.Issued, path string) (*presentation, error) {
	last := presentationKey{sds.CID{Digest: q.bind()}, path}
	for began := time.Now(); ; {
		p, err := r.presentRoot(ctx, q, ticket, path)
		if err == nil {
			r.memory.presentations.set(last, p, meta.GrowingLease)
			return p, nil
		}
		if absentPlaylist(err) {
			return nil, err
		}
		before := q.found.Record.Root
		away := r.newer(ctx, q)
		if q.found.Record.Root != before {
			continue
		}
		if p, known := r.memory.presentations.peek(last); known {
			return p, nil
		}
		if away != nil {
			return nil, away
		}
		if time.Since(began) >= behindFor || q.found.Growing == nil {
			return nil, err
		}
		timer := time.NewTimer(newerFor)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		}
	}
}

// newer finds the state that a growing bundle is at now, or what was published.
func (r *Router) newer(ctx context.Context, q *request) error {
	if q.found.Growing == nil {
		return nil
	}
	bind := q.bind()
	found, err := r.memory.names.get(ctx, "newer "+hex.EncodeToString(bind[:]), func(ctx context.Context) (resolved, time.Duration) {
		answer, err := r.config.Meta.Locate(ctx, bind)
		if err != nil {
			return resolved{err: err}, 0
		}
		r.memory.names.set(string(answer.Record.Name), resolved{Resolution: answer}, nameTTL)
		return resolved{Resolution: answer}, newerFor
	})
	if err != nil {
		return err
	}
	if found.err != nil {
		return problem(found.err)
	}
	found.Rest = q.found.Rest
	q.found = found.Resolution
	return nil
}
