package serve

import (
	"context"
	"time"

	"github.com/stratos-mesh/stratos/edge/fill"
	"github.com/stratos-mesh/stratos/sds"
)

// ahead is how many slices are fetched before they are due, once one of this
// answer was not in memory.
const ahead = 2

// inMemory is how long a block out of memory takes at most; what takes longer
// came from disk or from another edge, and the next one is asked for early.
const inMemory = 200 * time.Microsecond

// reader gets the slices of one answer in order, the next ones while one is
// being written.
type reader struct {
	d       *delivery
	ctx     context.Context // ends with the answer
	cancel  context.CancelFunc
	spans   []sds.Span
	started int
	early   [ahead + 1]chan fetched // by index modulo its length
}

type fetched struct {
	block  []byte
	origin fill.Origin
	err    error
}

func (d *delivery) reader(ctx context.Context, spans []sds.Span) *reader {
	r := &reader{d: d, ctx: ctx, spans: spans}
	if len(spans) > 1 {
		r.ctx, r.cancel = context.WithCancel(ctx)
	}
	return r
}

// next returns slice i and a function that must be called when its bytes are no
// longer needed.
func (r *reader) next(i int) ([]byte, fill.Origin, func(), error) {
	flying := r.d.handler.flying
	var f fetched
	if c := r.early[i%len(r.early)]; c != nil && i < r.started {
		select {
		case f = <-c:
		case <-r.ctx.Done():
			f.err = r.ctx.Err()
		}
		r.early[i%len(r.early)] = nil
		r.ahead(i)
	} else {
		begun := time.Now()
		f.block, f.origin, f.err = r.d.handler.config.Fill.Get(r.ctx, r.spans[i].CID, r.d.object.Want)
		took := time.Since(begun)
		if i == 0 {
			r.d.took = took
		}
		r.started = max(r.started, i+1)
		if took > inMemory {
			r.ahead(i)
		}
	}
	if f.err != nil {
		return nil, f.origin, nothing, f.err
	}
	release, err := flying.hold(r.ctx, r.spans[i].CID, int64(len(f.block)))
	return f.block, f.origin, release, err
}

// ahead asks for the slices after i, while memory has room for them.
func (r *reader) ahead(i int) {
	for ; r.started < len(r.spans) && r.started <= i+ahead; r.started++ {
		j := r.started
		if !r.d.handler.flying.roomFor(sds.SliceSize) {
			return
		}
		c := make(chan fetched, 1)
		r.early[j%len(r.early)] = c
		go func() { // ends with r.ctx at the latest, which close cancels
			block, origin, err := r.d.handler.config.Fill.Get(r.ctx, r.spans[j].CID, r.d.object.Want)
			c <- fetched{block, origin, err}
		}()
	}
}

func (r *reader) close() {
	if r.cancel != nil {
		r.cancel()
	}
}

func nothing() {}
