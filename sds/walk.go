package sds

import (
	"context"
	"errors"
	"fmt"
)

// ErrSkip from the Getter of a walk leaves a node out, with all that hangs below
// it: what a walk is not to come by.
var ErrSkip = errors.New("left out")

// maxWalkNodes bounds the nodes of one walk: with full nodes 2^20 of them stand
// over 1 PiB of content. Walk remembers each in about 80 bytes.
const maxWalkNodes = 1 << 20

// Walk calls each for every block under a root, the root first and a node
// before what hangs below it, until each returns an error, which Walk returns.
// A node that several parents share comes once; a slice may come again. size
// is the length of a node, and of a slice what its parent says. Only nodes are
// got from g, and a root that is a slice.
func Walk(ctx context.Context, g Getter, root CID, each func(cid CID, size int64) error) error {
	w := walker{getter: g, each: each, seen: make(map[CID]bool)}
	top := link{cid: root}
	if root.Codec == Raw {
		block, err := g.Get(ctx, root)
		if err != nil {
			return fmt.Errorf("walk %s: %w", root, err)
		}
		top.size = int64(len(block))
	}
	if err := w.visit(ctx, top, within{}); err != nil {
		return fmt.Errorf("walk %s: %w", root, err)
	}
	return nil
}

type walker struct {
	getter Getter
	each   func(CID, int64) error
	seen   map[CID]bool
}

// within says where in a tree a block hangs, so far as that restricts it.
type within struct {
	file, shard int // levels below the root of a file, of a HAMT; 0 outside
	dirs        int // directories above
	fanout      int // characters of a slot in the HAMT
}

func (w *walker) visit(ctx context.Context, l link, at within) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.cid.Codec == Raw {
		return w.each(l.cid, l.size)
	}
	if w.seen[l.cid] {
		return nil
	}
	if len(w.seen) >= maxWalkNodes {
		return fmt.Errorf("%w: more than %d nodes", ErrTooLarge, maxWalkNodes)
	}
	w.seen[l.cid] = true
	n, length, err := at.node(ctx, w.getter, l)
	if errors.Is(err, ErrSkip) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := w.each(l.cid, int64(length)); err != nil {
		return err
	}
	for i := range n.links {
		if err := w.visit(ctx, n.links[i], at.below(n, n.links[i])); err != nil {
			return err
		}
	}
	return nil
}

// node gets a node and checks that it may hang where it does.
func (at within) node(ctx context.Context, g Getter, l link) (n *node, length int, err error) {
	if at.file > maxFileDepth || at.shard > maxHAMTDepth || at.dirs > maxDirDepth {
		return nil, 0, fmt.Errorf("%s: %w: too deep", l.cid, ErrMalformed)
	}
	block, err := g.Get(ctx, l.cid)
	if err != nil {
		return nil, 0, err
	}
	if n, err = decodeNode(block); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", l.cid, err)
	}
	if at.file > 0 && (n.kind != fileNode || n.size != l.size) {
		return nil, 0, sizeLie(l, n)
	}
	if at.shard > 0 && (n.kind != hamtNode || n.prefix != at.fanout) {
		return nil, 0, fmt.Errorf("%s: %w: not a shard of the directory above", l.cid, ErrMalformed)
	}
	return n, len(block), nil
}

// below is where the child that l names hangs.
func (at within) below(n *node, l link) within {
	switch {
	case n.kind == fileNode:
		at.file++
		return at
	case n.kind == hamtNode && n.name(l) == "":
		at.shard++
		at.fanout = n.prefix
		return at
	default:
		return within{dirs: at.dirs + 1}
	}
}
