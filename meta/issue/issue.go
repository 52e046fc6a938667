// Package issue signs tickets. An Issuer owns the authority's network key, the
// ticket sequence, the seed and the keys of each epoch, and the ticket log;
// routers hold none of them and call it.
//
// What is where on disk:
//
//	sequence      the epoch, and the number below which all may be in use
//	<epoch>.log   the tickets of an epoch, in the order of their signing: log.go
//
// All keys are derived from the authority's key and the epoch, so a node that
// restarts goes on with the same ones and there is nothing else to keep.
package issue

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/receipt"
)

// Config of an Issuer.
type Config struct {
	// Dir holds sequence and log and nothing else.
	Dir       string
	ChainID   string
	Key       ed25519.PrivateKey
	Authority uint16
	// EpochLength; 0 is 10 minutes. Epochs count from 1970.
	EpochLength time.Duration
	// Known tells whether an edge is admitted.
	Known func(meta.EdgeID) bool
	// Own tells whether an edge belongs to this authority's operator: no ticket
	// names one. Nil is none.
	Own func(meta.EdgeID) bool
	// Banned tells whether a root is not served, by its digest.
	Banned func(digest [32]byte) bool
	// LogEpochs and LogBytes bound the log: the oldest epochs go first, the
	// running one never. 0 is 432 (three days) and 8 GiB.
	LogEpochs int
	LogBytes  int64
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Logger hears what no caller can be told; nil is slog.Default.
	Logger *slog.Logger
}

// Bounds of a request.
const (
	MaxBatch    = 1000
	MaxWorking  = 64
	MaxLifetime = 24 * time.Hour
)

// Issuer implements meta.Issuer. All methods may be called at once.
type Issuer struct {
	cfg Config
	log *log

	mu       sync.Mutex // guards epoch
	epoch    *epoch
	sequence *sequence
}

var _ meta.Issuer = (*Issuer)(nil)

// Open opens or begins an issuer's folder.
func Open(cfg Config) (*Issuer, error) {
	if cfg.EpochLength == 0 {
		cfg.EpochLength = 10 * time.Minute
	}
	if cfg.LogEpochs == 0 {
		cfg.LogEpochs = 432
	}
	if cfg.LogBytes == 0 {
		cfg.LogBytes = 8 << 30
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if !receipt.ValidChainID(cfg.ChainID) {
		return nil, fmt.Errorf("issuer: %q cannot be a chain id", cfg.ChainID)
	}
	log, err := openLog(cfg)
	if err != nil {
		return nil, err
	}
	seq, err := openSequence(cfg.Dir)
	if err != nil {
		return nil, errors.Join(err, log.close())
	}
	return &Issuer{cfg: cfg, log: log, sequence: seq}, nil
}

// Epoch is the number of the running one.
func (i *Issuer) Epoch() uint64 { return EpochAt(i.cfg.Now(), i.cfg.EpochLength) }

// EpochAt is the number of the epoch that a moment lies in.
func EpochAt(t time.Time, length time.Duration) uint64 {
	return uint64(max(0, t.UnixNano())) / uint64(length)
}

// Close syncs the log and gives unused sequence numbers back.
func (i *Issuer) Close() error {
	return errors.Join(i.log.close(), i.sequence.close())
}

// Issue signs tickets, in the order of the requests.
func (i *Issuer) Issue(ctx context.Context, requests []meta.TicketRequest) ([]meta.Issued, error) {
	if len(requests) > MaxBatch {
		return nil, fmt.Errorf("issue: %w: %d requests, at most %d", meta.ErrInvalid, len(requests), MaxBatch)
	}
	out := make([]meta.Issued, len(requests))
	for n := range requests {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		ticket, err := i.issue(ctx, &requests[n])
		if err != nil {
			out[n].Err = fmt.Errorf("issue: %w", err)
			continue
		}
		out[n].Ticket = ticket
		out[n].Text = ticket.Text()
	}
	return out, nil
}

func (i *Issuer) issue(ctx context.Context, q *meta.TicketRequest) (*receipt.Ticket, error) {
	if err := i.check(q); err != nil {
		return nil, err
	}
	now := i.cfg.Now()
	e, number, err := i.next(ctx, now)
	if err != nil {
		return nil, err
	}
	hidden, err := e.cipher.Encrypt(number)
	if err != nil {
		return nil, err
	}
	t := &receipt.Ticket{
		ID:          receipt.NewTicketID(now.Add(lifetime(q)), i.cfg.Authority, hidden),
		Epoch:       e.number,
		ViewerAlg:   q.ViewerAlg,
		ViewerKey:   q.ViewerKey,
		Class:       q.Class,
		Bind:        bind(q),
		MaxBytes:    q.MaxBytes,
		MaxRateKbps: q.MaxRateKbps,
		Edges:       e.order(q, number),
		Sources:     numbers(q.Sources, maxSources),
	}
	t.NetTag = e.key.NetTag(t.Payer, q.Client)
	t.Sealed = e.key.Seal(t.ID, receipt.SealedFields{Region: q.Region, ASN: q.ASN})
	if err := t.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", meta.ErrInvalid, err)
	}
	t.Sign(i.cfg.Key, i.cfg.ChainID)
	return t, i.log.add(ctx, e.number, number, t.Encode())
}

