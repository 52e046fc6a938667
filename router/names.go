package router

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

// nameTTL is how long an answer about a name is believed, whether it is there or
// not: a moved or deleted name is followed within it.
const nameTTL = time.Second

type resolved struct {
	meta.Resolution
	err error
}

// resolve finds the name of a path. A bundle that was found for one of its
// paths answers for all of them.
func (r *Router) resolve(ctx context.Context, path string) (meta.Resolution, error) {
	if found, ok := r.memory.bundle(path); ok {
		return found, nil
	}
	found, err := r.memory.names.get(ctx, path, func(ctx context.Context) (resolved, time.Duration) {
		answer, err := r.config.Meta.Resolve(ctx, path)
		if err != nil && !absent(err) {
			// Not an answer: the next one asks again.
			return resolved{err: err}, 0
		}
		return resolved{Resolution: answer, err: err}, nameTTL
	})
	if err != nil {
		return meta.Resolution{}, err
	}
	if found.err == nil && found.Record.Kind == meta.Bundle {
		whole, name := found, string(found.Record.Name)
		whole.Rest = ""
		if _, there := r.memory.names.peek(name); !there {
			r.memory.names.set(name, whole, nameTTL)
		}
	}
	return found.Resolution, found.err
}

// bundle finds a remembered bundle above a path.
func (m *Memory) bundle(path string) (meta.Resolution, bool) {
	from := strings.IndexByte(path, '/') + 1
	for from > 0 && from < len(path) && from <= meta.MaxName {
		end := strings.IndexByte(path[from:], '/')
		if end < 0 {
			break
		}
		name := path[:from+end]
		if r, ok := m.names.peek(name); ok && r.err == nil && r.Record.Kind == meta.Bundle && string(r.Record.Name) == name {
			r.Rest = path[from+end+1:]
			return r.Resolution, true
		}
		from += end + 1
	}
	return meta.Resolution{}, false
}

// absent tells the three ways of not being there from failures.
func absent(err error) bool {
	return errors.Is(err, meta.ErrNotFound) || errors.Is(err, meta.ErrDeleted) || errors.Is(err, meta.ErrBanned)
}
