// Package sds holds slices: how content is cut, named, proved and kept.
//
// A file is cut into slices of 1 MiB, each named by the hash of its bytes. The
// slices of a file hang in a balanced UnixFS tree, so that every slice is
// provable against one root. An object is one file; a bundle is a directory of
// objects. The tree follows the profile unixfs-v1-2025 (IPIP-499), so a root
// made here equals the root that Kubo makes of the same bytes.
//
// The words, one for each thing:
//
//	slice     1 MiB of content or less, a raw block
//	node      a dag-pb block: the inside of a file's tree, or a directory
//	block     a slice or a node: whatever a Store keeps under a CID
//	object    one file; an object of one slice is that slice
//	bundle    a UnixFS directory of objects
//	root      the CID of an object or a bundle
//	manifest  beside a root: its objects with size, digest, type, first slice
//	pinned    kept until it is told to go; eviction never touches it
//	cached    kept as long as a byte budget has room
package sds

import (
	"context"
	"errors"
	"time"
)

// SliceSize is the size of every slice of an object but its last. It belongs
// to the profile: another size is another profile.
const SliceSize = 1 << 20

// MaxBlockSize bounds what a Store takes and what a peer may send: the largest
// block that any importer of the profile makes, with room (bitswap's bound).
const MaxBlockSize = 2 << 20

// Errors of this room. Callers ask with errors.Is; every implementation of a
// contract here wraps or returns exactly these.
var (
	// ErrNotFound: the store is sure that it does not have the block, or the
	// bundle has no such path.
	ErrNotFound = errors.New("not found")
	// ErrCorrupt: bytes that do not hash to the name they were asked for under.
	ErrCorrupt = errors.New("bytes do not match their name")
	// ErrFull: the class has no room left in its byte budget.
	ErrFull = errors.New("no room left")
	// ErrTooLarge: more bytes than the caller or MaxBlockSize allows.
	ErrTooLarge = errors.New("too large")
	// ErrMalformed: a node, manifest or path that breaks its format.
	ErrMalformed = errors.New("malformed")
)

// Class says how a store keeps a block.
type Class uint8

const (
	// Cached blocks may be evicted whenever their budget is spent.
	Cached Class = iota
	// Pinned blocks stay until Delete.
	Pinned
)

// A Store keeps blocks under their CIDs. All methods may be called at once from
// many goroutines.
type Store interface {
	// Get returns the whole block, already checked against its name. The bytes
	// are shared: nobody may change them. ErrNotFound when the store is sure
	// that it lacks the block; ErrCorrupt when what it holds no longer hashes to
	// its name (the store has put it aside by then and does not serve it again).
	Get(ctx context.Context, cid CID) ([]byte, error)

	// Put keeps a block that its caller has verified; only Receive calls it. It
	// returns when the block survives a crash, as far as the store promises
	// that at all. Putting a block again is harmless; putting a cached block as
	// pinned pins it, never the other way round. The bytes are the store's from
	// then on, to keep as they are.
	Put(ctx context.Context, cid CID, block []byte, class Class) error

	// Has tells whether Get would find the block, without reading it.
	Has(ctx context.Context, cid CID) (bool, error)

	// Delete forgets a block of any class. What was not there is no error.
	Delete(ctx context.Context, cid CID) error
}

// A Lister can name what it holds. A store without it can be neither swept nor
// scrubbed.
type Lister interface {
	// List calls each for every block, in no order, until it returns an error,
	// which List returns. Blocks that come or go meanwhile may be missed.
	List(ctx context.Context, each func(Info) error) error
}

// Info is what a Lister tells of a block.
type Info struct {
	CID   CID
	Size  int64
	Class Class
	// Stored is when the block was put, to the second.
	Stored time.Time
}

// A Usage tells how full a store is. A store without it is not budgeted.
type Usage interface {
	Usage() (pinned, cached Budget)
}

// Budget counts the bytes and blocks of one class against their limit.
type Budget struct {
	Bytes, Blocks int64
	// Limit in bytes; 0 means none.
	Limit int64
}

// A Getter is the reading half of a Store, all that resolving and proving need.
type Getter interface {
	Get(ctx context.Context, cid CID) ([]byte, error)
}

// A Sink takes the blocks that an import makes, leaves before the nodes above
// them. It may keep the bytes of a node but not those of a slice, whose buffer
// is used again.
type Sink func(ctx context.Context, cid CID, block []byte) error
