// Package journal keeps what all meta nodes must agree on: a list of signed
// records, each synced before it is acknowledged. Everything else that a meta
// node knows is a view of this list and of what edges report.
//
// The words:
//
//	entry    one thing that happened: a name moved, a node was admitted
//	record   an entry with time, authority and signature, at a height
//	height   a record's place in the list, from 1 on, without gaps
//
// A journal does not judge its records. Whether an entry may happen is decided
// by who appends it, and again by who applies it (package index), with the same
// rules: on a journal that several meta nodes share, the one that comes first
// in the list wins, and the other is passed over by everybody.
package journal

import (
	"context"
	"errors"
)

// Errors of a Journal.
var (
	// ErrClosed: the journal was closed, or stopped after a failed write.
	ErrClosed = errors.New("journal is closed")
	// ErrDamaged: records that had been synced are no longer readable.
	ErrDamaged = errors.New("journal is damaged")
	// ErrTooLarge: a record above MaxRecord.
	ErrTooLarge = errors.New("journal record is too large")
)

// MaxRecord bounds one encoded record in bytes.
const MaxRecord = 1 << 20

// A Journal is an append-only list of records. All methods may be called at
// once from many goroutines.
type Journal interface {
	// Append adds the records one after the other, nothing between them, and
	// returns the height of the last once all of them survive a crash. When ctx
	// ends first, it is not known whether they will. It sets no Height in the
	// records given.
	Append(ctx context.Context, records ...*Record) (uint64, error)

	// Read calls each with every record above a height, in order, up to the
	// newest at the time of the call, until each returns an error, which Read
	// returns. A journal that one meta node has for itself may have compacted
	// the records after a height: then it is ErrCompacted.
	Read(ctx context.Context, after uint64, each func(*Record) error) error

	// Wait returns the newest height as soon as it is above after.
	Wait(ctx context.Context, after uint64) (uint64, error)

	// Height is that of the newest record; 0 when there is none.
	Height() uint64
}
