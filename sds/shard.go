package sds

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// A Shard is one of several parts of a bundle: the objects that begin in it
// when all lie one after the other, in order of their paths by bytes.
type Shard struct {
	// Index of the part and Count of all; what is beyond the last is part of it.
	Index, Count int
	// Bytes of content in a part, but the last.
	Bytes int64
	// Size of an object whose root node the Getter leaves out (ErrSkip), which
	// still counts for where the others lie; nil where nothing is left out.
	Size func(object CID) (int64, error)
}

// Of is the part in which an object lies that begins at an offset.
func (s Shard) Of(offset int64) int {
	return int(min(offset/s.Bytes, int64(s.Count-1)))
}

// WalkShard is Walk over one part of a bundle: all its directories, and of the
// objects those of the part. To tell which those are it gets the root nodes of
// all files of several slices; of files of one it believes the directory, so
// it reads no content.
func WalkShard(ctx context.Context, g Getter, root CID, shard Shard, each func(cid CID, size int64) error) error {
	if shard.Index < 0 || shard.Index >= shard.Count || shard.Bytes <= 0 {
		return fmt.Errorf("walk part %d of %d of %s: %w", shard.Index, shard.Count, root, ErrMalformed)
	}
	if err := walkShard(ctx, g, root, shard, each); err != nil {
		return fmt.Errorf("walk part %d of %d of %s: %w", shard.Index, shard.Count, root, err)
	}
	return nil
}

func walkShard(ctx context.Context, g Getter, root CID, shard Shard, each func(cid CID, size int64) error) error {
	type object struct {
		path string
		link link
	}
	var objects []object
	w := walker{getter: g, each: each, seen: make(map[CID]bool)}
	all := lister{
		getter: g,
		empty:  func(string) error { return nil },
		node: func(cid CID, length int) error {
			if w.seen[cid] {
				return nil
			}
			w.seen[cid] = true
			return each(cid, int64(length))
		},
		object: func(path string, l link, inside *node) error {
			if inside != nil {
				l.size = inside.size
			}
			objects = append(objects, object{path, l})
			return nil
		},
	}
	if shard.Size != nil {
		all.skipped = func(path string, l link) (err error) {
			l.size, err = shard.Size(l.cid)
			objects = append(objects, object{path, l})
			return err
		}
	}
	if err := all.list(ctx, root); err != nil {
		return err
	}
	slices.SortFunc(objects, func(a, b object) int { return strings.Compare(a.path, b.path) })
	var offset int64
	for _, o := range objects {
		if shard.Of(offset) == shard.Index {
			if err := w.visit(ctx, o.link, within{}); err != nil {
				return err
			}
		}
		offset = min(offset+o.link.size, 1<<62)
	}
	return nil
}
