package router

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

const (
	// indexTTL is how long an answer about a name is believed, whether it is
	// there or not: a moved or deleted name is followed within it.
	indexTTL = time.Second
	// indexSize bounds the names and paths remembered.
	indexSize = 1 << 16
)

// index asks the meta node about names and remembers the answers.
type index struct {
	meta meta.Index
	memo *memo[string, resolved]
}

type resolved struct {
	meta.Resolution
	err error
}

func newIndex(m meta.Index, now func() time.Time) *index {
	return &index{meta: m, memo: newMemo[string, resolved](indexSize, now)}
}

// resolve finds the name of a path. A bundle that was found for one of its
// paths answers for all of them.
func (x *index) resolve(ctx context.Context, path string) (meta.Resolution, error) {
	if r, ok := x.bundle(path); ok {
		return r, nil
	}
	r, err := x.memo.get(ctx, path, func(ctx context.Context) (resolved, time.Duration) {
		answer, err := x.meta.Resolve(ctx, path)
		if err != nil && !absent(err) {
			// Not an answer: the next one asks again.
			return resolved{err: err}, 0
		}
		return resolved{Resolution: answer, err: err}, indexTTL
	})
	if err != nil {
		return meta.Resolution{}, err
	}
	if r.err == nil && r.Record.Kind == meta.Bundle {
		whole := r
		whole.Rest = ""
		if _, there := x.memo.peek(string(r.Record.Name)); !there {
			x.memo.set(string(r.Record.Name), whole, indexTTL)
		}
	}
	return r.Resolution, r.err
}

// bundle finds a remembered bundle above a path.
func (x *index) bundle(path string) (meta.Resolution, bool) {
	from := strings.IndexByte(path, '/') + 1
	for from > 0 && from < len(path) && from <= meta.MaxName {
		end := strings.IndexByte(path[from:], '/')
		if end < 0 {
			break
		}
		name := path[:from+end]
		if r, ok := x.memo.peek(name); ok && r.err == nil && r.Record.Kind == meta.Bundle && string(r.Record.Name) == name {
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
