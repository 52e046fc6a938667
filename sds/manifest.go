package sds

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Bounds on manifests, of our own and of others.
const (
	// MaxManifestSize bounds the bytes of a manifest.
	MaxManifestSize = 32 << 20
	// maxObjects bounds objects, and directories, of one bundle.
	maxObjects = 1 << 18
)

// A Manifest lists the objects under a root, with what an answer's head needs.
// It lies beside the root, is no part of it, and can be derived from it.
type Manifest struct {
	// Root is the bundle, or the object if it stands alone.
	Root CID
	// Objects, sorted by Path. A loose object is the only one, with Path "".
	Objects []Object
	// Dirs are the directories in which nothing is, sorted; all others follow
	// from the paths of the objects. The root itself is never among them.
	Dirs []string
}

// NewObjectManifest is the manifest of an object that stands alone.
func NewObjectManifest(o Object) *Manifest {
	o = o.complete()
	o.Path = ""
	return &Manifest{Root: o.CID, Objects: []Object{o}}
}

// Find looks an object up by its path.
func (m *Manifest) Find(path string) (Object, bool) {
	i, found := slices.BinarySearchFunc(m.Objects, path, func(o Object, path string) int {
		return strings.Compare(o.Path, path)
	})
	if !found {
		return Object{}, false
	}
	return m.Objects[i], true
}

// Size is the sum of the objects' sizes.
func (m *Manifest) Size() int64 {
	var sum int64
	for i := range m.Objects {
		sum += m.Objects[i].Size
	}
	return sum
}

// check sees to it that the entries are sorted, allowed, and that none lies
// below another that is no directory.
func (m *Manifest) check() error {
	if m.Root.Codec == Raw || len(m.Objects) == 1 && m.Objects[0].Path == "" {
		if len(m.Objects) != 1 || len(m.Dirs) > 0 || m.Objects[0].Path != "" || m.Objects[0].CID != m.Root {
			return fmt.Errorf("root %s: %w: want one object, itself, without a path", m.Root, ErrMalformed)
		}
		return m.Objects[0].check()
	}
	if m.Root.Codec != DagPB {
		return fmt.Errorf("%w: no root", ErrMalformed)
	}
	if len(m.Objects) > maxObjects || len(m.Dirs) > maxObjects {
		return fmt.Errorf("%w: %d objects and %d directories, at most %d", ErrTooLarge, len(m.Objects), len(m.Dirs), maxObjects)
	}
	leaves := make(map[string]bool, len(m.Objects)+len(m.Dirs))
	for i := range m.Objects {
		o := &m.Objects[i]
		if o.Path == "" || i > 0 && o.Path <= m.Objects[i-1].Path {
			return fmt.Errorf("object %d, %.80q: %w: out of order", i, o.Path, ErrMalformed)
		}
		if err := o.check(); err != nil {
			return err
		}
		leaves[o.Path] = true
	}
	for i, dir := range m.Dirs {
		if i > 0 && dir <= m.Dirs[i-1] || leaves[dir] {
			return fmt.Errorf("directory %d, %.80q: %w: out of order", i, dir, ErrMalformed)
		}
		if clean, err := CleanPath(dir); err != nil || clean != dir {
			return fmt.Errorf("directory %.80q: %w: not clean", dir, ErrMalformed)
		}
	}
	for _, dir := range m.Dirs {
		leaves[dir] = true
	}
	for path := range leaves {
		for above := parent(path); above != ""; above = parent(above) {
			if leaves[above] {
				return fmt.Errorf("%.80q: %w: it lies below %.80q, which is an object or empty", path, ErrMalformed, above)
			}
		}
	}
	return nil
}

// Encode writes the manifest through sink as an object of its own, a single
// slice up to 1 MiB, and returns its CID. The same manifest gives the same CID
// everywhere. One that breaks its rules is ErrMalformed.
func (m *Manifest) Encode(ctx context.Context, sink Sink) (CID, error) {
	text, err := m.marshal()
	if err != nil {
		return CID{}, fmt.Errorf("encode manifest of %s: %w", m.Root, err)
	}
	built, err := Import(ctx, bytes.NewReader(text), sink)
	if err != nil {
		return CID{}, fmt.Errorf("encode manifest of %s: %w", m.Root, err)
	}
	return built.Root, nil
}

// LoadManifest reads the manifest that Encode wrote as cid, and checks that it
// is that of root. It cannot tell whether the manifest says the truth about the
// root; who needs that compares with DeriveManifest.
func LoadManifest(ctx context.Context, g Getter, cid, root CID) (*Manifest, error) {
	m, err := loadManifest(ctx, g, cid)
	if err != nil {
		return nil, fmt.Errorf("load manifest %s: %w", cid, err)
	}
	if m.Root != root {
		return nil, fmt.Errorf("load manifest %s: %w: it is that of %s, want %s", cid, ErrMalformed, m.Root, root)
	}
	return m, nil
}

func loadManifest(ctx context.Context, g Getter, cid CID) (*Manifest, error) {
	file, err := OpenFile(ctx, g, cid)
	if err != nil {
		return nil, err
	}
	if file.Size() > MaxManifestSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, file.Size(), MaxManifestSize)
	}
	// Not made in its full size at once: the size is what others say.
	var text bytes.Buffer
	n, err := file.Copy(ctx, &text, 0, file.Size())
	if err != nil {
		return nil, err
	}
	if n != file.Size() {
		return nil, errors.New("manifest cut short")
	}
	return unmarshalManifest(text.Bytes())
}
