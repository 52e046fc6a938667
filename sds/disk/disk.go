// Package disk keeps blocks on a disk, across crashes and power cuts.
//
// A block of 64 KiB or more is a file: written aside, synced, renamed into a
// folder named by the first byte of its hash. A smaller one is a value in the
// index, a Pebble database that also knows class, size and times of every
// block. One goroutine, the committer, makes every change; it takes what has
// queued up while it was busy as one group, so that many writers share the
// price of a sync. Readers go straight to the index and the files.
//
// What is promised:
//
//   - A pinned block whose Put has returned survives kill -9 and power loss. So
//     does a cached one below 64 KiB, and any with Config.SyncCached. A larger
//     cached one survives kill -9; a power cut may take it or tear it.
//   - No bytes leave Get that do not hash to their name. What fails is moved
//     to a folder where a person can look at it, counted and forgotten.
//   - The files alone are enough: without the index the store opens with every
//     block that has a file, in its class.
//
// docs/formats/disk-store.md has the layout and the rules of recovery.
package disk

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stratos-mesh/stratos/sds"
)

// ErrClosed is what every call on a closed store returns.
var ErrClosed = errors.New("disk: the store is closed")

// Store is a sds.Store in a folder. Make it with Open and end it with Close.
type Store struct {
	config Config
	log    *slog.Logger
	clock  clock
	files  files
	index  *index

	queue   chan *request
	touched chan sds.CID
	ended   chan struct{} // closed when the committer has returned

	life   sync.RWMutex // read-held by every call, so that Close waits for them
	closed bool         // guarded by life

	temps    atomic.Uint64 // names temporary files
	counters counters
	limits   [2]atomic.Int64 // by sds.Class; 0 is none
	usage    [2]budget       // by sds.Class; written by the committer alone
	oldest   []byte          // where the committer looks for the next victim
	marked   bool            // the index was seen to be damaged, and that is noted
	lock     io.Closer
}

var (
	_ sds.Store  = (*Store)(nil)
	_ sds.Lister = (*Store)(nil)
	_ sds.Usage  = (*Store)(nil)
)

// Open opens the store in config.Dir, which is made when it is not there, and
// mends what a crash has left. A folder is open in one process at a time.
func Open(config Config) (*Store, error) {
	return open(config, vfs.Default, systemClock)
}

func open(config Config, fs vfs.FS, clock clock) (*Store, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	config = config.withDefaults()
	s := &Store{
		config:  config,
		log:     config.Logger,
		clock:   clock,
		files:   files{fs: fs, dir: config.Dir, shards: new([2][256]bool)},
		queue:   make(chan *request, queueLength),
		touched: make(chan sds.CID, touchLength),
		ended:   make(chan struct{}),
	}
	s.SetLimits(config.PinnedLimit, config.CachedLimit)
	if err := s.mend(); err != nil {
		err = errors.Join(err, s.release())
		return nil, fmt.Errorf("disk: open %s: %w", config.Dir, err)
	}
	go s.run()
	return s, nil
}

// Close waits for the calls that run, then closes the store. Later calls return
// ErrClosed. It is harmless to call it again.
func (s *Store) Close() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	close(s.queue)
	<-s.ended
	return s.release()
}

// release closes what an Open has got hold of, all of it or only the first.
func (s *Store) release() (err error) {
	if s.index != nil {
		err = s.index.close()
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// enter begins a call; the caller defers leave when there is no error.
func (s *Store) enter() error {
	s.life.RLock()
	if s.closed {
		s.life.RUnlock()
		return ErrClosed
	}
	return nil
}

func (s *Store) leave() { s.life.RUnlock() }
