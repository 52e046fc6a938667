package router

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

const (
	// pollWait is how long the meta node may keep a poll open.
	pollWait = 25 * time.Second
	// pollTimeout ends a poll that hangs.
	pollTimeout = pollWait + 10*time.Second
	// leastPause between two polls bounds how often tables are made when the
	// network changes all the time.
	leastPause = 100 * time.Millisecond
	// mostPause after failures.
	mostPause = 10 * time.Second
)

// snapshot is one version of the network and the table made of it.
type snapshot struct {
	network *meta.Network
	table   *Table
	// seen is when the meta node last said that this is the newest.
	seen time.Time
}

// follow fetches the network by long polls. A failure keeps the snapshot: old
// knowledge of where edges are is better than none, and an edge that has gone
// sends its viewers back.
func (r *Router) follow(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		err := r.poll(ctx)
		if ctx.Err() != nil {
			return
		}
		pause := leastPause
		if err != nil {
			failures++
			pause = backoff(failures)
			r.config.Logger.Warn("network not fetched", slog.Any("error", err), slog.Duration("again_in", pause))
		} else {
			failures = 0
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

func (r *Router) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	before := r.memory.network.Load()
	since, wait := uint64(0), time.Duration(0)
	if before != nil {
		since, wait = before.network.Version, pollWait
	}
	network, err := r.config.Meta.Network(ctx, since, wait)
	if err != nil {
		return err
	}
	if network == nil {
		return errors.New("the meta node answered without a network")
	}
	next := &snapshot{network: network, seen: r.memory.now()}
	switch {
	case before == nil:
		next.table = NewTable(network.Edges, r.development(network), nil, signersOf(network)...)
	case before.network.Version == network.Version && before.network.ChainID == network.ChainID:
		next.network, next.table = before.network, before.table
	default:
		next.table = NewTable(network.Edges, r.development(network), before.table, signersOf(network)...)
	}
	r.memory.network.Store(next)
	return nil
}

// signersOf lists the operators of the authorities, those that tell.
func signersOf(n *meta.Network) (names []string) {
	for _, name := range n.AuthorityOperators {
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

func (r *Router) development(n *meta.Network) bool { return r.config.Development || n.Development }

// backoff doubles from 100 ms, with jitter so that routers do not come back in
// step.
func backoff(failures int) time.Duration {
	pause := min(leastPause<<min(failures, 10), mostPause)
	return pause/2 + rand.N(pause/2)
}
