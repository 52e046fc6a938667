package sds

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// A lister goes through the directories under a root and calls back for what it
// meets. It reads directories and the root nodes of files, no slices. Cycles,
// depth and trees that multiply are bounded.
type lister struct {
	getter Getter
	// node is called with every directory node, parents before children.
	node func(cid CID, length int) error
	// empty is called with the path of every directory in which nothing is.
	empty func(path string) error
	// object is called with every file; inside is nil for a file of one slice,
	// and what the directory says of its size may not be true.
	object func(path string, l link, inside *node) error
	// skipped is called with what the getter leaves out; nil makes it an error.
	skipped func(path string, l link) error

	dirs, objects int
}

func (s *lister) list(ctx context.Context, root CID) error {
	return s.visit(ctx, link{cid: root}, "", within{})
}

func (s *lister) visit(ctx context.Context, l link, path string, at within) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(path) > MaxPath {
		return fmt.Errorf("%w: a path of more than %d bytes", ErrMalformed, MaxPath)
	}
	if l.cid.Codec == Raw {
		return s.file(path, l, nil)
	}
	n, length, err := at.node(ctx, s.getter, l)
	if errors.Is(err, ErrSkip) && s.skipped != nil {
		return s.skipped(path, l)
	}
	if err != nil {
		return err
	}
	if n.kind == fileNode {
		return s.file(path, l, n)
	}
	if s.dirs++; s.dirs > maxObjects {
		return fmt.Errorf("%w: more than %d nodes of directories", ErrTooLarge, maxObjects)
	}
	if err := s.node(l.cid, length); err != nil {
		return err
	}
	if len(n.links) == 0 && path != "" {
		if err := s.empty(path); err != nil {
			return err
		}
	}
	for _, below := range n.links {
		whole := path
		if name := n.name(below); name != "" {
			whole = strings.TrimPrefix(path+"/"+name, "/")
		}
		if err := s.visit(ctx, below, whole, at.below(n, below)); err != nil {
			return err
		}
	}
	return nil
}

func (s *lister) file(path string, l link, inside *node) error {
	if s.objects++; s.objects > maxObjects {
		return fmt.Errorf("%w: more than %d objects", ErrTooLarge, maxObjects)
	}
	return s.object(path, l, inside)
}

// name is an entry's name; empty for a link to a shard of the same directory.
func (n *node) name(l link) string { return l.name[n.prefix:] }
