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
	m := &Manifest{Root: root, Objects: []Object{}}
	all := lister{
		getter: g,
		node:   func(CID, int) error { return nil },
		empty: func(path string) error {
			m.Dirs = append(m.Dirs, path)
			return nil
		},
		object: func(path string, l link, inside *node) error {
			o, err := describe(ctx, g, l.cid, inside)
			if err != nil {
				return fmt.Errorf("%.80q: %w", path, err)
			}
			o.Path = path
			m.Objects = append(m.Objects, o.complete())
			return nil
		},
	}
	if err := all.list(ctx, root); err != nil {
		return nil, fmt.Errorf("derive the manifest of %s: %w", root, err)
	}
	slices.SortFunc(m.Objects, func(a, b Object) int { return strings.Compare(a.Path, b.Path) })
	slices.Sort(m.Dirs)
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("derive the manifest of %s: %w", root, err)
	}
	return m, nil
}

// describe reads a file for what its manifest says of the content.
func describe(ctx context.Context, g Getter, cid CID, inside *node) (Object, error) {
	if inside == nil {
		slice, err := g.Get(ctx, cid)
		return Object{CID: cid, Size: int64(len(slice))}, err
	}
	f := newFile(g, cid, inside)
	o := Object{CID: cid, Size: f.Size()}
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
