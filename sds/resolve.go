package sds

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/ipfs/boxo/ipld/unixfs/hamt"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
)

// An Entry is what a path inside a root leads to.
type Entry struct {
	CID CID
	// Size of an object's content in bytes; 0 for a directory.
	Size int64
	Dir  bool
}

// Resolve follows a path down from a root; the empty path is the root itself.
// It gets the directories on the way and the first block of what it finds. A
// path that leads nowhere is ErrNotFound, as is a block that g lacks: the text
// tells which.
func Resolve(ctx context.Context, g Getter, root CID, path string) (Entry, error) {
	entry, err := resolve(ctx, g, root, path)
	if err != nil {
		return Entry{}, fmt.Errorf("resolve %.80q in %s: %w", path, root, err)
	}
	return entry, nil
}

// Lookup is Resolve for who has the directories and nothing else: it does not
// get what the path leads to, and so knows no more of it than its name.
func Lookup(ctx context.Context, g Getter, root CID, path string) (CID, error) {
	at, err := lookup(ctx, g, root, path)
	if err != nil {
		return CID{}, fmt.Errorf("look up %.80q in %s: %w", path, root, err)
	}
	return at, nil
}

func lookup(ctx context.Context, g Getter, at CID, path string) (CID, error) {
	if path == "" {
		return at, nil
	}
	clean, err := CleanPath(path)
	if err != nil {
		return CID{}, err
	}
	for component := range strings.SplitSeq(clean, "/") {
		if at, err = child(ctx, g, at, component); err != nil {
			return CID{}, err
		}
	}
	return at, nil
}

func resolve(ctx context.Context, g Getter, at CID, path string) (Entry, error) {
	at, err := lookup(ctx, g, at, path)
	if err != nil {
		return Entry{}, err
	}
	if at.Codec == Raw {
		block, err := g.Get(ctx, at)
		if err != nil {
			return Entry{}, err
		}
		return Entry{CID: at, Size: int64(len(block))}, nil
	}
	n, err := getNode(ctx, g, at)
	if err != nil {
		return Entry{}, err
	}
	return Entry{CID: at, Size: n.size, Dir: n.kind != fileNode}, nil
}

// child finds one name in a directory.
func child(ctx context.Context, g Getter, dir CID, name string) (CID, error) {
	if dir.Codec == Raw {
		return CID{}, fmt.Errorf("%w: no %.80q inside a file", ErrNotFound, name)
	}
	n, err := getNode(ctx, g, dir)
	if err != nil {
		return CID{}, err
	}
	switch n.kind {
	case dirNode:
		for _, l := range n.links {
			if l.name == name {
				return l.cid, nil
			}
		}
	case hamtNode:
		shard, err := hamt.NewHamtFromDag(&shardGetter{getter: g}, n.shard)
		if err != nil {
			return CID{}, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		found, err := shard.Find(ctx, name)
		if err == nil {
			return fromLibrary(found.Cid)
		}
		if !errors.Is(err, os.ErrNotExist) {
			return CID{}, err
		}
	}
	return CID{}, fmt.Errorf("%w: no entry %.80q", ErrNotFound, name)
}

func getNode(ctx context.Context, g Getter, at CID) (*node, error) {
	block, err := g.Get(ctx, at)
	if err != nil {
		return nil, err
	}
	n, err := decodeNode(block)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	return n, nil
}

// shardGetter feeds boxo's HAMT with shards that have been checked. It goes
// down one path only, whose length the hash function bounds.
type shardGetter struct {
	nodeSink
	getter Getter
}

// Get reads a shard.
func (s *shardGetter) Get(ctx context.Context, at cid.Cid) (ipld.Node, error) {
	name, err := fromLibrary(at)
	if err != nil {
		return nil, err
	}
	n, err := getNode(ctx, s.getter, name)
	if err != nil {
		return nil, err
	}
	if n.kind != hamtNode {
		return nil, fmt.Errorf("%s: %w: no shard inside a sharded directory", name, ErrMalformed)
	}
	return n.shard, nil
}
