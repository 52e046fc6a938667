// Package origin takes uploads in and publishes them.
//
// What arrives is cut into slices while it arrives, and the slices go to the
// edges that a meta node granted; nothing of an upload but a few kilobytes and
// a tail under 1 MiB stays here. When every block is durable on every replica,
// the name moves. Doors, all under an API key:
//
//	/v1/files/{namespace}/{path}   PUT one object; look, read, remove, move
//	/v1/list/{prefix}              names in byte order
//	/v1/uploads                    tus 1.0, for large files and bad networks
//	/v1/bundles                    many files under one name
//	/v1/assets                     videos: a source in, an HLS ladder out
//	/v1/work                       what workers encode for them
//
// What was acknowledged survives a crash of this process: the state on disk is
// written and synced before an answer leaves.
package origin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/origin/apikey"
	"github.com/stratos-mesh/stratos/origin/pipeline"
)

// Meta is what an origin asks of a meta node.
type Meta interface {
	meta.Index
	meta.Publisher
	meta.Directory
}

// Keys finds the API key of a token; nil when there is none.
type Keys interface {
	Find(token string) *apikey.Key
}

// Config of an origin. Zero values mean the defaults named here.
type Config struct {
	// Dir keeps uploads, bundles, the ledger and the namespaces' owner keys. One
	// process uses it at a time.
	Dir  string
	Meta Meta
	Keys Keys
	// HTTP calls edges, Sign signs for them with this node's key.
	HTTP *http.Client
	Sign func(*http.Request) error
	// Replicas wanted of what is published; 0 is the network's default.
	Replicas int
	// MaxUpload bounds one object in bytes; 1 TiB.
	MaxUpload int64
	// MaxBundleFiles bounds the files of one bundle; 200,000.
	MaxBundleFiles int
	// Memory bounds the bytes under way to edges; 96 MiB.
	Memory int64
	// PartsLimit bounds the bytes of partial tus uploads kept here until they are
	// concatenated; 10 GiB.
	PartsLimit int64
	// NamespaceLimit bounds what is published in one namespace; 0 is no limit.
	NamespaceLimit int64
	// MaxUploads under way per key that has no number of its own; 256.
	MaxUploads int
	// MaxOpen bounds the unfinished tus uploads and bundles of one key; 1,000.
	MaxOpen int
	// RequestsPerMinute per key that has no number of its own; 0 is no limit.
	RequestsPerMinute int
	// Video says how videos are made.
	Video Video
	// Expire ends an upload that nobody touched; 24 h, as long as leases.
	Expire time.Duration
	// IdleTimeout ends a request whose body does not move; 60 s.
	IdleTimeout time.Duration
	Now         func() time.Time
	Logger      *slog.Logger
}

