package node

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/index"
)

// Resolve finds the name that is path or lies above it.
func (n *Node) Resolve(ctx context.Context, path string) (meta.Resolution, error) {
	var name *index.Name
	var rest string
	err := n.readable(ctx, func() (err error) {
		name, rest, err = n.index.Resolve(ctx, path)
		return err
	})
	if errors.Is(err, meta.ErrNotFound) || errors.Is(err, meta.ErrDeleted) {
		if s, rest := n.growing.above(path, n.cfg.Now()); s != nil {
			return n.grownSoFar(s, rest), nil
		}
	}
	if err != nil {
		return meta.Resolution{}, err
	}
	return n.resolution(name, rest), nil
}

// Locate finds a live name by the digest of its root, or a bundle by what
// tickets bound while it grew.
func (n *Node) Locate(ctx context.Context, bind [32]byte) (meta.Resolution, error) {
	if s := n.growing.bound(bind, n.cfg.Now()); s != nil {
		return n.grownSoFar(s, ""), nil
	}
	var name *index.Name
	err := n.readable(ctx, func() (err error) {
		name, err = n.index.Locate(ctx, bind)
		if errors.Is(err, meta.ErrNotFound) {
			name, err = n.index.Bound(ctx, bind)
		}
		return err
	})
	if err != nil {
		return meta.Resolution{}, err
	}
	return n.resolution(name, ""), nil
}

// durableFor is how long the edges of an upload are believed beside those that
// say what they hold.
const durableFor = 10 * time.Minute

// resolution adds who has the name's root, for each shard of a large bundle.
func (n *Node) resolution(name *index.Name, rest string) meta.Resolution {
	unit := name.Units[0]
	holders := n.holders(name, unit)
	edges := n.roster.Load()
	others := make([]meta.EdgeID, 0, len(edges.serving))
	for _, id := range edges.serving {
		if !slices.Contains(holders, id) {
			others = append(others, id)
		}
	}
	found := meta.Resolution{Record: n.record(name), Rest: rest, Holders: holders, Maybe: n.inventory.Maybe(unit, others)}
	for _, further := range name.Units[1:] {
		found.Shards = append(found.Shards, n.holders(name, further))
	}
	return found
}

// holders are the live edges that have all of a unit of a name.
func (n *Node) holders(name *index.Name, unit meta.UnitKey) []meta.EdgeID {
	holders := n.inventory.Holders(unit, name.Root)
	// Those that took the upload acknowledged every block, and keep it under the
	// lease while they check and say so; when others have said so and they still
	// have not, they are not believed any more.
	if age := n.cfg.Now().Sub(name.Modified); age < durableFor || age < lease && len(holders) == 0 {
		for _, id := range name.Durable {
			if !slices.Contains(holders, id) {
				holders = append(holders, id)
			}
		}
	}
	edges := n.roster.Load()
	return slices.DeleteFunc(holders, func(id meta.EdgeID) bool { return !edges.serves(id) })
}

// List returns live names in byte order.
func (n *Node) List(ctx context.Context, prefix, cursor string, limit int) (meta.Page, error) {
	var page meta.Page
	err := n.readable(ctx, func() (err error) {
		page, err = n.index.List(ctx, prefix, cursor, limit)
		return err
	})
	for i := range page.Records {
		page.Records[i].Replicas = n.replicas(page.Records[i].Replicas)
	}
	return page, err
}

// Issue signs tickets.
func (n *Node) Issue(ctx context.Context, requests []meta.TicketRequest) ([]meta.Issued, error) {
	issued, err := n.issuer.Issue(ctx, requests)
	for i := range issued {
		if issued[i].Err == nil {
			n.heat.Note(requests[i].Unit, 1)
		}
	}
	return issued, err
}
