package sds

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Folder collects objects under paths and makes a bundle of them. It holds an
// entry for each, no content. It is not for use by several goroutines at once.
type Folder struct {
	objects map[string]Object
	// dirs maps every directory, also those that follow from the paths of
	// objects, to whether something is in it. The bundle itself is "".
	dirs map[string]bool
}

// NewFolder returns an empty folder, which is a bundle already.
func NewFolder() *Folder {
	return &Folder{objects: make(map[string]Object), dirs: map[string]bool{"": false}}
}

// Add puts an object under its path, the directories above it included. An
// empty Type is taken from MediaType; for an object of one slice the other
// fields follow from its CID. A path that is not clean, taken already, or below
// or above that of another object is ErrMalformed.
func (f *Folder) Add(o Object) error {
	if len(f.objects) >= maxObjects {
		return fmt.Errorf("add %.80q: %w: %d objects are in the folder", o.Path, ErrTooLarge, maxObjects)
	}
	o = o.complete()
	if err := o.check(); err != nil {
		return fmt.Errorf("add to folder: %w", err)
	}
	if o.Path == "" {
		return fmt.Errorf("add to folder: %w: an object without a path", ErrMalformed)
	}
	if err := f.claim(o.Path); err != nil {
		return err
	}
	if _, isDir := f.dirs[o.Path]; isDir {
		return fmt.Errorf("add %.80q: %w: it is a directory", o.Path, ErrMalformed)
	}
	f.objects[o.Path] = o
	return nil
}

// AddDir puts a directory under a path, which need not stay empty. Adding one
// that is there is harmless.
func (f *Folder) AddDir(path string) error {
	clean, err := CleanPath(path)
	if err != nil {
		return fmt.Errorf("add a directory to folder: %w", err)
	}
	if _, isDir := f.dirs[clean]; isDir {
		return nil
	}
	if len(f.dirs) >= maxObjects {
		return fmt.Errorf("add directory %.80q: %w: %d are in the folder", path, ErrTooLarge, maxObjects)
	}
	if err := f.claim(clean); err != nil {
		return err
	}
	f.dirs[clean] = false
	return nil
}

// claim checks that a path is free and below no object, and makes the
// directories above it.
func (f *Folder) claim(path string) error {
	for above := path; above != ""; above = parent(above) {
		if _, taken := f.objects[above]; taken {
			return fmt.Errorf("add %.80q: %w: %.80q is an object already", path, ErrMalformed, above)
		}
	}
	for above := path; above != ""; {
		above = parent(above)
		if f.dirs[above] {
			break
		}
		f.dirs[above] = true
	}
	return nil
}

// parent is the directory of a path, "" for the bundle itself.
func parent(path string) string {
	return path[:max(strings.LastIndexByte(path, '/'), 0)]
}

// Build makes the directories, gives their nodes to sink, children before
// parents, and returns the manifest of the bundle. Building twice gives the
// same.
func (f *Folder) Build(ctx context.Context, sink Sink) (*Manifest, error) {
	paths := slices.Sorted(maps.Keys(f.objects))
	m := &Manifest{Objects: make([]Object, len(paths))}
	inside := make(map[string][]entry, len(f.dirs))
	for i, path := range paths {
		o := f.objects[path]
		m.Objects[i] = o
		weight, err := treeSize(ctx, o.Size)
		if err != nil {
			return nil, fmt.Errorf("build a folder: %w", err)
		}
		inside[parent(path)] = append(inside[parent(path)], entry{name: base(path), cid: o.CID, weight: weight})
	}
	// Backwards in order of bytes, whatever lies in a directory comes before it.
	dirs := slices.Sorted(maps.Keys(f.dirs))
	for _, dir := range slices.Backward(dirs) {
		made, err := buildDir(ctx, inside[dir], sink)
		if err != nil {
			return nil, fmt.Errorf("build directory %.80q: %w", dir, err)
		}
		delete(inside, dir)
		if dir == "" {
			m.Root = made.cid
			break
		}
		made.name = base(dir)
		inside[parent(dir)] = append(inside[parent(dir)], made)
	}
	for _, dir := range dirs {
		if dir != "" && !f.dirs[dir] {
			m.Dirs = append(m.Dirs, dir)
		}
	}
	return m, nil
}

func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }
