package index

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/viewstore"
	"github.com/stratos-mesh/stratos/sds"
)

// maxPath bounds what is resolved: a name, and a path inside its bundle.
const maxPath = 4096

// cleanPath checks a path that begins with a name and may go on inside a bundle,
// which together may be longer than either.
func cleanPath(path string) (string, error) {
	namespace, rest, found := strings.Cut(path, "/")
	if err := meta.CheckNamespace(namespace); err != nil {
		return "", err
	}
	if !found || len(path) > maxPath {
		return "", fmt.Errorf("path %.80q: %w: want namespace/name, at most %d bytes", path, meta.ErrInvalid, maxPath)
	}
	clean := namespace
	for component := range strings.SplitSeq(rest, "/") {
		c, err := sds.CleanPath(component)
		if err != nil {
			return "", fmt.Errorf("path %.80q: %w: %w", path, meta.ErrInvalid, err)
		}
		clean += "/" + c
	}
	return clean, nil
}

// Resolve finds the one live name that is path or lies above it, and the rest of
// the path. Without one it tells what was removed from what never was.
func (x *Index) Resolve(ctx context.Context, path string) (*Name, string, error) {
	clean, err := cleanPath(strings.TrimSuffix(path, "/"))
	if err != nil {
		return nil, "", err
	}
	candidates := append(meta.Name(clean).Ancestors(), meta.Name(clean))
	candidates = slices.DeleteFunc(candidates, func(name meta.Name) bool { return len(name) > meta.MaxName })
	c := x.begin()
	for _, name := range candidates {
		n, err := c.name(ctx, "n/", name)
		if err != nil {
			return nil, "", fmt.Errorf("index: %w", err)
		}
		if n == nil {
			continue
		}
		if err := c.served(ctx, n.Root); err != nil {
			return nil, "", fmt.Errorf("%s: %w", name, err)
		}
		rest := strings.TrimPrefix(clean[len(name):], "/")
		if rest != "" && strings.HasSuffix(path, "/") {
			rest += "/"
		}
		return n, rest, nil
	}
	for _, name := range candidates {
		gone, err := c.has(ctx, "d/"+string(name))
		if err != nil {
			return nil, "", fmt.Errorf("index: %w", err)
		}
		if gone {
			return nil, "", fmt.Errorf("%s: %w", clean, meta.ErrDeleted)
		}
	}
	return nil, "", fmt.Errorf("%s: %w", clean, meta.ErrNotFound)
}

// Name returns one name, live or removed; nil when it never was.
func (x *Index) Name(ctx context.Context, name meta.Name) (n *Name, live bool, err error) {
	n, live, err = x.begin().either(ctx, name)
	if err != nil {
		return nil, false, fmt.Errorf("index: %w", err)
	}
	return n, live && n != nil, nil
}

// Locate finds a live name by the digest of its root: the lowest, of several.
func (x *Index) Locate(ctx context.Context, digest [32]byte) (*Name, error) {
	c := x.begin()
	root := sds.CID{Codec: sds.Raw, Digest: digest}
	if err := c.served(ctx, root); err != nil {
		return nil, fmt.Errorf("root %x: %w", digest, err)
	}
	prefix := rootKey("r/", root) + "/"
	key, found, err := c.first(ctx, prefix, "")
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	if !found {
		return nil, fmt.Errorf("root %x: %w", digest, meta.ErrNotFound)
	}
	n, err := c.name(ctx, "n/", meta.Name(strings.TrimPrefix(key, prefix)))
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	if n == nil {
		return nil, fmt.Errorf("root %x: %w", digest, meta.ErrNotFound)
	}
	return n, nil
}

// Bound finds a live bundle by its meta.GrowingBind.
func (x *Index) Bound(ctx context.Context, bind [32]byte) (*Name, error) {
	c := x.begin()
	name, err := c.get(ctx, hexKey("y/", bind[:]))
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	if name == nil {
		return nil, fmt.Errorf("bind %x: %w", bind, meta.ErrNotFound)
	}
	n, live, err := x.Name(ctx, meta.Name(name))
	switch {
	case err != nil:
		return nil, err
	case !live:
		return nil, fmt.Errorf("bind %x: %w", bind, meta.ErrDeleted)
	}
	if err := c.served(ctx, n.Root); err != nil {
		return nil, fmt.Errorf("bind %x: %w", bind, err)
	}
	return n, nil
}

