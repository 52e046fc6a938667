// Package inventory is what a meta node believes its edges hold: units,
// complete or in part, and a Bloom filter over what each has cached.
//
// Edges report changes in their beats. Because a beat may be lost, both sides
// keep a digest of 256 buckets; now and then the edge sends its own, the meta
// node answers with the buckets that differ, and the edge reports these whole:
//
//	beat      Apply, Cached, WantDigest
//	digest    Diff
//	report    Report
//
// What is held is a version of a unit: a unit's key with the root that is
// pinned. An edge has several versions of a unit while an old one rests.
//
// Memory is the truth of this process and the view store follows it, so that a
// restart is warm. A wiped store is filled again from memory, an empty memory
// by the edges' next digests. docs/formats/inventory.md has the bytes.
package inventory

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/bits-and-blooms/bloom/v3"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/viewstore"
	"github.com/stratos-mesh/stratos/sds"
)

// ErrTooMany: an edge reports more holdings than Config.PerEdge. Those beyond
// are not believed, the rest is. It is also meta.ErrInvalid.
var ErrTooMany = fmt.Errorf("%w: more holdings than an edge may report", meta.ErrInvalid)

// Config of an inventory.
type Config struct {
	// Scope keeps it over restarts; nil keeps it in memory alone.
	Scope viewstore.Scope
	// PerEdge bounds the holdings of one edge; 0 is 500,000, some 150 MB.
	PerEdge int
	// DigestEvery is how often WantDigest asks; 0 is 10 minutes.
	DigestEvery time.Duration
}

// Version is what is held: one root of one unit.
type Version struct {
	Unit meta.UnitKey
	Root sds.CID
}

// Copy is an edge's holding of a version.
type Copy struct {
	Edge  meta.EdgeID
	State meta.HoldingState
	// Share per mille of a partial one.
	Share uint16
}

// Inventory is safe for concurrent use.
type Inventory struct {
	config Config

	persist sync.Mutex // orders what is written to the scope; taken before mu

	mu    sync.RWMutex // guards all below
	edges map[meta.EdgeID]*edge
	held  map[Version][]Copy
}

type edge struct {
	holdings map[Version]meta.Holding
	digest   Digest
	filter   *bloom.BloomFilter
	boot     [8]byte
	digested time.Time      // of this boot; zero: not yet
	compared bool           // once a digest was the same, or all that differed was reported
	pending  map[uint8]bool // buckets that differed and were not reported yet
}

// New makes an empty inventory; Load fills it from the scope.
func New(config Config) *Inventory {
	if config.PerEdge == 0 {
		config.PerEdge = 500_000
	}
	if config.DigestEvery == 0 {
		config.DigestEvery = 10 * time.Minute
	}
	return &Inventory{config: config, edges: make(map[meta.EdgeID]*edge), held: make(map[Version][]Copy)}
}

// of returns an edge's state, made when it is new. The caller holds mu.
func (v *Inventory) of(id meta.EdgeID) *edge {
	e := v.edges[id]
	if e == nil {
		e = &edge{holdings: make(map[Version]meta.Holding)}
		v.edges[id] = e
	}
	return e
}

// put believes a holding; Gone forgets it. The caller holds mu.
func (v *Inventory) put(id meta.EdgeID, e *edge, h meta.Holding) error {
	version := Version{h.Unit, h.Root}
	old, known := e.holdings[version]
	switch h.State {
	case meta.Partial, meta.Complete:
		if !known && len(e.holdings) >= v.config.PerEdge {
			return ErrTooMany
		}
	case meta.Gone:
		if !known {
			return nil
		}
	default:
		return fmt.Errorf("%w: holding of state %d", meta.ErrInvalid, h.State)
	}
	copies := v.held[version]
	at := slices.IndexFunc(copies, func(c Copy) bool { return c.Edge == id })
	if known {
		e.digest.Remove(old)
	}
	if h.State == meta.Gone {
		delete(e.holdings, version)
		// A new slice, because Copies hands out the old one.
		copies = append(slices.Clone(copies[:at]), copies[at+1:]...)
	} else {
		e.holdings[version] = h
		e.digest.Add(h)
		c := Copy{id, h.State, h.Share}
		if at < 0 {
			copies = append(slices.Clip(copies), c)
		} else {
			copies = slices.Clone(copies)
			copies[at] = c
		}
	}
	if len(copies) == 0 {
		delete(v.held, version)
	} else {
		v.held[version] = copies
	}
	return nil
}

// Copies returns who holds a version, complete or in part. The slice is shared:
// nobody may change it.
func (v *Inventory) Copies(unit meta.UnitKey, root sds.CID) []Copy {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.held[Version{unit, root}]
}

// Holders returns the edges that hold a version completely, in no order.
func (v *Inventory) Holders(unit meta.UnitKey, root sds.CID) []meta.EdgeID {
	var out []meta.EdgeID
	for _, c := range v.Copies(unit, root) {
		if c.State == meta.Complete {
			out = append(out, c.Edge)
		}
	}
	return out
}

// Maybe returns those of some edges whose cache may have some of a unit: all
// but the ones that certainly do not.
func (v *Inventory) Maybe(unit meta.UnitKey, among []meta.EdgeID) []meta.EdgeID {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var out []meta.EdgeID
	for _, id := range among {
		if e := v.edges[id]; e != nil && e.filter != nil && e.filter.Test(unit[:]) {
			out = append(out, id)
		}
	}
	return out
}

// All yields every version that is held, with its copies, as of the call.
func (v *Inventory) All() iter.Seq2[Version, []Copy] {
	v.mu.RLock()
	versions := slices.Collect(maps.Keys(v.held))
	v.mu.RUnlock()
	return func(yield func(Version, []Copy) bool) {
		for _, version := range versions {
			if copies := v.Copies(version.Unit, version.Root); len(copies) > 0 && !yield(version, copies) {
				return
			}
		}
	}
}

// Holdings returns what an edge holds, in no order.
func (v *Inventory) Holdings(id meta.EdgeID) []meta.Holding {
	v.mu.RLock()
	defer v.mu.RUnlock()
	e := v.edges[id]
	if e == nil {
		return nil
	}
	return slices.Collect(maps.Values(e.holdings))
}

// Count is how many holdings an edge has.
func (v *Inventory) Count(id meta.EdgeID) int64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if e := v.edges[id]; e != nil {
		return int64(len(e.holdings))
	}
	return 0
}

// Synced tells that this process compared an edge's digest with its own once,
// and has heard all that differed. Until then what is not believed to be held
// may be held all the same. A reboot does not change it: what an edge held
// before is believed until it says otherwise.
func (v *Inventory) Synced(id meta.EdgeID) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	e := v.edges[id]
	return e != nil && e.compared
}
