package fill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/slicehttp"
)

// maxSources is how many edges one fetch asks at most.
const maxSources = 8

type answer struct {
	block []byte
	err   error
	from  meta.EdgeID
}

// race asks the sources in order. A failure goes on to the next at once; an
// answer that takes longer than this source usually does has the next one asked
// beside it.
func (f *Filler) race(ctx context.Context, cid sds.CID, want peers.Want) ([]byte, error) {
	network := f.config.Peers.Now()
	sources := f.scores.order(network.Sources(want))
	sources = sources[:min(len(sources), maxSources)]
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	answers := make(chan answer, len(sources))
	next, running := 0, 0
	slow := time.NewTimer(time.Hour)
	defer slow.Stop()
	ask := func() {
		e := sources[next]
		next++
		running++
		f.wg.Go(func() {
			block, err := f.ask(ctx, network, e, cid, want)
			answers <- answer{block, err, e.ID}
		})
		slow.Reset(f.scores.patience(e.ID))
	}
	var failures []error
	for {
		if running == 0 {
			if next == len(sources) {
				return nil, fmt.Errorf("fetch %s: %w: %w", cid, ErrUnavailable, errors.Join(failures...))
			}
			ask()
		}
		select {
		case a := <-answers:
			running--
			if a.err == nil {
				return a.block, nil
			}
			failures = append(failures, fmt.Errorf("from edge %d: %w", a.from, a.err))
		case <-slow.C:
			if next < len(sources) {
				f.Counters.Raced.Add(1)
				ask()
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("fetch %s: %w", cid, ctx.Err())
		}
	}
}

// ask fetches a block from one edge and checks it.
func (f *Filler) ask(ctx context.Context, network *peers.Snapshot, e *meta.Edge, cid sds.CID, want peers.Want) ([]byte, error) {
	client := slicehttp.Client{
		Base: network.Base(e), HTTP: f.config.HTTP, Timeout: flightTimeout,
		Sign: func(r *http.Request) error {
			WriteWant(r.Header, want)
			return f.config.Sign(r)
		},
	}
	begun := time.Now()
	block, err := client.Get(ctx, cid)
	switch {
	case err == nil:
		f.scores.good(e.ID, time.Since(begun))
	case ctx.Err() != nil:
		// Another source was faster, or nobody waits any more: no fault of its.
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
