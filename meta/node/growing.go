package node

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

// growing has the newest state of each bundle that is still being made. Nothing
// of it is journalled: after a restart origins tell their states again.
type growing struct {
	mu     sync.Mutex // guards following
	byName map[meta.Name]*grown
	byBind map[[32]byte]*grown
}

// grown is a state with its unit. It is replaced and never changed.
type grown struct {
	state meta.GrowingState
	unit  meta.UnitKey
	until time.Time
}

// maxGrowing bounds how many bundles may grow at a time.
const maxGrowing = 10_000

func newGrowing() *growing {
	return &growing{byName: make(map[meta.Name]*grown), byBind: make(map[[32]byte]*grown)}
}

// above finds the state of the name that is path or lies above it, and the rest
// of the path.
func (g *growing) above(path string, now time.Time) (*grown, string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.byName) == 0 {
		return nil, ""
	}
	for end := range len(path) + 1 {
		if end < len(path) && path[end] != '/' {
			continue
		}
		if s := g.byName[meta.Name(path[:end])]; s != nil && now.Before(s.until) {
			return s, strings.TrimPrefix(path[end:], "/")
		}
	}
	return nil, ""
}

// bound finds a state by what its tickets bind.
func (g *growing) bound(bind [32]byte, now time.Time) *grown {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.byBind[bind]; s != nil && now.Before(s.until) {
		return s
	}
	return nil
}

// next takes a state in, unless one that is as new or newer stands against it.
func (g *growing) next(s *grown, now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, other := range g.byName {
		if !now.Before(other.until) {
			g.drop(name)
			continue
		}
		if strings.HasPrefix(string(name), string(s.state.Name)+"/") || strings.HasPrefix(string(s.state.Name), string(name)+"/") {
			return fmt.Errorf("%w: %s, which is growing, lies above or below it", meta.ErrConflict, name)
		}
	}
	if old := g.byName[s.state.Name]; old != nil && old.state.Upload == s.state.Upload {
		switch {
		case s.state.Sequence < old.state.Sequence:
			return fmt.Errorf("%w: state %d after state %d", meta.ErrConflict, s.state.Sequence, old.state.Sequence)
		case s.state.Sequence == old.state.Sequence && s.state.Root != old.state.Root:
			return fmt.Errorf("%w: two states have the number %d", meta.ErrConflict, s.state.Sequence)
		}
	} else if old != nil && s.state.Time.Before(old.state.Time) {
		return fmt.Errorf("%w: another upload of this name has begun since", meta.ErrConflict)
	}
	if len(g.byName) >= maxGrowing {
		return fmt.Errorf("%w: %d bundles are growing already", meta.ErrConflict, len(g.byName))
	}
	g.drop(s.state.Name)
	g.byName[s.state.Name], g.byBind[s.state.Bind()] = s, s
	return nil
}

// drop forgets a name; mu is held.
func (g *growing) drop(name meta.Name) {
	if old := g.byName[name]; old != nil {
		delete(g.byName, name)
		delete(g.byBind, old.state.Bind())
	}
}

// end forgets a name that was published.
func (g *growing) end(name meta.Name) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.drop(name)
}

// remove forgets a name that its owner removes, and tells whether it grew.
func (g *growing) remove(name meta.Name, owner ed25519.PublicKey, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.byName[name]
	if old == nil || !old.state.Owner.Equal(owner) {
		return false
	}
	g.drop(name)
	return now.Before(old.until)
}

// Grow shows a state of a bundle that is still being made.
func (n *Node) Grow(ctx context.Context, g meta.GrowingState) (meta.Record, error) {
	if err := g.Verify(n.cfg.ChainID); err != nil {
		return meta.Record{}, err
	}
	if err := n.checkTime(g.Name, g.Time); err != nil {
		return meta.Record{}, err
	}
	defer n.names.lock(g.Name.Namespace())()
	s := &grown{state: g, until: n.cfg.Now().Add(meta.GrowingLease)}
	err := n.readable(ctx, func() error { return n.mayGrow(ctx, s) })
	if err == nil {
		err = n.checkDurable(g.Replicas, g.Durable)
	}
	if err == nil {
		err = n.growing.next(s, n.cfg.Now())
	}
	if err != nil {
		return meta.Record{}, fmt.Errorf("state %d of %s: %w", g.Sequence, g.Name, err)
	}
	return n.grownSoFar(s, "").Record, nil
}

// mayGrow asks for a name that is free, in a namespace of the state's owner, and
// finds its unit.
func (n *Node) mayGrow(ctx context.Context, s *grown) error {
	name := s.state.Name
	before, live, err := n.index.Name(ctx, name)
	switch {
	case err != nil:
		return err
	case live:
		return fmt.Errorf("%w: it is published; a new version shows when it is whole", meta.ErrConflict)
	}
	if err := n.index.Free(ctx, name); err != nil {
		return err
	}
	entries, err := n.claim(ctx, name.Namespace(), s.state.Owner)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		if err := n.change(ctx, entries...); err != nil {
			return err
		}
	}
	owner, err := n.index.Owner(ctx, name.Namespace())
	if err != nil {
		return err
	}
	if !s.state.Owner.Equal(ed25519.PublicKey(owner)) {
		return fmt.Errorf("%w: namespace %s belongs to another key", meta.ErrForbidden, name.Namespace())
	}
	moved, err := n.draw(ctx, name, meta.Bundle, 0, before)
	if err != nil {
		return err
	}
	s.unit = moved.Units()[0]
	return nil
}

// grownSoFar is a state as others see it.
func (n *Node) grownSoFar(s *grown, rest string) meta.Resolution {
	state := s.state
	edges := n.roster.Load()
	holders := slices.DeleteFunc(slices.Clone(state.Durable), func(id meta.EdgeID) bool { return !edges.serves(id) })
	return meta.Resolution{
		Record: meta.Record{
			Name: state.Name, Kind: meta.Bundle, Root: state.Root, Manifest: state.Manifest, Size: state.Size, Objects: state.Objects,
			Units: []meta.UnitKey{s.unit}, Replicas: n.replicas(state.Replicas), Modified: state.Time, Growing: state.Sequence,
		},
		Rest: rest, Holders: holders, Growing: &state,
	}
}
