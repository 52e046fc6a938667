package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// Getter reads blocks from edges: the first that answers with the right bytes.
// Those it returns are checked against their names.
func (w *Writer) Getter(edges []meta.EdgeID) sds.Getter { return getter{w, edges} }

type getter struct {
	writer *Writer
	edges  []meta.EdgeID
}

// Get implements sds.Getter.
func (g getter) Get(ctx context.Context, cid sds.CID) ([]byte, error) {
	errs := []error{fmt.Errorf("read %s from %d edges: %w", cid, len(g.edges), meta.ErrNoEdges)}
	for _, e := range g.edges {
		client, err := g.writer.client(ctx, e)
		if err == nil {
			var block []byte
			if block, err = client.Get(ctx, cid); err == nil {
				return block, nil
			}
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		errs = append(errs, fmt.Errorf("edge %d: %w", e, err))
	}
	return nil, errors.Join(errs...)
}

// has asks whether an edge holds a block.
func (w *Writer) has(ctx context.Context, edge meta.EdgeID, cid sds.CID) (bool, error) {
	client, err := w.client(ctx, edge)
	if err != nil {
		return false, err
	}
	return client.Has(ctx, cid)
}
