package sds

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// DeriveManifest makes the manifest of a root from its blocks alone. It reads
// all content, for nothing else tells the digest of a file of several slices
// and the true size of a file of one. Trees that no Folder can make (paths that
// are not clean, too many entries, too deep) are refused.
func DeriveManifest(ctx context.Context, g Getter, root CID) (*Manifest, error) {
	m, err := manifestOf(ctx, g, root, readContent)
	if err != nil {
		return nil, fmt.Errorf("derive the manifest of %s: %w", root, err)
	}
	return m, nil
}

// Outline is a manifest made in a hurry: it reads directories and the first
// nodes of files, no content. SHA256 of an object of several slices stays zero,
// and the size of an object of one slice is what the directory says of it, which
// may be a lie: whoever reads such a slice checks with Span.Of. An Outline
// cannot be encoded.
func Outline(ctx context.Context, g Getter, root CID) (*Manifest, error) {
	m, err := manifestOf(ctx, g, root, readNodes)
	if err != nil {
		return nil, fmt.Errorf("outline %s: %w", root, err)
	}
	return m, nil
}

type describer func(ctx context.Context, g Getter, l link, inside *node) (Object, error)

func manifestOf(ctx context.Context, g Getter, root CID, describe describer) (*Manifest, error) {
	m := &Manifest{Root: root, Objects: []Object{}}
	all := lister{
		getter: g,
		node:   func(CID, int) error { return nil },
		empty: func(path string) error {
			m.Dirs = append(m.Dirs, path)
			return nil
		},
		object: func(path string, l link, inside *node) error {
			if path == "" {
				l.size = unknownSize
			}
			o, err := describe(ctx, g, l, inside)
			if err != nil {
				return fmt.Errorf("%.80q: %w", path, err)
			}
			o.Path = path
			m.Objects = append(m.Objects, o.complete())
			return nil
		},
	}
	if err := all.list(ctx, root); err != nil {
		return nil, err
	}
	slices.SortFunc(m.Objects, func(a, b Object) int { return strings.Compare(a.Path, b.Path) })
	slices.Sort(m.Dirs)
	return m, m.check()
}

// unknownSize is that of a slice that no directory names: the root itself.
const unknownSize = -1

// readContent reads a whole file.
func readContent(ctx context.Context, g Getter, l link, inside *node) (Object, error) {
	if inside == nil {
		slice, err := g.Get(ctx, l.cid)
		return Object{CID: l.cid, Size: int64(len(slice))}, err
	}
	f := newFile(g, l.cid, inside)
	o := Object{CID: l.cid, Size: f.Size()}
	hash := sha256.New()
	err := f.EachSpan(ctx, 0, f.Size(), func(s Span) error {
		if !o.First.Defined() {
			o.First = s.CID
		}
		return f.copySpan(ctx, hash, s)
	})
	hash.Sum(o.SHA256[:0])
	return o, err
}

// readNodes finds a file's first slice, but does not read it.
func readNodes(ctx context.Context, g Getter, l link, inside *node) (Object, error) {
	if inside == nil {
		if l.size == unknownSize {
			return readContent(ctx, g, l, nil)
		}
		return Object{CID: l.cid, Size: l.size}, nil
	}
	f := newFile(g, l.cid, inside)
	first, err := f.Spans(ctx, 0, 1)
	if err != nil {
		return Object{}, err
	}
	return Object{CID: l.cid, Size: f.Size(), First: first[0].CID}, nil
}
