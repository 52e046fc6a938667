package sds

import (
	"context"
	"fmt"

	"github.com/ipfs/boxo/ipld/merkledag"
	unixfsio "github.com/ipfs/boxo/ipld/unixfs/io"
)

// An entry is what a directory says of one child.
type entry struct {
	name string
	cid  CID
	// weight is the size of everything below, nodes included (Tsize).
	weight uint64
}

// buildDir makes one directory: a single node, or a HAMT when that node would
// be larger than the profile allows. The order of the entries does not matter.
// The profile's settings go with the call, for boxo's globals have others.
func buildDir(ctx context.Context, entries []entry, sink Sink) (entry, error) {
	p := profile()
	nodes := &nodeSink{ctx: ctx, sink: sink}
	dir, err := unixfsio.NewDirectory(nodes,
		unixfsio.WithCidBuilder(p.CidBuilder()),
		unixfsio.WithMaxHAMTFanout(p.HAMTShardWidth),
		unixfsio.WithSizeEstimationMode(p.HAMTSizeEstimation),
		func(d unixfsio.Directory) { d.SetHAMTShardingSize(p.HAMTShardingSize) },
	)
	if err != nil {
		return entry{}, err
	}
	for _, e := range entries {
		if err := dir.AddChild(ctx, e.name, newStub(e.cid, e.weight)); err != nil {
			return entry{}, fmt.Errorf("entry %.80q: %w", e.name, err)
		}
	}
	made, err := dir.GetNode()
	if err != nil {
		return entry{}, err
	}
	node, ok := made.(*merkledag.ProtoNode)
	if !ok {
		return entry{}, fmt.Errorf("a directory came out as %T", made)
	}
	// A HAMT has given its root already; the sink knows that.
	if err := nodes.Add(ctx, node); err != nil {
		return entry{}, err
	}
	cid, err := fromLibrary(node.Cid())
	if err != nil {
		return entry{}, err
	}
	weight, err := node.Size()
	if err != nil {
		return entry{}, err
	}
	return entry{cid: cid, weight: weight}, nil
}
