package sds

import (
	"context"
	"fmt"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
)

// BuildTree makes the nodes of a file from the names of its slices in order,
// and returns its root; a single slice is the root itself. It holds no content
// and at most one open node for each level of the tree.
//
// All slices but the last are full, so size must fit their number, else
// ErrMalformed.
func BuildTree(ctx context.Context, leaves []CID, size int64, sink Sink) (CID, error) {
	if size < 0 || int64(len(leaves)) != sliceCount(size) {
		return CID{}, fmt.Errorf("tree of %d slices over %d bytes: %w: want %d slices",
			len(leaves), size, ErrMalformed, sliceCount(max(size, 0)))
	}
	for i, leaf := range leaves {
		if leaf.Codec != Raw {
			return CID{}, fmt.Errorf("slice %d of a tree is %q: %w: want a raw block", i, leaf, ErrMalformed)
		}
	}
	link, err := buildTree(ctx, func(i int) cid.Cid { return leaves[i].library() }, size, sink)
	if err != nil {
		return CID{}, err
	}
	return fromLibrary(link.Cid)
}

// sliceCount is how many slices an object of a size has; nothing is one slice.
func sliceCount(size int64) int64 {
	return max(1, (size-1)/SliceSize+1)
}

// treeSize is what an object of a size weighs with its nodes: the Tsize of a
// link to it. It depends on the size alone, for every name is equally long.
func treeSize(ctx context.Context, size int64) (uint64, error) {
	if size <= SliceSize {
		return uint64(size), nil
	}
	same := Sum(Raw, nil).library()
	link, err := buildTree(ctx, func(int) cid.Cid { return same }, size, func(context.Context, CID, []byte) error { return nil })
	return link.Size, err
}

func buildTree(ctx context.Context, leaf func(int) cid.Cid, size int64, sink Sink) (ipld.Link, error) {
	b := treeBuilder{nodes: &nodeSink{ctx: ctx, sink: sink}, width: profile().FileDAGWidth}
	for i, rest := 0, size; ; i++ {
		bytes := min(rest, SliceSize)
		rest -= bytes
		link := ipld.Link{Cid: leaf(i), Size: uint64(bytes)}
		if err := b.add(0, link, uint64(bytes)); err != nil {
			return ipld.Link{}, fmt.Errorf("build a tree over %d bytes: %w", size, err)
		}
		if rest == 0 {
			break
		}
	}
	link, err := b.finish()
	if err != nil {
		return ipld.Link{}, fmt.Errorf("build a tree over %d bytes: %w", size, err)
	}
	return link, nil
}

// treeBuilder fills a balanced tree from the left. A node is closed when the
// next child of its level comes, so that no level ever has a node of one child
// but the rightmost of a level that has several.
type treeBuilder struct {
	nodes  *nodeSink
	width  int
	levels []openNode
}

type openNode struct {
	dag  *merkledag.ProtoNode
	file *unixfs.FSNode
	only ipld.Link // the first child: the root, if no other follows
	size uint64    // content below it
}

func (b *treeBuilder) add(level int, link ipld.Link, content uint64) error {
	if level == len(b.levels) {
		b.levels = append(b.levels, openNode{})
	}
	open := &b.levels[level]
	if open.file != nil && open.file.NumChildren() == b.width {
		if err := b.closeNode(level); err != nil {
			return err
		}
		open = &b.levels[level]
	}
	if open.file == nil {
		*open = openNode{dag: new(merkledag.ProtoNode), file: unixfs.NewFSNode(unixfs.TFile), only: link}
		if err := open.dag.SetCidBuilder(profile().CidBuilder()); err != nil {
			return err
		}
	}
	open.size += content
	open.file.AddBlockSize(content)
	return open.dag.AddRawLink("", &link)
}

// closeNode hands a level's open node to the sink and to the level above.
func (b *treeBuilder) closeNode(level int) error {
	open := b.levels[level]
	b.levels[level] = openNode{}
	data, err := open.file.GetBytes()
	if err != nil {
		return err
	}
	open.dag.SetData(data)
	if err := b.nodes.Add(b.nodes.ctx, open.dag); err != nil {
		return err
	}
	link, err := ipld.MakeLink(open.dag)
	if err != nil {
		return err
	}
	return b.add(level+1, *link, open.size)
}

// finish closes what is open and returns the link to the root.
func (b *treeBuilder) finish() (ipld.Link, error) {
	for level := 0; ; level++ {
		open := b.levels[level]
		if level == len(b.levels)-1 && open.file.NumChildren() == 1 {
			return open.only, nil
		}
		if err := b.closeNode(level); err != nil {
			return ipld.Link{}, err
		}
	}
}
