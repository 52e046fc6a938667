package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// Bundles that are still being made are bound by name and owner, so what a
// ticket leads to changes: a state after a state, each signed by the owner, and
// in the end the published root. A meta node is asked at most once a second
// while requests come. It is not believed blindly: a state counts when the
// signature of the key that the ticket binds is under it and its number is not
// below one that was seen here.

const (
	// growingFresh is how long a state is served without asking again, and
	// growingRetry how long when something is looked for that it does not have.
	growingFresh = time.Second
	growingRetry = 200 * time.Millisecond
	// growingPatience is how long a request waits for a newer state, when there is
	// one to serve.
	growingPatience = 500 * time.Millisecond
	// wholeFresh is growingFresh once the root was published: it does not change
	// unless the name is removed and grows once more.
	wholeFresh = 5 * time.Second
	// growingGrace is how long a state is served although the meta node knows
	// nothing of it: twice as long as origins take to tell it again.
	growingGrace = 20 * time.Second
	// maxGrowing bounds the bundles whose states are remembered.
	maxGrowing = 1024
)

// growing is one such bundle.
type growing struct {
	mu       sync.Mutex // guards following
	root     *Root
	upload   [16]byte
	sequence uint64
	whole    bool // root was published
	asked    time.Time
	told     time.Time // when a meta node last knew of it
}

// now is what there is to serve, and whether nothing need be asked first.
func (g *growing) now(fresh time.Duration) (root *Root, whole, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.root == nil || g.root.Dropped() {
		return nil, false, false
	}
	if g.whole {
		fresh = wholeFresh
	}
	return g.root, g.whole, time.Since(g.asked) < fresh
}

// keep goes on with what there is until the next question.
func (g *growing) keep() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = time.Now()
}

// Growing finds what a ticket for a growing bundle leads to now.
func (c *Catalog) Growing(ctx context.Context, bind [32]byte, sources []meta.EdgeID) (*Root, error) {
	return c.grown(ctx, bind, sources, growingFresh, growingPatience)
}

// Grown is Growing for a path that the state at hand does not have: another
// edge may have shown the viewer a newer one.
func (c *Catalog) Grown(ctx context.Context, bind [32]byte, sources []meta.EdgeID) (*Root, error) {
	return c.grown(ctx, bind, sources, growingRetry, loadTimeout)
}

func (c *Catalog) grown(ctx context.Context, bind [32]byte, sources []meta.EdgeID, fresh, patience time.Duration) (*Root, error) {
	g := c.growingOf(bind)
	old, _, ok := g.now(fresh)
	if ok {
		return old, nil
	}
	if err := c.isAbsent(bind); old == nil && err != nil {
		return nil, err
	}
	// One question at a time, which outlives whoever asked first: others wait for
	// it too, but not for long while there is something to serve.
	asked := c.once.DoChan("growing"+string(bind[:]), func() (any, error) {
		if root, _, ok := g.now(fresh); ok {
			return root, nil
		}
		return c.asked(context.WithoutCancel(ctx), g, bind, sources)
	})
	var late <-chan time.Time
	if old != nil {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-late:
		g.keep()
		return old, nil
	case result := <-asked:
		if result.Err != nil {
			return nil, result.Err
		}
		return result.Val.(*Root), nil
	}
}

// asked is what a meta node says there is now, or what was shown, which stays
// good while the meta node is away; what was published does so even when its name
// was removed since, as it does for sessions of its root.
func (c *Catalog) asked(ctx context.Context, g *growing, bind [32]byte, sources []meta.EdgeID) (*Root, error) {
	err := c.ask(ctx, g, bind, sources)
	root, whole, _ := g.now(0)
	switch {
	case err == nil && root != nil:
		return root, nil
	case err == nil: // the budget dropped it at once
		return nil, fmt.Errorf("growing bundle %x: %w", bind[:8], errDropped)
	case root != nil && (whole || !settled(err) || g.forgotten(err)):
		g.keep()
		return root, nil
	}
	g.end()
	c.remember(bind, err)
	return nil, err
}

