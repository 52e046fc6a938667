package serve

import (
	"sync"
	"time"
)

// Budget is how many bytes may go out unpaid per day; what is not used adds up
// to one day's worth at most. The nil Budget has nothing to give.
type Budget struct {
	perDay int64
	now    func() time.Time

	mu   sync.Mutex // guards following
	left float64
	last time.Time
}

// NewBudget starts with a whole day's worth. The clock may be nil.
func NewBudget(perDay int64, now func() time.Time) *Budget {
	if now == nil {
		now = time.Now
	}
	return &Budget{perDay: perDay, now: now, left: float64(perDay), last: now()}
}

// Take takes n bytes, or nothing when fewer are left.
func (b *Budget) Take(n int64) bool {
	if b == nil || b.perDay <= 0 {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.left = min(float64(b.perDay), b.left+float64(b.perDay)*now.Sub(b.last).Hours()/24)
	b.last = now
	if float64(n) > b.left {
		return false
	}
	b.left -= float64(n)
	return true
}