func (i *Issuer) check(q *meta.TicketRequest) error {
	switch {
	case !q.Root.Defined():
		return fmt.Errorf("%w: no root", meta.ErrInvalid)
	case (q.Class&receipt.Growing != 0) != (q.Bind != [32]byte{}):
		return fmt.Errorf("%w: a bind without a growing class, or the other way", meta.ErrInvalid)
	case q.Lifetime < 0 || q.Lifetime > MaxLifetime:
		return fmt.Errorf("%w: lifetime %s, at most %s", meta.ErrInvalid, q.Lifetime, MaxLifetime)
	case len(q.Working)+len(q.Rest) == 0:
		return meta.ErrNoEdges
	case len(q.Working) > MaxWorking || len(q.Rest) > MaxWorking || len(q.Sources) > MaxWorking:
		return fmt.Errorf("%w: more than %d edges", meta.ErrInvalid, MaxWorking)
	case i.cfg.Banned(q.Root.Digest):
		return fmt.Errorf("%s: %w", q.Root, meta.ErrBanned)
	}
	for _, list := range [][]meta.EdgeID{q.Working, q.Rest, q.Sources} {
		for _, id := range list {
			if !i.cfg.Known(id) {
				return fmt.Errorf("%w: edge %d is not admitted", meta.ErrInvalid, id)
			}
			if i.cfg.Own != nil && i.cfg.Own(id) {
				return fmt.Errorf("%w: edge %d belongs to the operator of this authority, whose tickets name none of its own edges", meta.ErrForbidden, id)
			}
		}
	}
	return nil
}

// bind is the root's digest, or what stands for a bundle that is still growing.
func bind(q *meta.TicketRequest) [32]byte {
	if q.Class&receipt.Growing != 0 {
		return q.Bind
	}
	return q.Root.Digest
}

func lifetime(q *meta.TicketRequest) time.Duration {
	if q.Lifetime == 0 {
		return time.Hour
	}
	return q.Lifetime
}

// next is the epoch at a time and a sequence number of it that was never used.
func (i *Issuer) next(ctx context.Context, now time.Time) (*epoch, uint64, error) {
	number := EpochAt(now, i.cfg.EpochLength)
	i.mu.Lock()
	if i.epoch == nil || i.epoch.number < number {
		e, err := newEpoch(i.cfg, number)
		if err != nil {
			i.mu.Unlock()
			return nil, 0, err
		}
		i.epoch = e
	}
	e := i.epoch
	i.mu.Unlock()
	seq, err := i.sequence.next(ctx, e.number)
	return e, seq, err
}
