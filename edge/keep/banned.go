package keep

import (
	"context"
	"fmt"
	"slices"

	"github.com/stratos-mesh/stratos/edge/state"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// maxWithout bounds the banned objects that a unit may be complete without; one
// of more stays as it is.
const maxWithout = 10_000

// lawful leaves out of a walk what is banned and not here. What is here stays:
// bans are taken back, and until then nobody is given it.
type lawful struct {
	keeper *Keeper
	sds.Getter
}

func (g lawful) Get(ctx context.Context, cid sds.CID) ([]byte, error) {
	why := g.keeper.config.Banned(cid)
	if why == nil {
		return g.Getter.Get(ctx, cid)
	}
	block, err := g.keeper.config.Store.Get(ctx, cid)
	if err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("%w: %w", sds.ErrSkip, why)
	}
	return block, err
}

// sizes tells the sizes of objects that are left out of a bundle of several
// units: by them the others are in the same unit everywhere. Only the manifest
// can tell, and it is read when it is needed.
func sizes(ctx context.Context, g sds.Getter, record *meta.Record) func(sds.CID) (int64, error) {
	var known map[sds.CID]int64
	return func(object sds.CID) (int64, error) {
		if known == nil {
			manifest, err := sds.LoadManifest(ctx, g, record.Manifest, record.Root)
			if err != nil {
				return 0, fmt.Errorf("the size of the banned object %s: %w", object, err)
			}
			known = make(map[sds.CID]int64, len(manifest.Objects))
			for _, o := range manifest.Objects {
				known[o.CID] = o.Size
			}
		}
		size, found := known[object]
		if !found {
			return 0, fmt.Errorf("the manifest has no object %s: %w", object, sds.ErrMalformed)
		}
		return size, nil
	}
}

// Lacking lists the units that were complete without something that is banned
// no longer.
func (k *Keeper) Lacking() (out []state.Unit) {
	for _, u := range k.Units() {
		if slices.ContainsFunc(u.Without, func(cid sds.CID) bool { return k.config.Banned(cid) == nil }) {
			out = append(out, u)
		}
	}
	return out
}
