// Package pipeline brings the blocks of an upload to the edges that a meta node
// granted, and knows when they are safe there.
//
// A block goes to the first edge of the grant, which stores it and forwards the
// same bytes to the next at the same time; the answer says on which edges it is
// synced to disk. Several blocks are under way at once, within a bound on their
// bytes. An edge that fails is replaced: the meta node is asked for the grant
// again with that edge named as dead, blocks under way go to its replacement,
// and Fill brings there what was written before.
//
//	Writer   what an origin has one of: the way to the meta node and the edges
//	Session  one upload's grant, renewed and mended while it is used
//	Batch    blocks that must be safe together: a file, or a part of one
//	Tally    which edges have how many blocks of a batch
package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/stratos-mesh/stratos/meta"
)

// ErrGrant: an edge refused the grant, and a new one did not help.
var ErrGrant = errors.New("edges refuse the grant")

// Meta is what a pipeline asks of a meta node.
type Meta interface {
	Begin(ctx context.Context, u meta.Upload) (meta.Grant, error)
	Network(ctx context.Context, since uint64, wait time.Duration) (*meta.Network, error)
}

// Config of a Writer. Zero values mean the defaults named here.
type Config struct {
	Meta Meta
	// HTTP calls the edges; its transport decides about TLS and connections.
	// Nil is a client of its own.
	HTTP *http.Client
	// Sign signs a request with this node's key; nil leaves it unsigned.
	Sign func(*http.Request) error
	// Memory bounds the bytes of all blocks under way; 96 MiB.
	Memory int64
	// BatchMemory bounds those of one batch; 16 MiB.
	BatchMemory int64
	// Attempts for one block before its upload fails; 10.
	Attempts int
	// Pause before the second attempt; it doubles up to 3 s, with jitter. 50 ms.
	Pause time.Duration
	// BlockTimeout ends one attempt; 30 s.
	BlockTimeout time.Duration
	Now          func() time.Time
	Logger       *slog.Logger
	Counters     *Counters
}

// A Writer opens sessions. It may be used from many goroutines.
type Writer struct {
	config  Config
	memory  *semaphore.Weighted
	network *network
}

// New makes a Writer; it calls nobody yet.
func New(c Config) *Writer {
	if c.HTTP == nil {
		c.HTTP = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second}}
	}
	if c.Sign == nil {
		c.Sign = func(*http.Request) error { return nil }
	}
	if c.Memory == 0 {
		c.Memory = 96 << 20
	}
	if c.BatchMemory == 0 {
		c.BatchMemory = 16 << 20
	}
	if c.Attempts == 0 {
		c.Attempts = 10
	}
	if c.Pause == 0 {
		c.Pause = 50 * time.Millisecond
	}
	if c.BlockTimeout == 0 {
		c.BlockTimeout = 30 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Counters == nil {
		c.Counters = &Counters{}
	}
	return &Writer{config: c, memory: semaphore.NewWeighted(c.Memory), network: &network{meta: c.Meta, now: c.Now}}
}
