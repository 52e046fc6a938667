package edge

import (
	"context"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

// caller asks the meta nodes of the newest configuration.
type caller struct{ node *node }

func (c caller) meta() meta.Meta { return c.node.app.Load().meta }

func (c caller) Network(ctx context.Context, since uint64, wait time.Duration) (*meta.Network, error) {
	return c.meta().Network(ctx, since, wait)
}

func (c caller) Beat(ctx context.Context, edge meta.EdgeID, b meta.Beat) (meta.BeatReply, error) {
	return c.meta().Beat(ctx, edge, b)
}

func (c caller) Digest(ctx context.Context, edge meta.EdgeID, buckets [256]uint64) ([]uint8, error) {
	return c.meta().Digest(ctx, edge, buckets)
}

func (c caller) Report(ctx context.Context, edge meta.EdgeID, buckets []uint8, units []meta.Holding) error {
	return c.meta().Report(ctx, edge, buckets, units)
}

// index asks for names and roots, with a bound on how long a viewer waits.
type index struct{ node *node }

const indexTimeout = 5 * time.Second

func (i index) Locate(ctx context.Context, root [32]byte) (meta.Resolution, error) {
	ctx, cancel := context.WithTimeout(ctx, indexTimeout)
	defer cancel()
	return i.node.app.Load().meta.Locate(ctx, root)
}

func (i index) Resolve(ctx context.Context, path string) (meta.Resolution, error) {
	ctx, cancel := context.WithTimeout(ctx, indexTimeout)
	defer cancel()
	return i.node.app.Load().meta.Resolve(ctx, path)
}
