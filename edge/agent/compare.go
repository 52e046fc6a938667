package agent

import (
	"context"
	"fmt"
	"slices"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/inventory"
)

// compare tells the meta node what is held, in full only where the two differ.
func (a *Agent) compare(ctx context.Context, id meta.EdgeID) error {
	ctx, cancel := context.WithTimeout(ctx, 3*beatTimeout)
	defer cancel()
	holdings := a.config.Keeper.Holdings()
	var digest inventory.Digest
	for _, h := range holdings {
		digest.Add(h)
	}
	differ, err := a.config.Meta.Digest(ctx, id, digest)
	if err != nil {
		return fmt.Errorf("digest: %w", err)
	}
	if len(differ) == 0 {
		return nil
	}
	units := slices.DeleteFunc(holdings, func(h meta.Holding) bool {
		return !slices.Contains(differ, inventory.Bucket(h.Unit))
	})
	if err := a.config.Meta.Report(ctx, id, differ, units); err != nil {
		return fmt.Errorf("report of %d buckets: %w", len(differ), err)
	}
	return nil
}