// forgotten tells whether a meta node may know nothing of the bundle because it
// was started anew: origins tell their states again within the grace.
func (g *growing) forgotten(err error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return errors.Is(err, meta.ErrNotFound) && time.Since(g.told) < growingGrace
}

// end forgets what there was to serve, but not how far it had come.
func (g *growing) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.root, g.whole = nil, false
}

// settled errors say that there is nothing to serve any more.
func settled(err error) bool {
	return errors.Is(err, meta.ErrNotFound) || errors.Is(err, meta.ErrDeleted) || errors.Is(err, meta.ErrBanned)
}

func (c *Catalog) growingOf(bind [32]byte) *growing {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.growing[bind]
	if g == nil {
		if len(c.growing) >= maxGrowing {
			for other, old := range c.growing { // any that is not fresh, else any
				if _, _, fresh := old.now(growingFresh); !fresh || len(c.growing) > maxGrowing {
					delete(c.growing, other)
					break
				}
			}
		}
		g = &growing{}
		c.growing[bind] = g
	}
	return g
}

func (c *Catalog) ask(ctx context.Context, g *growing, bind [32]byte, sources []meta.EdgeID) error {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	found, err := c.config.Index.Locate(ctx, bind)
	if err != nil {
		return fmt.Errorf("locate growing bundle %x: %w", bind[:8], err)
	}
	state := found.Growing
	old, whole, _ := g.now(0)
	if state == nil {
		digest := found.Record.Root.Digest
		switch {
		case whole: // sessions do not change over to another version
			g.set(old, nil)
			return nil
		case old != nil && old.Record.Root.Digest == digest:
			c.Forget(digest) // its last state, which is no state any more
		}
		root, err := c.Root(ctx, digest, sources)
		if err != nil {
			return err
		}
		g.set(root, nil)
		return nil
	}
	if err := c.believe(g, state, bind, &found.Record); err != nil {
		c.Refused.Add(1)
		return err
	}
	if old != nil && !whole && old.Record.Root == state.Root {
		g.set(old, state)
		return nil
	}
	want := peers.Want{Holders: slices.Clone(found.Holders)}
	for _, id := range sources {
		if !slices.Contains(want.Holders, id) {
			want.Holders = append(want.Holders, id)
		}
	}
	if len(found.Record.Units) > 0 {
		want.Unit = found.Record.Units[0]
	}
	manifest, err := sds.LoadManifest(ctx, c.config.Getter(want), state.Manifest, state.Root)
	if err != nil {
		return fmt.Errorf("manifest of state %d of %s: %w", state.Sequence, state.Name, err)
	}
	root := newRoot(found.Record, want, manifest, c.config.Revoked)
	root.growing = true
	c.mark(root)
	// Its table counts in the budget of all; who finds it dropped asks again.
	c.roots.Set(state.Root.Digest, root)
	g.set(root, state)
	return nil
}

// believe checks a state against what the ticket binds and what was seen here.
func (c *Catalog) believe(g *growing, state *meta.GrowingState, bind [32]byte, record *meta.Record) error {
	if state.Bind() != bind || record.Name != state.Name || record.Root != state.Root || record.Manifest != state.Manifest {
		return fmt.Errorf("state of %s is for another ticket: %w", state.Name, meta.ErrInvalid)
	}
	if err := state.Verify(c.config.ChainID()); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.upload == state.Upload && state.Sequence < g.sequence {
		return fmt.Errorf("state %d of %s after state %d: %w", state.Sequence, state.Name, g.sequence, meta.ErrConflict)
	}
	return nil
}

// set takes a root as the newest; state is nil when it was published.
func (g *growing) set(root *Root, state *meta.GrowingState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.root, g.asked, g.told, g.whole = root, time.Now(), time.Now(), state == nil
	if state != nil {
		g.upload, g.sequence = state.Upload, state.Sequence
	}
}