// Validate finds what a Config lacks.
func (c *Config) Validate() error {
	switch {
	case c.Dir == "":
		return errors.New("origin: no directory")
	case c.Meta == nil:
		return errors.New("origin: no meta node")
	case c.Keys == nil:
		return errors.New("origin: no API keys")
	case c.Replicas < 0 || c.Replicas > meta.MaxGrantEdges:
		return fmt.Errorf("origin: %d replicas, want 0 to %d", c.Replicas, meta.MaxGrantEdges)
	case c.MaxUpload < 0 || c.MaxBundleFiles < 0 || c.Memory < 0 || c.PartsLimit < 0 || c.NamespaceLimit < 0 ||
		c.MaxUploads < 0 || c.MaxOpen < 0 || c.RequestsPerMinute < 0 || c.Expire < 0 || c.IdleTimeout < 0:
		return errors.New("origin: a limit is below zero")
	}
	return c.Video.validate()
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// withDefaults is the one place where they are applied.
func (c Config) withDefaults() Config {
	c.MaxUpload = or(c.MaxUpload, 1<<40)
	c.MaxBundleFiles = or(c.MaxBundleFiles, 200_000)
	c.Memory = or(c.Memory, 96<<20)
	c.PartsLimit = or(c.PartsLimit, 10<<30)
	c.MaxUploads = or(c.MaxUploads, 256)
	c.MaxOpen = or(c.MaxOpen, 1000)
	c.Expire = or(c.Expire, 24*time.Hour)
	c.IdleTimeout = or(c.IdleTimeout, time.Minute)
	c.Video.Disk = or(c.Video.Disk, 200<<30)
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Logger = or(c.Logger, slog.New(slog.DiscardHandler))
	return c
}

// Origin is an http.Handler. Close it in the end.
type Origin struct {
	settings atomic.Pointer[Config]
	writer   *pipeline.Writer
	counters *Counters
	ledger   *ledger
	gate     *gate
	names    keyedLock
	uploads  *uploads
	bundles  *bundles
	assets   *assets
	lock     *os.File

	stampMu sync.Mutex // guards stamped
	stamped time.Time

	ctx    context.Context // ends with Close; what goes on after its request
	cancel context.CancelFunc
	tasks  sync.WaitGroup
}

// New opens the directory, goes on with what was unfinished there, and starts
// to sweep what expired.
func New(c Config) (*Origin, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	lock, err := lockDir(c.Dir)
	if err != nil {
		return nil, err
	}
	o := &Origin{counters: &Counters{}, lock: lock, gate: newGate(c.Now)}
	o.settings.Store(&c)
	o.ctx, o.cancel = context.WithCancel(context.Background())
	o.writer = pipeline.New(pipeline.Config{
		Meta: c.Meta, HTTP: c.HTTP, Sign: c.Sign, Memory: c.Memory,
		Now: c.Now, Logger: c.Logger, Counters: &o.counters.Pipeline,
	})
	if o.ledger, err = openLedger(filepath.Join(c.Dir, "ledger")); err == nil {
		if o.bundles, err = openBundles(o); err == nil {
			if _, err = openAssets(o); err == nil {
				o.uploads, err = openUploads(o)
			}
		}
	}
	if err != nil {
		o.Close()
		return nil, err
	}
	o.tasks.Go(o.uploads.goOn)
	o.tasks.Go(o.sweepForever)
	if c.Video.on() {
		o.assets.goOn()
		if c.Video.Worker != nil {
			o.tasks.Go(o.runWorker)
		}
	}
	return o, nil
}

// config is the newest.
func (o *Origin) config() *Config { return o.settings.Load() }

// Reconfigure gives a running origin new limits. What it works with (Dir, Meta,
// Keys, HTTP, Sign, Memory, Now, Logger, the functions of Video) stays what New was given.
func (o *Origin) Reconfigure(c Config) error {
	old := o.config()
	c.Dir, c.Meta, c.Keys, c.HTTP, c.Sign = old.Dir, old.Meta, old.Keys, old.HTTP, old.Sign
	c.Memory, c.Now, c.Logger = old.Memory, old.Now, old.Logger
	v := old.Video
	v.Policy, v.Disk, v.PrivateHooks = c.Video.Policy, c.Video.Disk, c.Video.PrivateHooks
	c.Video = v
	if err := c.Validate(); err != nil {
		return err
	}
	c = c.withDefaults()
	o.settings.Store(&c)
	return nil
}

// Close stops what runs in the background and gives the directory free. What
// was unfinished goes on with the next New.
func (o *Origin) Close() error {
	o.cancel()
	o.tasks.Wait()
	if o.bundles != nil {
		o.bundles.close()
	}
	if o.ledger != nil {
		o.ledger.close()
	}
	// Closing alone would leave the lock to a process that was just being forked.
	return errors.Join(syscall.Flock(int(o.lock.Fd()), syscall.LOCK_UN), o.lock.Close())
}

// Counters of this origin, for metrics.
func (o *Origin) Counters() *Counters { return o.counters }

// lockDir makes the directory and keeps other processes out of it.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("origin: %s is in use by another process: %w", dir, err)
	}
	return f, nil
}
