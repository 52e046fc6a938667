// Package keep looks after what this edge was given to hold: it makes replicas,
// checks them, heals them, and sweeps what belongs to none.
//
// Nothing is counted by reference. A block goes when it is reachable from no
// root that is held here and from no upload that is open; this is found by
// marking, so slices that two roots share stay with the other one.
package keep

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/edge/fill"
	"github.com/stratos-mesh/stratos/edge/state"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// Config of a Keeper. All but Changed are required.
type Config struct {
	// Store holds the blocks, on disk; it must be a Lister for full sweeps.
	Store sds.Store
	// Forget takes a block that was deleted out of the memory before the disk.
	Forget func(cid sds.CID)
	Fill   *fill.Filler
	// Banned says why an object may be neither fetched nor stored; nil when it
	// may. A unit is complete without it.
	Banned func(cid sds.CID) error
	State  *state.State
	// Changed is told the digest of a root that came or went; may be nil.
	Changed func(root [32]byte)
	Logger  *slog.Logger
	Now     func() time.Time
	// ShardSize is how many bytes of a bundle are one unit; 0 is meta.ShardSize.
	ShardSize int64
}

// Keeper knows the units that this edge holds.
type Keeper struct {
	config Config

	mu      sync.Mutex // guards following
	units   map[state.UnitID]*state.Unit
	roots   map[[32]byte]int // held units by root digest
	changes map[change]meta.Holding

	work  sync.Mutex // held by whatever adds or removes units
	sweep sweep
}

// change is what a beat reports of: loose objects of one unit are told apart by
// their root.
type change struct {
	unit meta.UnitKey
	root sds.CID
}

// Open reads the units that a state has.
func Open(config Config) (*Keeper, error) {
	if config.ShardSize == 0 {
		config.ShardSize = meta.ShardSize
	}
	k := &Keeper{
		config: config, units: make(map[state.UnitID]*state.Unit),
		roots: make(map[[32]byte]int), changes: make(map[change]meta.Holding),
	}
	list, err := config.State.Units()
	if err != nil {
		return nil, fmt.Errorf("read units: %w", err)
	}
	for _, u := range list {
		k.units[u.ID()] = &u
		k.roots[u.Record.Root.Digest]++
	}
	return k, nil
}

// Assigned finds the records of a root that this edge holds a part of, by name:
// one for each, or two where two names have the same root.
func (k *Keeper) Assigned(digest [32]byte) []meta.Record {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.roots[digest] == 0 {
		return nil
	}
	var out []meta.Record
	for _, u := range k.units {
		if u.Record.Root.Digest == digest {
			out = append(out, u.Record)
		}
	}
	byName := func(a, b meta.Record) int { return strings.Compare(string(a.Name), string(b.Name)) }
	slices.SortFunc(out, byName)
	return slices.CompactFunc(out, func(a, b meta.Record) bool { return a.Name == b.Name })
}

// Keeps tells whether this edge was given a unit of a root to hold.
func (k *Keeper) Keeps(unit meta.UnitKey, root sds.CID) bool { return len(k.find(unit, root)) > 0 }

// Held finds a root whose name is the path or lies above it.
func (k *Keeper) Held(path string) ([32]byte, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var newest *state.Unit
	for _, u := range k.units {
		rest, ok := strings.CutPrefix(path, string(u.Record.Name))
		if !ok || rest != "" && rest[0] != '/' || !u.Complete {
			continue
		}
		if newest == nil || u.Record.Height > newest.Record.Height {
			newest = u
		}
	}
	if newest == nil {
		return [32]byte{}, false
	}
	return newest.Record.Root.Digest, true
}

// Holdings lists everything held, for a digest.
func (k *Keeper) Holdings() []meta.Holding {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make([]meta.Holding, 0, len(k.units))
	for _, u := range k.units {
		out = append(out, holding(u))
	}
	return out
}

// Units lists what is held, for status and checks.
func (k *Keeper) Units() []state.Unit {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make([]state.Unit, 0, len(k.units))
	for _, u := range k.units {
		out = append(out, *u)
	}
	return out
}

func holding(u *state.Unit) meta.Holding {
	h := meta.Holding{Unit: u.Unit, Root: u.Record.Root, State: meta.Partial, Share: u.Share}
	if u.Complete {
		h.State, h.Share = meta.Complete, 1000
	}
	return h
}

// Changes takes what changed since the last call. Restore gives it back when
// the beat that carried it was lost.
func (k *Keeper) Changes() []meta.Holding {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make([]meta.Holding, 0, len(k.changes))
	for _, h := range k.changes {
		out = append(out, h)
	}
	clear(k.changes)
	return out
}

