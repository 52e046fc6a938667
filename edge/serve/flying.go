package serve

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/sds"
)

// flying counts the bytes of slices that answers under way hold, each slice
// once however many viewers it goes to. The cache may have dropped such a slice
// long ago: ten thousand slow viewers of ten thousand slices would otherwise
// hold ten thousand slices in memory.
type flying struct {
	limit int64

	mu   sync.Mutex // guards following
	used int64
	held map[sds.CID]*hold
	// changed is closed when room was made, and replaced.
	changed chan struct{}
}

type hold struct{ answers, bytes int64 }

const (
	// smallBlock is what is not counted: a viewer's socket takes it at once.
	smallBlock = 64 << 10
	// holdPatience is how long an answer waits for room.
	holdPatience = 10 * time.Second
)

func newFlying(limit int64) *flying {
	if limit <= 0 {
		limit = 128 << 20
	}
	return &flying{limit: limit, held: make(map[sds.CID]*hold), changed: make(chan struct{})}
}

// hold counts a slice until the function that it returns is called. When there
// is no room for long, the answer is a 503.
func (f *flying) hold(ctx context.Context, cid sds.CID, bytes int64) (func(), error) {
	if bytes <= smallBlock {
		return nothing, nil
	}
	var timeout <-chan time.Time
	for {
		f.mu.Lock()
		h := f.held[cid]
		if h == nil && (f.used == 0 || f.used+bytes <= f.limit) {
			h = &hold{bytes: bytes}
			f.held[cid] = h
			f.used += bytes
		}
		if h != nil {
			h.answers++
			f.mu.Unlock()
			return func() { f.release(cid) }, nil
		}
		changed := f.changed
		f.mu.Unlock()
		if timeout == nil {
			timer := time.NewTimer(holdPatience)
			defer timer.Stop()
			timeout = timer.C
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nothing, ctx.Err()
		case <-timeout:
			return nothing, httperr.New(http.StatusServiceUnavailable, "busy", "too many slow answers are under way").WithRetry(5 * time.Second)
		}
	}
}

func (f *flying) release(cid sds.CID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.held[cid]
	if h.answers--; h.answers > 0 {
		return
	}
	delete(f.held, cid)
	if f.used+h.bytes > f.limit/2 {
		close(f.changed)
		f.changed = make(chan struct{})
	}
	f.used -= h.bytes
}

// roomFor tells whether more could be held just now.
func (f *flying) roomFor(bytes int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.used+bytes <= f.limit
}

// SetFlying replaces Config.Flying. Answers under way keep what they hold.
func (h *Handler) SetFlying(limit int64) {
	h.flying.mu.Lock()
	defer h.flying.mu.Unlock()
	h.flying.limit = limit
	close(h.flying.changed) // who waits looks again
	h.flying.changed = make(chan struct{})
}

// Held is how many bytes of slices answers under way hold, and their bound.
func (h *Handler) Held() (bytes, limit int64) {
	h.flying.mu.Lock()
	defer h.flying.mu.Unlock()
	return h.flying.used, h.flying.limit
}
