package fill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/slicehttp"
)

const (
	// maxSources is how many edges one fetch asks at most, one after the other.
	maxSources = 8
	// maxRacing is how many of them are asked at the same time.
	maxRacing = 2
	// giveUp is how long two sources may keep a slice waiting before the first
	// of them is left and another one asked.
	giveUp = 5 * time.Second
)

type answer struct {
	block []byte
	err   error
	from  meta.EdgeID
}

// asking is a source that has not answered yet.
type asking struct {
	from  meta.EdgeID
	leave context.CancelFunc
}

// race asks the sources in order. A failure goes on to the next at once; an
// answer that takes longer than this source usually does has the next one asked
// beside it, as far as the budget of second questions goes.
func (f *Filler) race(ctx context.Context, cid sds.CID, want peers.Want) ([]byte, error) {
	network := f.config.Peers.Now()
	sources := f.scores.order(network.Sources(want))
	sources = sources[:min(len(sources), maxSources)]
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	f.races.earn()
	answers := make(chan answer, len(sources))
	next := 0
	var running []asking
	var asked time.Time
	slow := time.NewTimer(time.Hour)
	defer slow.Stop()
	ask := func() {
		e := sources[next]
		next++
		ctx, leave := context.WithCancel(ctx)
		running = append(running, asking{e.ID, leave})
		f.wg.Go(func() {
			defer leave()
			block, err := f.ask(ctx, network, e, cid, want)
			answers <- answer{block, err, e.ID}
		})
		asked = time.Now()
		if len(running) == maxRacing {
			slow.Reset(giveUp)
		} else {
			slow.Reset(f.scores.patience(e))
		}
	}
	var failures []error
	for {
		if len(running) == 0 {
			if next == len(sources) {
				return nil, fmt.Errorf("fetch %s: %w: %w", cid, ErrUnavailable, errors.Join(failures...))
			}
			ask()
		}
		select {
		case a := <-answers:
			at := slices.IndexFunc(running, func(r asking) bool { return r.from == a.from })
			if a.err == nil {
				// Who was asked before the one that answered was too slow.
				for _, r := range running[:max(at, 0)] {
					f.scores.outrun(r.from)
				}
				return a.block, nil
			}
			if at >= 0 { // else it was left, and has said so
				running = slices.Delete(running, at, at+1)
			}
			failures = append(failures, fmt.Errorf("from edge %d: %w", a.from, a.err))
		case <-slow.C:
			switch {
			case next == len(sources):
			case len(running) == maxRacing:
				running[0].leave()
				f.scores.bad(running[0].from)
				running = slices.Delete(running, 0, 1)
				ask()
			case f.races.spend() || time.Since(asked) >= longestPatience:
				f.Counters.Raced.Add(1)
				ask()
			default:
				slow.Reset(longestPatience - time.Since(asked))
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("fetch %s: %w", cid, ctx.Err())
		}
	}
}

// ask fetches a block from one edge and checks it.
func (f *Filler) ask(ctx context.Context, network *peers.Snapshot, e peers.Source, cid sds.CID, want peers.Want) ([]byte, error) {
	client := slicehttp.Client{
		Base: network.Base(e.Edge), HTTP: f.config.HTTP, Timeout: flightTimeout,
		Sign: func(r *http.Request) error {
			WriteWant(r.Header, want, e.Step)
			return f.config.Sign(r)
		},
	}
	begun := time.Now()
	block, err := client.Get(ctx, cid)
	switch {
	case err == nil:
		f.scores.good(e.ID, time.Since(begun))
	case ctx.Err() != nil:
		// Another source was faster, or nobody waits any more.
	case errors.Is(err, sds.ErrNotFound), tooMany(err):
		f.scores.lacked(e.ID)
	default:
		if errors.Is(err, sds.ErrCorrupt) {
			f.Counters.Corrupt.Add(1)
		}
		f.scores.bad(e.ID)
	}
	return block, err
}

// tooMany tells that an edge answers, but this one asks it for too much.
func tooMany(err error) bool {
	var told *slicehttp.StatusError
	return errors.As(err, &told) && told.Status == http.StatusTooManyRequests
}
