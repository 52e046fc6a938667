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
	d := deriver{getter: g, manifest: &Manifest{Root: root, Objects: []Object{}}}
	if err := d.visit(ctx, link{cid: root}, "", within{}); err != nil {
		return nil, fmt.Errorf("derive the manifest of %s: %w", root, err)
	}
	m := d.manifest
	slices.SortFunc(m.Objects, func(a, b Object) int { return strings.Compare(a.Path, b.Path) })
	slices.Sort(m.Dirs)
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("derive the manifest of %s: %w", root, err)
	}
	return m, nil
}

type deriver struct {
	getter   Getter
	manifest *Manifest
	dirs     int
}

func (d *deriver) visit(ctx context.Context, l link, path string, at within) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(path) > MaxPath {
		return fmt.Errorf("%w: a path of more than %d bytes", ErrMalformed, MaxPath)
	}
	if l.cid.Codec == Raw {
		slice, err := d.getter.Get(ctx, l.cid)
		if err != nil {
			return err
		}
		return d.add(Object{Path: path, CID: l.cid, Size: int64(len(slice))})
	}
	n, _, err := at.node(ctx, d.getter, l)
	if err != nil {
		return err
	}
	if n.kind == fileNode {
		return d.file(ctx, l.cid, path)
	}
	if at.shard == 0 {
		if d.dirs++; d.dirs > maxObjects {
			return fmt.Errorf("%w: more than %d directories", ErrTooLarge, maxObjects)
		}
		if len(n.links) == 0 && path != "" {
			d.manifest.Dirs = append(d.manifest.Dirs, path)
		}
	}
	for _, below := range n.links {
		name := below.name
		if n.kind == hamtNode {
			name = name[n.prefix:]
		}
		whole := path
		if name != "" {
			whole = strings.TrimPrefix(path+"/"+name, "/")
		}
		if err := d.visit(ctx, below, whole, at.below(n, below)); err != nil {
			return err
		}
	}
	return nil
}

func (d *deriver) add(o Object) error {
	if len(d.manifest.Objects) >= maxObjects {
		return fmt.Errorf("%w: more than %d objects", ErrTooLarge, maxObjects)
	}
	d.manifest.Objects = append(d.manifest.Objects, o.complete())
	return nil
}

// file reads a file of several slices.
func (d *deriver) file(ctx context.Context, cid CID, path string) error {
	file, err := OpenFile(ctx, d.getter, cid)
	if err != nil {
		return err
	}
	o := Object{Path: path, CID: cid, Size: file.Size()}
	first, err := file.Spans(ctx, 0, 1)
	if err != nil {
		return err
	}
	o.First = first[0].CID
	hash := sha256.New()
	if _, err := file.Copy(ctx, hash, 0, file.Size()); err != nil {
		return err
	}
	hash.Sum(o.SHA256[:0])
	return d.add(o)
}
