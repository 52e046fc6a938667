package viewstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
)

// Config of an embedded store.
type Config struct {
	// Dir holds the store and nothing else.
	Dir string
	// CacheBytes of blocks in memory; 0 is 32 MiB.
	CacheBytes int64
	// Now is the clock for times to live; nil is time.Now.
	Now func() time.Time
	// Logger hears of damage; nil is slog.Default.
	Logger *slog.Logger
}

// Embedded is a Store in a folder of this process, on Pebble.
//
// Writes are not synced: after a crash of the machine a store may be some
// seconds old, yet it is one whole older state, because batches reach the log
// in order and never in part. The height in a scope says how old.
//
// Keys in Pebble, all written and owned by this package:
//
//	g ‖ scope                          generation, 16 bytes; while it is there, the scope is whole
//	v ‖ len(scope) ‖ scope ‖ key       end (Unix ms, 8 bytes, 0: none) ‖ value
//	x ‖ end ‖ len(scope) ‖ scope ‖ key nothing: what to remove when
type Embedded struct {
	db  *pebble.DB
	now func() time.Time

	write  sync.Mutex   // serialises batches, which may read before they write; taken before mu
	mu     sync.RWMutex // guards scopes, what of them is begun, and closed; held for reading over every call
	scopes map[string]*embeddedScope
	closed bool
}

var _ Store = (*Embedded)(nil)

// Open opens or creates the embedded store in a folder, with defaults.
func Open(dir string) (*Embedded, error) { return OpenEmbedded(Config{Dir: dir}) }

// OpenEmbedded opens or creates an embedded store. One that Pebble finds
// damaged is emptied: its scopes say fresh when they are begun. A folder that
// another process has open is an error.
func OpenEmbedded(config Config) (*Embedded, error) {
	if config.CacheBytes == 0 {
		config.CacheBytes = 32 << 20
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	db, err := openPebble(config)
	if errors.Is(err, pebble.ErrCorruption) || errors.Is(err, errMissingParts) {
		config.Logger.Warn("view store is damaged and starts empty", "dir", config.Dir, "error", err)
		if err := os.RemoveAll(config.Dir); err != nil {
			return nil, fmt.Errorf("viewstore: empty damaged %s: %w", config.Dir, err)
		}
		db, err = openPebble(config)
	}
	if err != nil {
		return nil, fmt.Errorf("viewstore: open %s: %w", config.Dir, err)
	}
	return &Embedded{db: db, now: config.Now, scopes: make(map[string]*embeddedScope)}, nil
}

var errMissingParts = errors.New("files of the store are missing")

func openPebble(config Config) (*pebble.DB, error) {
	cache := pebble.NewCache(config.CacheBytes)
	defer cache.Unref()
	options := &pebble.Options{
		Cache:              cache,
		MemTableSize:       8 << 20,
		FormatMajorVersion: pebble.FormatNewest,
		Logger:             quiet{config.Logger},
	}
	// Most look-ups of an index are for names that are not there: the ancestors
	// of one that is.
	for i := range options.Levels {
		options.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	db, err := pebble.Open(config.Dir, options)
	// A table that the manifest names and nobody finds.
	if err != nil && errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", errMissingParts, err)
	}
	return db, err
}

// Scope names a scope.
func (e *Embedded) Scope(name string) Scope {
	mustScope(name)
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.scopes[name]
	if s == nil {
		s = &embeddedScope{store: e, name: name, prefix: "v" + string([]byte{byte(len(name))}) + name}
		e.scopes[name] = s
	}
	return s
}

// Kind is "embedded".
func (e *Embedded) Kind() string { return "embedded" }

// Wipe empties every scope.
func (e *Embedded) Wipe(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return fmt.Errorf("%w: closed", ErrUnavailable)
	}
	for _, s := range e.scopes {
		s.begun = false
	}
	if err := e.db.DeleteRange([]byte{0}, []byte{0xff}, pebble.Sync); err != nil {
		return fmt.Errorf("%w: wipe: %w", ErrUnavailable, err)
	}
	return nil
}

// Close syncs and closes the store.
func (e *Embedded) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	if err := e.db.Close(); err != nil {
		return fmt.Errorf("viewstore: close: %w", err)
	}
	return nil
}

// quiet passes on what Pebble thinks is wrong and drops its diary.
type quiet struct{ log *slog.Logger }

func (quiet) Infof(string, ...any) {}

func (q quiet) Errorf(format string, args ...any) {
	q.log.Warn("view store: " + strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// Fatalf is called when Pebble cannot go on, for example with a full disk; its
// contract is not to return.
func (q quiet) Fatalf(format string, args ...any) {
	panic("viewstore: " + fmt.Sprintf(format, args...))
}
