// Package viewstore keeps views: what a meta node derives from its journal and
// from what edges report, and could derive again.
//
// Nothing here is the only copy of anything. A store may be deleted, flushed or
// evicted at any moment; what it must never do is to forget a part and answer
// as if that part had never been. So keys live in scopes, and a scope either is
// whole or says ErrWiped until somebody begins it anew and fills it again.
//
//	Open       embedded, Pebble, one process: the default
//	OpenRedis  Redis, single node, Sentinel or Cluster: several meta processes
//	           of one operator
//
// A reader of a scope lives like this:
//
//	fresh, err := scope.Begin(ctx)  // adopts the scope, or starts an empty one
//	if fresh { rebuild }            // also after any ErrWiped: Begin again
//
// Whoever builds a scope from a list keeps the list's height under a key of the
// same scope, changed in the same batch with Expect, so that two processes, a
// crash in mid-rebuild and a Redis restored from an older snapshot all come to
// the same answer: read the height, go on from there.
package viewstore

import (
	"context"
	"errors"
	"time"
)

// Errors of this package. Callers ask with errors.Is.
var (
	// ErrNotFound: the scope is whole and has no such key, or it expired.
	ErrNotFound = errors.New("key not found")
	// ErrWiped: the scope was not begun, or is no longer the one that was:
	// flushed, evicted, expired or wiped. Begin it and rebuild.
	ErrWiped = errors.New("scope was wiped: begin it and rebuild")
	// ErrConflict: a batch expected another value than the scope has. Nothing
	// of the batch took effect. After a broken connection it can also mean that
	// the same batch did take effect once before.
	ErrConflict = errors.New("value is not the expected one")
	// ErrInvalid: a key, value, batch or limit breaks a bound below.
	ErrInvalid = errors.New("invalid use of the view store")
	// ErrUnavailable: the store does not answer; nothing is known.
	ErrUnavailable = errors.New("view store is unavailable")
)

// Bounds that both implementations keep.
const (
	// MaxScope and MaxKey in bytes; neither may be empty.
	MaxScope, MaxKey = 128, 2048
	// MaxValue in bytes.
	MaxValue = 1 << 20
	// MaxBatch operations, and MaxBatchBytes of keys and values together.
	MaxBatch, MaxBatchBytes = 10_000, 8 << 20
	// MaxScan entries in one answer.
	MaxScan = 10_000
)

// A Store holds scopes. All methods may be called at once.
type Store interface {
	// Scope names a scope; it does no I/O and the same name gives the same
	// scope. A name is 1 to MaxScope bytes without braces and control
	// characters; another one panics, for names are written in the code.
	Scope(name string) Scope
	// Kind is "embedded" or "redis", for status.
	Kind() string
	// Wipe empties every scope; all of them are ErrWiped until begun again.
	Wipe(ctx context.Context) error
	// Close frees the store. Calls after it fail.
	Close() error
}

// A Scope is an ordered map from keys to values whose batches are atomic.
// Slices that it returns belong to the caller; those it is given are not kept.
type Scope interface {
	// Begin adopts the scope as it is, or starts an empty one and says fresh.
	// Of several processes that begin a wiped scope at once, one is told fresh.
	Begin(ctx context.Context) (fresh bool, err error)
	// Get returns a key's value or ErrNotFound.
	Get(ctx context.Context, key string) ([]byte, error)
	// Set keeps a value, for ttl if that is above zero, else until deleted.
	// Times are kept to the millisecond.
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// Delete forgets a key. What was not there is no error.
	Delete(ctx context.Context, key string) error
	// Scan returns up to limit entries (1 to MaxScan) whose keys start with
	// prefix and come after the key after (empty: from the first), in byte
	// order. Fewer than limit means that there were no more.
	Scan(ctx context.Context, prefix, after string, limit int) ([]Entry, error)
	// Apply does all of a batch or nothing.
	Apply(ctx context.Context, b *Batch) error
}

// Entry is a key with its value.
type Entry struct {
	Key   string
	Value []byte
}

// All calls each for every entry under a prefix, in byte order, in pages, until
// it returns an error, which All returns. What changes meanwhile may be seen or
// missed.
func All(ctx context.Context, s Scope, prefix string, each func(Entry) error) error {
	const page = 500
	for after := ""; ; {
		entries, err := s.Scan(ctx, prefix, after, page)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if err := each(entry); err != nil {
				return err
			}
		}
		if len(entries) < page {
			return nil
		}
		after = entries[len(entries)-1].Key
	}
}