// Restore gives changes back that nobody heard of; newer ones win.
func (k *Keeper) Restore(list []meta.Holding) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, h := range list {
		c := change{h.Unit, h.Root}
		if _, newer := k.changes[c]; !newer {
			k.changes[c] = h
		}
	}
}

// remember keeps a unit and reports it.
func (k *Keeper) remember(u *state.Unit) error {
	if err := k.config.State.PutUnit(*u); err != nil {
		return fmt.Errorf("remember unit %x: %w", u.Unit[:6], err)
	}
	k.mu.Lock()
	if _, known := k.units[u.ID()]; !known {
		k.roots[u.Record.Root.Digest]++
	}
	copied := *u
	k.units[u.ID()] = &copied
	k.changes[change{u.Unit, u.Record.Root}] = holding(u)
	k.mu.Unlock()
	k.changed(u.Record.Root.Digest)
	return nil
}

// forget drops a unit and reports it. Its blocks are swept by the caller.
func (k *Keeper) forget(u *state.Unit) error {
	if err := k.config.State.DropUnit(u.ID()); err != nil {
		return fmt.Errorf("forget unit %x: %w", u.Unit[:6], err)
	}
	k.mu.Lock()
	if _, known := k.units[u.ID()]; known {
		delete(k.units, u.ID())
		if k.roots[u.Record.Root.Digest]--; k.roots[u.Record.Root.Digest] == 0 {
			delete(k.roots, u.Record.Root.Digest)
		}
	}
	k.changes[change{u.Unit, u.Record.Root}] = meta.Holding{Unit: u.Unit, Root: u.Record.Root, State: meta.Gone}
	k.mu.Unlock()
	k.changed(u.Record.Root.Digest)
	return nil
}

func (k *Keeper) changed(digest [32]byte) {
	if k.config.Changed != nil {
		k.config.Changed(digest)
	}
}

// find returns the units that a task is about: one root's, or all of a unit's
// when the task names none.
func (k *Keeper) find(unit meta.UnitKey, root sds.CID) []*state.Unit {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []*state.Unit
	for _, u := range k.units {
		if u.Unit == unit && (!root.Defined() || u.Record.Root == root) {
			copied := *u
			out = append(out, &copied)
		}
	}
	return out
}

// Replicate makes and keeps a replica of a unit, or completes one: every block
// is read from here and checked, or fetched, and pinned. Doing it again is a
// check. What was there already counts, so a task may be stopped and repeated.
func (k *Keeper) Replicate(ctx context.Context, w meta.Work) error {
	k.work.Lock()
	u := &state.Unit{Unit: w.Unit, Shard: w.Shard, Record: w.Record, Sources: w.Sources}
	if old := k.find(w.Unit, w.Record.Root); len(old) > 0 {
		u.Complete, u.Share, u.Without = old[0].Complete, old[0].Share, old[0].Without
	}
	// Remembered before the first block, so that no sweep takes what arrives.
	err := k.remember(u)
	k.work.Unlock()
	if err != nil {
		return err
	}
	total, missing, err := k.complete(ctx, u, w.Rate)
	u.Complete = err == nil
	u.Share = 0
	if total > 0 {
		u.Share = uint16(1000 * (total - missing) / total)
	}
	k.work.Lock()
	defer k.work.Unlock()
	if len(k.find(w.Unit, w.Record.Root)) == 0 {
		return fmt.Errorf("unit %x was dropped meanwhile", w.Unit[:6])
	}
	if keepErr := k.remember(u); err == nil {
		err = keepErr
	}
	if err == nil {
		err = k.release(u)
	}
	return err
}

// release ends the leases of the uploads that brought a unit, so that its blocks
// live as long as its root does. A root of several units came under one grant:
// its leases run out by themselves, for other edges may still copy from here.
func (k *Keeper) release(u *state.Unit) error {
	if len(u.Record.Units) > 1 || !u.Record.Manifest.Defined() {
		return nil
	}
	if err := k.config.State.Release(u.Unit, u.Record.Manifest); err != nil {
		return fmt.Errorf("release the uploads of unit %x: %w", u.Unit[:6], err)
	}
	return nil
}

// Drop forgets a unit and sweeps the blocks that nothing else needs.
func (k *Keeper) Drop(ctx context.Context, w meta.Work) error {
	k.work.Lock()
	dropped := k.find(w.Unit, w.Record.Root)
	for _, u := range dropped {
		if err := k.forget(u); err != nil {
			k.work.Unlock()
			return err
		}
	}
	k.work.Unlock()
	for _, u := range dropped {
		if _, err := k.sweepUnit(ctx, u); err != nil {
			return fmt.Errorf("sweep after unit %x: %w", u.Unit[:6], err)
		}
	}
	return nil
}
