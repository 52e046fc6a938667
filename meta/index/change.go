package index

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/layout"
	"github.com/stratos-mesh/stratos/meta/viewstore"
)

// change gathers what records write before it goes to the store, and reads
// through it, so that a record sees what the ones before it did.
type change struct {
	scope  viewstore.Scope
	writes map[string][]byte // nil: deleted
	before []byte            // state in the store when the change began
}

func (x *Index) begin() *change {
	return &change{scope: x.scope, writes: make(map[string][]byte)}
}

// get returns nil for a key that is not there.
func (c *change) get(ctx context.Context, key string) ([]byte, error) {
	if v, found := c.writes[key]; found {
		return v, nil
	}
	v, err := c.scope.Get(ctx, key)
	if notFound(err) {
		return nil, nil
	}
	if err == nil && v == nil {
		v = []byte{}
	}
	return v, err
}

func (c *change) has(ctx context.Context, key string) (bool, error) {
	v, err := c.get(ctx, key)
	return v != nil, err
}

func (c *change) set(key string, value []byte) {
	if value == nil {
		value = []byte{}
	}
	c.writes[key] = value
}

func (c *change) delete(key string) { c.writes[key] = nil }

// first finds the lowest key under a prefix, leaving one out.
func (c *change) first(ctx context.Context, prefix, except string) (string, bool, error) {
	keys, err := c.keys(ctx, prefix, 2)
	keys = slices.DeleteFunc(keys, func(key string) bool { return key == except })
	if err != nil || len(keys) == 0 {
		return "", false, err
	}
	return keys[0], true, nil
}

// keys are the lowest keys under a prefix, in order, at most limit.
func (c *change) keys(ctx context.Context, prefix string, limit int) ([]string, error) {
	var out []string
	for key, v := range c.writes {
		if v != nil && strings.HasPrefix(key, prefix) {
			out = append(out, key)
		}
	}
	for after, found := "", 0; found < limit; {
		entries, err := c.scope.Scan(ctx, prefix, after, max(limit, 16))
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if _, written := c.writes[e.Key]; !written {
				out = append(out, e.Key)
				found++
			}
		}
		if len(entries) < max(limit, 16) {
			break
		}
		after = entries[len(entries)-1].Key
	}
	slices.Sort(out)
	return out[:min(len(out), limit)], nil
}

const stateKey = "h"

func (c *change) state(ctx context.Context) (State, error) {
	b, err := c.get(ctx, stateKey)
	if err != nil || b == nil {
		return State{}, err
	}
	r := layout.NewReader(b)
	s := State{Height: r.U64(), Revocation: r.U64(), Names: r.Count(), Roots: r.Count()}
	s.Edges = meta.EdgeID(r.U32())
	return s, r.Done()
}

func (c *change) setState(s State) {
	var w layout.Writer
	w.U64(s.Height)
	w.U64(s.Revocation)
	w.Count(s.Names)
	w.Count(s.Roots)
	w.U32(uint32(s.Edges))
	c.set(stateKey, w.Done())
}

// errMoved: another process applied meanwhile; look at the height again.
var errMoved = errors.New("another process moved the index")

// commit writes the change, if the store still is where the change began.
func (c *change) commit(ctx context.Context) error {
	var b viewstore.Batch
	b.Expect(stateKey, c.before)
	for _, key := range slices.Sorted(maps.Keys(c.writes)) {
		if v := c.writes[key]; v != nil {
			b.Set(key, v, 0)
		} else {
			b.Delete(key)
		}
	}
	err := c.scope.Apply(ctx, &b)
	if errors.Is(err, viewstore.ErrConflict) {
		return fmt.Errorf("index: %w", errMoved)
	}
	return err
}
