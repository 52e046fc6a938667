package pipeline

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/slicehttp"
)

// Getter reads blocks from edges: the first that answers with the right bytes.
// Those it returns are checked against their names.
func (w *Writer) Getter(edges []meta.EdgeID) sds.Getter { return getter{w, edges} }

type getter struct {
	writer *Writer
	edges  []meta.EdgeID
}

// readRounds is how often all edges are asked when one of them says that it is
// busy.
const readRounds = 8

// Get implements sds.Getter.
func (g getter) Get(ctx context.Context, cid sds.CID) ([]byte, error) {
	for round := 1; ; round++ {
		block, wait, err := g.once(ctx, cid)
		if err == nil || wait == 0 || round == readRounds {
			return block, err
		}
		if err := pause(ctx, wait, round); err != nil {
			return nil, err
		}
	}
}

// once asks each edge. Wait is above zero when one of them was only busy.
func (g getter) once(ctx context.Context, cid sds.CID) (block []byte, wait time.Duration, err error) {
	errs := []error{fmt.Errorf("read %s from %d edges: %w", cid, len(g.edges), meta.ErrNoEdges)}
	for _, e := range g.edges {
		client, err := g.writer.client(ctx, e)
		if err == nil {
			if block, err = client.Get(ctx, cid); err == nil {
				return block, 0, nil
			}
		}
		if ctx.Err() != nil {
			return nil, 0, context.Cause(ctx)
		}
		var answer *slicehttp.StatusError
		if errors.As(err, &answer) && (answer.Status == http.StatusTooManyRequests || answer.Status == http.StatusServiceUnavailable) {
			wait = max(wait, g.writer.config.Pause, min(answer.RetryAfter, 3*time.Second))
		}
		errs = append(errs, fmt.Errorf("edge %d: %w", e, err))
	}
	return nil, wait, errors.Join(errs...)
}

// has asks whether an edge holds a block.
func (w *Writer) has(ctx context.Context, edge meta.EdgeID, cid sds.CID) (bool, error) {
	client, err := w.client(ctx, edge)
	if err != nil {
		return false, err
	}
	return client.Has(ctx, cid)
}
