// Package catalog holds what this edge knows of roots: their records, their
// parsed manifests, and each object with its header values ready to send.
//
// A ticket binds the digest of a root. The first request for a root asks the
// meta node once, reads the manifest, and builds a table; every later one is
// two map look-ups. Tables are kept within a byte budget; one that is dropped
// is rebuilt on the next request.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// Index is what a catalog asks a meta node.
type Index interface {
	Locate(ctx context.Context, root [32]byte) (meta.Resolution, error)
	Resolve(ctx context.Context, path string) (meta.Resolution, error)
}

// Config of a Catalog. Every function is required.
type Config struct {
	Index Index
	// Getter reads blocks from here or, by want, from other edges.
	Getter func(want peers.Want) sds.Getter
	// Assigned finds the records, one a name, of a root that this edge keeps a
	// replica of.
	Assigned func(digest [32]byte) []meta.Record
	// RootRevoked says why a root must not be served, Revoked why an object must
	// not, in whatever root; nil when they may.
	RootRevoked, Revoked func(cid sds.CID) error
	// ChainID of the network, under which owners sign.
	ChainID func() string
	// Keeps tells whether this edge keeps a unit of a root; nil keeps none.
	Keeps func(unit meta.UnitKey, root sds.CID) bool
	// ShardSize is how many bytes of a bundle are one unit; 0 is meta.ShardSize.
	ShardSize int64
	// Budget of parsed manifests in bytes; 0 is 32 MiB.
	Budget int64
}

const (
	// loadTimeout bounds finding a root and reading its manifest.
	loadTimeout = 20 * time.Second
	// manifestTimeout is the part of it after which the tree is read instead.
	manifestTimeout = 5 * time.Second
	// outlineTime is how long a root is served without its manifest, before that
	// is looked for again.
	outlineTime = time.Minute
)

// Catalog finds roots by the digest that tickets bind.
type Catalog struct {
	config Config
	roots  *otter.Cache[[32]byte, *Root]
	once   singleflight.Group
	asking *rate.Limiter

	// Refused counts states of growing bundles that were not believed.
	Refused atomic.Int64

	mu      sync.Mutex // guards following
	absent  map[[32]byte]absence
	growing map[[32]byte]*growing
}

// absence remembers for a moment that the meta node knows no such root.
type absence struct {
	err   error
	until time.Time
}

const (
	absenceTime = 2 * time.Second
	maxAbsent   = 4096
)

