package disk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/stratos-mesh/stratos/sds"
)

const (
	// inlineBelow is the size from which a block has a file of its own.
	inlineBelow = 64 << 10

	queueLength = 256  // changes that wait for the committer
	touchLength = 4096 // reads whose time is still to be noted

	groupBlocks = 512     // blocks that one group commits at most
	groupBytes  = 8 << 20 // bytes after which a group takes no further block
	syncsAtOnce = 4       // files of a group that are synced at the same time
)

// Config says where a store is and how much it may hold.
type Config struct {
	// Dir is the folder of the store. It must be set.
	Dir string
	// PinnedLimit bounds the bytes of pinned blocks; more are refused with
	// sds.ErrFull. Zero means no limit.
	PinnedLimit int64
	// CachedLimit bounds the bytes of cached blocks; those not read for longest
	// make room. Zero means no limit.
	CachedLimit int64
	// MinFree is how much of the disk is left free, in bytes: below it cached
	// blocks make room, and when none are left, Put returns sds.ErrFull. Zero
	// means 256 MiB; below zero, no check.
	MinFree int64
	// SyncCached makes Put wait until a cached block is on the disk. Without it
	// a power cut may lose the latest ones, which can be fetched again.
	SyncCached bool
	// UseResolution is how exactly the store knows when a cached block was last
	// read, and so how good its choice is of what to evict; a finer one costs
	// more small writes. Zero means 10 minutes.
	UseResolution time.Duration
	// QuarantineFiles is how many corrupt blocks are kept to be looked at; the
	// oldest goes first. Zero means 64.
	QuarantineFiles int
	// ScrubPeriod is the time within which Scrub reads every block again. Zero
	// means 30 days.
	ScrubPeriod time.Duration
	// ScrubRate bounds what Scrub reads, in bytes a second. Zero means 32 MiB.
	ScrubRate int64
	// OnCorrupt, if set, is told of each block that was found corrupt and put
	// aside, by the goroutine that found it: a Get or Scrub. It may call the
	// store.
	OnCorrupt func(cid sds.CID, class sds.Class)
	// Logger gets a line for each thing that an operator should know. Nil means
	// silence.
	Logger *slog.Logger
}

// Validate tells what is wrong with a Config, all of it at once.
func (c Config) Validate() error {
	var errs []error
	if c.Dir == "" {
		errs = append(errs, errors.New("disk: Dir is empty: name the folder of the store"))
	}
	for _, field := range []struct {
		name  string
		value int64
	}{
		{"PinnedLimit", c.PinnedLimit},
		{"CachedLimit", c.CachedLimit},
		{"UseResolution", int64(c.UseResolution)},
		{"QuarantineFiles", int64(c.QuarantineFiles)},
		{"ScrubPeriod", int64(c.ScrubPeriod)},
		{"ScrubRate", c.ScrubRate},
	} {
		if field.value < 0 {
			errs = append(errs, fmt.Errorf("disk: %s is %d: want 0 or more", field.name, field.value))
		}
	}
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	if c.MinFree == 0 {
		c.MinFree = 256 << 20
	}
	if c.UseResolution == 0 {
		c.UseResolution = 10 * time.Minute
	}
	if c.QuarantineFiles == 0 {
		c.QuarantineFiles = 64
	}
	if c.ScrubPeriod == 0 {
		c.ScrubPeriod = 30 * 24 * time.Hour
	}
	if c.ScrubRate == 0 {
		c.ScrubRate = 32 << 20
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// A clock is the time as a store sees it; tests have their own.
type clock struct {
	now   func() time.Time
	sleep func(ctx context.Context, d time.Duration) error
}

var systemClock = clock{now: time.Now, sleep: sleep}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
