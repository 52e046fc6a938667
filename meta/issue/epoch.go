package issue

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/receipt"
)

// Bounds of a ticket.
const maxEdges, maxSources = 4, 3

// epoch is what belongs to one epoch: the key that closes a ticket's fields, the
// one that hides its number, and the seed that orders working sets.
type epoch struct {
	number uint64
	key    *receipt.EpochKey
	cipher *receipt.SequenceCipher
	seed   receipt.Seed
}

func newEpoch(cfg Config, number uint64) (*epoch, error) {
	key, err := derive(cfg, "epoch key", number)
	if err != nil {
		return nil, err
	}
	sequence, err := derive(cfg, "sequence key", number)
	if err != nil {
		return nil, err
	}
	draw, err := derive(cfg, "draw key", 0)
	if err != nil {
		return nil, err
	}
	drawKey, err := receipt.NewDrawKey(draw)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	// Without a chain there is no beacon: the seed then depends on nothing but
	// the key and the epoch, and is as unknown to edges and viewers.
	var beacon [32]byte
	return &epoch{
		number: number,
		key:    receipt.NewEpochKey(key),
		cipher: receipt.NewSequenceCipher(sequence),
		seed:   drawKey.SignSeed(cfg.ChainID, number, beacon).Seed(),
	}, nil
}

// derive is HKDF-SHA-256 (RFC 5869) over the authority's secret.
func derive(cfg Config, purpose string, epoch uint64) (out [32]byte, err error) {
	info := fmt.Sprintf("stratos/issue/v1 %s %s %d", purpose, cfg.ChainID, epoch)
	b, err := hkdf.Key(sha256.New, cfg.Key.Seed(), nil, info, len(out))
	if err != nil {
		return out, fmt.Errorf("issuer: derive %s: %w", purpose, err)
	}
	return [32]byte(b), nil
}

// order is the ticket's edges: the working set as the seed has it, then the rest.
func (e *epoch) order(q *meta.TicketRequest, number uint64) []uint32 {
	working := numbers(q.Working, len(q.Working))
	out := receipt.Order(e.seed, q.Class, q.ViewerKey, q.Unit, number, working)
	for _, id := range q.Rest {
		out = append(out, uint32(id))
	}
	return distinct(out, maxEdges)
}

func numbers(ids []meta.EdgeID, limit int) []uint32 {
	out := make([]uint32, 0, len(ids))
	for _, id := range ids {
		out = append(out, uint32(id))
	}
	return distinct(out, limit)
}

// distinct keeps the first of those that are there twice, up to a limit.
func distinct(list []uint32, limit int) []uint32 {
	out := list[:0]
next:
	for _, n := range list {
		for _, seen := range out {
			if seen == n {
				continue next
			}
		}
		if len(out) == limit {
			break
		}
		out = append(out, n)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