// New makes an empty catalog.
func New(config Config) (*Catalog, error) {
	if config.Budget == 0 {
		config.Budget = 32 << 20
	}
	if config.ShardSize == 0 {
		config.ShardSize = meta.ShardSize
	}
	if config.Keeps == nil {
		config.Keeps = func(meta.UnitKey, sds.CID) bool { return false }
	}
	roots, err := otter.New(&otter.Options[[32]byte, *Root]{
		MaximumWeight: uint64(config.Budget),
		// One root takes a quarter at most: a folder so large that it fits in no
		// budget must be served all the same.
		Weigher: func(_ [32]byte, r *Root) uint32 { return uint32(min(int64(r.weight), config.Budget/4)) },
		OnAtomicDeletion: func(e otter.DeletionEvent[[32]byte, *Root]) {
			e.Value.table.Store(nil)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	return &Catalog{config: config, roots: roots, asking: rate.NewLimiter(asksPerSecond, asksAtOnce), absent: make(map[[32]byte]absence), growing: make(map[[32]byte]*growing)}, nil
}

// Root finds a root by its digest. Sources are holders that the ticket names.
func (c *Catalog) Root(ctx context.Context, digest [32]byte, sources []meta.EdgeID) (*Root, error) {
	if r, ok := c.roots.GetIfPresent(digest); ok {
		return r, nil
	}
	if err := c.isAbsent(digest); err != nil {
		return nil, err
	}
	// The load outlives a caller that goes away: others may be waiting for it.
	loaded := c.once.DoChan(string(digest[:]), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
		defer cancel()
		r, err := c.load(ctx, digest, sources)
		if err != nil {
			c.remember(digest, err)
			return nil, err
		}
		c.roots.Set(digest, r)
		return r, nil
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case result := <-loaded:
		if result.Err != nil {
			return nil, result.Err
		}
		return result.Val.(*Root), nil
	}
}

func (c *Catalog) load(ctx context.Context, digest [32]byte, sources []meta.EdgeID) (*Root, error) {
	assigned := c.config.Assigned(digest)
	var shards [][]meta.EdgeID
	want := peers.Want{Holders: sources}
	var record meta.Record
	if len(assigned) > 0 {
		record, want.Class = assigned[0], sds.Pinned
		if len(record.Units) > 1 { // others hold what is not kept here
			if found, err := c.config.Index.Locate(ctx, digest); err == nil {
				want.Holders, shards = append(slices.Clip(want.Holders), found.Holders...), found.Shards
			}
		}
	} else {
		found, err := c.config.Index.Locate(ctx, digest)
		if err != nil {
			return nil, fmt.Errorf("locate root %x: %w", digest[:8], err)
		}
		record, shards = found.Record, found.Shards
		if record.Root.Digest != digest {
			return nil, fmt.Errorf("locate root %x: meta node answered with %s: %w", digest[:8], record.Root, meta.ErrInvalid)
		}
		for _, id := range found.Holders {
			if !slices.Contains(want.Holders, id) {
				want.Holders = append(slices.Clip(want.Holders), id)
			}
		}
	}
	if len(record.Units) > 0 {
		want.Unit = record.Units[0]
	}
	if err := c.config.RootRevoked(record.Root); err != nil {
		return nil, fmt.Errorf("root %s: %w", record.Root, err)
	}
	manifest, err := c.manifest(ctx, record, want)
	if err != nil {
		return nil, fmt.Errorf("manifest of %s: %w", record.Root, err)
	}
	root := newRoot(record, want, manifest, c.config.Revoked)
	if len(record.Units) > 1 {
		root.split(c.wants(record, want, shards), sds.Shard{Count: len(record.Units), Bytes: c.config.ShardSize})
	}
	for _, other := range assigned[min(1, len(assigned)):] {
		root.addAlias(string(other.Name))
	}
	c.mark(root)
	return root, nil
}

// manifest reads a root's manifest. A lost or broken one is no reason to refuse,
// nor to read all content while a viewer waits: the tree outlines the same, but
// for the digests of large files. The manifest is looked for again later.
func (c *Catalog) manifest(ctx context.Context, record meta.Record, want peers.Want) (*sds.Manifest, error) {
	getter := c.config.Getter(want)
	if record.Manifest.Defined() {
		short, cancel := context.WithTimeout(ctx, manifestTimeout)
		m, err := sds.LoadManifest(short, getter, record.Manifest, record.Root)
		cancel()
		if err == nil || ctx.Err() != nil {
			return m, err
		}
		time.AfterFunc(outlineTime, func() { c.Forget(record.Root.Digest) })
	}
	return sds.Outline(ctx, getter, record.Root)
}

// isAbsent repeats an answer that is fresh enough.
func (c *Catalog) isAbsent(digest [32]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.absent[digest]
	if !ok || time.Now().After(a.until) {
		return nil
	}
	return a.err
}

func (c *Catalog) remember(digest [32]byte, err error) {
	if !errors.Is(err, meta.ErrNotFound) && !errors.Is(err, meta.ErrDeleted) && !errors.Is(err, meta.ErrBanned) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.absent) >= maxAbsent {
		clear(c.absent)
	}
	c.absent[digest] = absence{err, time.Now().Add(absenceTime)}
}

// Forget drops a root's table, after its record or its place changed.
func (c *Catalog) Forget(digest [32]byte) { c.roots.Invalidate(digest) }

// Revoke applies new revocations to what is in memory, so that reads under way
// stop too.
func (c *Catalog) Revoke() {
	c.mu.Lock()
	clear(c.absent) // some may be served again
	c.mu.Unlock()
	for _, r := range c.roots.All() {
		c.mark(r)
	}
}

// Stopped says why an object must not be sent any further, by what is in force
// now: what a delivery began with may have left the memory since, and then no
// revocation reaches it there.
func (c *Catalog) Stopped(r *Root, o *Object) error {
	if err := c.config.RootRevoked(r.Record.Root); err != nil {
		return err
	}
	return c.config.Revoked(o.CID)
}

// mark sets the revoked flags of a root and of its objects, or takes them away
// where a revocation was lifted.
func (c *Catalog) mark(r *Root) {
	r.revoked.Store(reason(c.config.RootRevoked(r.Record.Root)))
	t := r.table.Load()
	if t == nil {
		return
	}
	for _, e := range t.entries {
		if o := e.ready.Load(); o != nil {
			o.revoked.Store(reason(c.config.Revoked(o.CID)))
		}
	}
}

func reason(err error) *error {
	if err == nil {
		return nil
	}
	return &err
}
