package catalog

import (
	"slices"

	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// wants are where to look for each unit of a large bundle. Its units have edges
// of their own: what the ticket and this edge know of one says nothing of the
// others.
func (c *Catalog) wants(record meta.Record, first peers.Want, shards [][]meta.EdgeID) []peers.Want {
	out := make([]peers.Want, len(record.Units))
	for i, unit := range record.Units {
		w := peers.Want{Unit: unit, Holders: first.Holders}
		if i > 0 {
			w.Holders = nil
			if i <= len(shards) {
				w.Holders = shards[i-1]
			}
		}
		if c.config.Keeps(unit, record.Root) {
			w.Class = sds.Pinned
		}
		out[i] = w
	}
	return out
}

// split gives each object of a bundle the want of its own unit. It is called
// before anybody else has the root.
func (r *Root) split(wants []peers.Want, shard sds.Shard) {
	t := r.table.Load()
	t.wants = wants
	paths := make([]string, 0, len(t.entries))
	for path := range t.entries {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	var offset int64
	for _, path := range paths {
		e := t.entries[path]
		e.shard = shard.Of(offset)
		offset = min(offset+e.Size, 1<<62)
	}
}
