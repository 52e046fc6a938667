package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stratos-mesh/stratos/sds"
)

// index is the Pebble database of a store.
type index struct {
	db      *pebble.DB
	fault   *fault
	damaged *atomic.Bool // a bad block was seen
}

func openIndex(dir string, fs vfs.FS, log *slog.Logger) (x *index, err error) {
	// Pebble panics when a folder cannot be synced. Later that ends the process,
	// and should: nobody knows what the disk holds then. Here it is an error.
	defer func() {
		if p := recover(); p != nil {
			x, err = nil, fmt.Errorf("open the index: %v", p)
		}
	}()
	fault, damaged := &fault{log: log}, new(atomic.Bool)
	cache := pebble.NewCache(16 << 20)
	defer cache.Unref()
	options := &pebble.Options{
		FS:                          fs,
		Cache:                       cache,
		FormatMajorVersion:          pebble.FormatNewest,
		MaxOpenFiles:                256,
		MemTableSize:                8 << 20,
		MemTableStopWritesThreshold: 4,
		Logger:                      fault,
		// A table of the wrong size is found when it is read. Until then, and
		// unless it holds entries, the rest of the index is of use.
		DisableConsistencyCheck: true,
		// Left alone, Pebble ends the process on a bad block.
		EventListener: &pebble.EventListener{DataCorruption: func(info pebble.DataCorruptionInfo) {
			if damaged.CompareAndSwap(false, true) {
				log.Error("the index has a bad block", "detail", info.String())
			}
		}},
	}
	for i := range options.Levels {
		options.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	db, err := pebble.Open(dir, options)
	if err == nil && fault.get() != nil {
		err = errors.Join(fault.get(), db.Close())
	}
	if err != nil {
		return nil, err
	}
	return &index{db: db, fault: fault, damaged: damaged}, nil
}

// broken tells an error of an index that a new one would not have.
func broken(err error) bool {
	return pebble.IsCorruptionError(err) || errors.Is(err, pebble.ErrDBNotPristine) ||
		errors.Is(err, sds.ErrMalformed) || errors.Is(err, fs.ErrNotExist)
}

func (x *index) close() error { return x.db.Close() }

// get returns what is known of a block, and whether anything is.
func (x *index) get(cid sds.CID) (entry, bool, error) {
	b, closer, err := x.db.Get(entryKey(cid))
	if errors.Is(err, pebble.ErrNotFound) {
		return entry{}, false, nil
	}
	if err != nil {
		return entry{}, false, fmt.Errorf("disk: look up %s: %w", cid, err)
	}
	defer closer.Close()
	e, err := decodeEntry(b)
	return e, err == nil, err
}

// value returns the bytes of a block without a file; nil when there are none.
func (x *index) value(cid sds.CID) ([]byte, error) {
	b, closer, err := x.db.Get(valueKey(cid))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	return append(make([]byte, 0, len(b)), b...), nil
}

// A batch is a set of changes that happen together or not at all.
type batch struct {
	pebble *pebble.Batch
	index  *index
}

func (x *index) batch() batch { return batch{pebble: x.db.NewBatch(), index: x} }

// put writes an entry; value is the block itself when it has no file.
func (b batch) put(cid sds.CID, e entry, value []byte) error {
	err := b.pebble.Set(entryKey(cid), e.encode(), nil)
	if e.inline && value != nil {
		err = errors.Join(err, b.pebble.Set(valueKey(cid), value, nil))
	}
	if e.class == sds.Cached {
		err = errors.Join(err, b.pebble.Set(usedKey(e.used, cid), nil, nil))
	}
	return err
}

// drop removes all that put has written for an entry.
func (b batch) drop(cid sds.CID, e entry) error {
	err := b.pebble.Delete(entryKey(cid), nil)
	if e.inline {
		err = errors.Join(err, b.pebble.Delete(valueKey(cid), nil))
	}
	return errors.Join(err, b.unuse(cid, e))
}

// unuse takes an entry out of the order of last use.
func (b batch) unuse(cid sds.CID, e entry) error {
	if e.class != sds.Cached {
		return nil
	}
	return b.pebble.Delete(usedKey(e.used, cid), nil)
}

func (b batch) note(key, value []byte) error { return b.pebble.Set(key, value, nil) }

// commit makes the changes visible and, with sync, durable before it returns.
func (b batch) commit(sync bool) error {
	if b.pebble.Empty() {
		// Nothing to write, yet what others have written before may be asked for.
		return errors.Join(b.pebble.Close(), b.index.fault.get())
	}
	if err := b.index.fault.get(); err != nil {
		return errors.Join(err, b.pebble.Close())
	}
	how := pebble.NoSync
	if sync {
		how = pebble.Sync
	}
	err := b.pebble.Commit(how)
	return errors.Join(err, b.index.fault.get(), b.pebble.Close())
}

// fault is Pebble's logger. Pebble calls Fatalf when it cannot write any more
// and expects the process to end; ours keeps serving what it can still read
// and refuses every change from then on.
type fault struct {
	log   *slog.Logger
	first atomic.Pointer[error]
}

func (f *fault) get() error {
	if err := f.first.Load(); err != nil {
		return *err
	}
	return nil
}

func (f *fault) Infof(string, ...any) {}

func (f *fault) Errorf(format string, args ...any) {
	f.log.Error("the index reports an error", "detail", fmt.Sprintf(format, args...))
}

func (f *fault) Fatalf(format string, args ...any) {
	err := fmt.Errorf("disk: the index cannot be written any more, restart the node: "+format, args...)
	if f.first.CompareAndSwap(nil, &err) {
		f.log.Error("the index failed; the store is read-only until it is opened again", "err", err)
	}
}