// List returns live names that begin with prefix, in byte order, from after a
// cursor, which is the last name of the page before.
func (x *Index) List(ctx context.Context, prefix, cursor string, limit int) (meta.Page, error) {
	if limit == 0 {
		limit = 100
	}
	if limit < 1 || limit > 1000 || len(prefix) > meta.MaxName || len(cursor) > meta.MaxName {
		return meta.Page{}, fmt.Errorf("listing: %w: limit 1 to 1000, prefix and cursor up to %d bytes", meta.ErrInvalid, meta.MaxName)
	}
	after := ""
	if cursor != "" {
		after = "n/" + cursor
	}
	entries, err := x.scope.Scan(ctx, "n/"+prefix, after, limit)
	if err != nil {
		return meta.Page{}, fmt.Errorf("index: %w", err)
	}
	var page meta.Page
	for _, e := range entries {
		n, err := decodeName(meta.Name(strings.TrimPrefix(e.Key, "n/")), e.Value)
		if err != nil {
			return meta.Page{}, err
		}
		page.Records = append(page.Records, n.Record)
	}
	if len(entries) == limit {
		page.Next = string(page.Records[limit-1].Name)
	}
	return page, nil
}

// Owner of a namespace; nil when nobody claimed it.
func (x *Index) Owner(ctx context.Context, namespace string) ([]byte, error) {
	owner, err := x.begin().get(ctx, "o/"+namespace)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	return owner, nil
}

// Shared returns the random bytes of the unit that a loose object falls into;
// nil when none was published there.
func (x *Index) Shared(ctx context.Context, name meta.Name) ([]byte, error) {
	random, err := x.begin().get(ctx, sharedKey(name))
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	return random, nil
}

// RootState is what sweeping needs to know of a root.
type RootState int

// What can be said of a root.
const (
	// Unknown: no name, no pin, and its rest is over or it never was.
	Unknown RootState = iota
	// Kept by a name or a pin.
	Kept
	// Rests until its grace is over.
	Rests
)

// Root tells what is known of a root by its digest.
func (x *Index) Root(ctx context.Context, digest [32]byte) (RootState, error) {
	c := x.begin()
	hexed := hex.EncodeToString(digest[:])
	for _, prefix := range []string{"r/", "p/"} {
		_, found, err := c.first(ctx, prefix+hexed+"/", "")
		if err != nil {
			return Unknown, fmt.Errorf("index: %w", err)
		}
		if found {
			return Kept, nil
		}
	}
	resting, err := c.has(ctx, "g/"+hexed)
	switch {
	case err != nil:
		return Unknown, fmt.Errorf("index: %w", err)
	case resting:
		return Rests, nil
	}
	return Unknown, nil
}

// Last is the name that last pointed to a root, as it was then; nil when the root
// is forgotten or never was.
func (x *Index) Last(ctx context.Context, root sds.CID) (*Name, error) {
	b, err := x.begin().get(ctx, rootKey("t/", root))
	if err != nil || b == nil {
		return nil, err
	}
	return decodeNamed(b)
}

// Resting calls each for every root that rests.
func (x *Index) Resting(ctx context.Context, each func(Resting) error) error {
	return viewstore.All(ctx, x.scope, "g/", func(e viewstore.Entry) error {
		g, err := decodeResting(e.Value)
		if err != nil {
			return err
		}
		return each(g)
	})
}

// Pins calls each for every pin.
func (x *Index) Pins(ctx context.Context, each func(Pin) error) error {
	return viewstore.All(ctx, x.scope, "p/", func(e viewstore.Entry) error {
		p, err := decodePin(e.Value)
		if err != nil {
			return err
		}
		return each(p)
	})
}

// Names calls each for every live name, in byte order.
func (x *Index) Names(ctx context.Context, each func(*Name) error) error {
	return viewstore.All(ctx, x.scope, "n/", func(e viewstore.Entry) error {
		n, err := decodeName(meta.Name(strings.TrimPrefix(e.Key, "n/")), e.Value)
		if err != nil {
			return err
		}
		return each(n)
	})
}

// Unit calls each for every live name in a unit.
func (x *Index) Unit(ctx context.Context, unit meta.UnitKey, each func(*Name) error) error {
	prefix := hexKey("u/", unit[:]) + "/"
	return viewstore.All(ctx, x.scope, prefix, func(e viewstore.Entry) error {
		n, err := x.begin().name(ctx, "n/", meta.Name(strings.TrimPrefix(e.Key, prefix)))
		if err != nil || n == nil {
			return err
		}
		return each(n)
	})
}

// Free refuses a name that lies above or below a live one.
func (x *Index) Free(ctx context.Context, name meta.Name) error {
	return x.begin().free(ctx, name, "")
}

// Others tells whether other live names than one point to a root.
func (x *Index) Others(ctx context.Context, root sds.CID, than meta.Name) (bool, error) {
	_, found, err := x.begin().first(ctx, rootKey("r/", root)+"/", rootKey("r/", root)+"/"+string(than))
	if err != nil {
		return false, fmt.Errorf("index: %w", err)
	}
	return found, nil
}

// Same tells whether a publication would change nothing about a live name.
func (n *Name) Same(p *meta.Publication, units []meta.UnitKey) bool {
	return sameContent(&n.Record, &meta.Record{
		Kind: p.Kind, Root: p.Root, Manifest: p.Manifest, Replicas: p.Replicas, Size: p.Size, Objects: p.Objects, Units: units,
	})
}
