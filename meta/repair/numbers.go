package repair

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/meta/viewstore"
)

// Numbers numbers work. A number is never used twice: each is larger than the
// last, and than the milliseconds since 1970 shifted by 20 bits, so that not
// even a wiped store brings one back; and a number beyond all that were given
// out is kept in the store, in case the clock is set back over a restart.
//
// The key in its scope: "number" → 8 bytes, big endian.
type Numbers struct {
	scope viewstore.Scope
	now   func() time.Time

	mu       sync.Mutex // guards all below
	last     uint64
	reserved uint64
}

const (
	numberKey = "number"
	// reserve is a minute's worth of milliseconds, shifted.
	reserve = 60_000 << 20
)

// OpenNumbers goes on above the numbers that the scope knows. It begins the
// scope.
func OpenNumbers(ctx context.Context, scope viewstore.Scope, now func() time.Time) (*Numbers, error) {
	if _, err := scope.Begin(ctx); err != nil {
		return nil, fmt.Errorf("work numbers: %w", err)
	}
	n := &Numbers{scope: scope, now: now}
	switch value, err := scope.Get(ctx, numberKey); {
	case err == nil && len(value) == 8:
		n.last = binary.BigEndian.Uint64(value)
	case err != nil && !errors.Is(err, viewstore.ErrNotFound):
		return nil, fmt.Errorf("work numbers: %w", err)
	}
	n.reserved = n.last
	if err := n.Reserve(ctx); err != nil {
		return nil, err
	}
	return n, nil
}

// Next is a number that was never given out before. It does no I/O.
func (n *Numbers) Next() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last = max(n.last+1, uint64(n.now().UnixMilli())<<20)
	return n.last
}

// Reserve keeps the store ahead of what is given out. It is to be called every
// few seconds and writes twice a minute.
func (n *Numbers) Reserve(ctx context.Context) error {
	n.mu.Lock()
	ahead := max(n.last, uint64(n.now().UnixMilli())<<20)
	reserved := n.reserved
	n.mu.Unlock()
	if ahead+reserve/2 <= reserved {
		return nil
	}
	value := binary.BigEndian.AppendUint64(nil, ahead+reserve)
	err := n.scope.Set(ctx, numberKey, value, 0)
	if errors.Is(err, viewstore.ErrWiped) {
		if _, err = n.scope.Begin(ctx); err == nil {
			err = n.scope.Set(ctx, numberKey, value, 0)
		}
	}
	if err != nil {
		return fmt.Errorf("work numbers: %w", err)
	}
	n.mu.Lock()
	n.reserved = ahead + reserve
	n.mu.Unlock()
	return nil
}
