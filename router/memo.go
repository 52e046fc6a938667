package router

import (
	"context"
	"hash/maphash"
	"sync"
	"time"
)

// memo remembers answers for a while, in bounded memory, and asks once however
// many want the same answer at the same time.
type memo[K comparable, V any] struct {
	now    func() time.Time
	seed   maphash.Seed
	limit  int
	shards [16]memoShard[K, V]
}

type memoShard[K comparable, V any] struct {
	mu      sync.Mutex // guards entries
	entries map[K]*memoEntry[V]
}

type memoEntry[V any] struct {
	// done is closed when value and until are there.
	done  chan struct{}
	value V
	until time.Time
}

// loadTimeout bounds a load; it does not end with the request that began it,
// since others wait for the same answer.
const loadTimeout = 2 * time.Second

func newMemo[K comparable, V any](limit int, now func() time.Time) *memo[K, V] {
	m := &memo[K, V]{now: now, seed: maphash.MakeSeed(), limit: max(limit/16, 1)}
	for i := range m.shards {
		m.shards[i].entries = map[K]*memoEntry[V]{}
	}
	return m
}

func (m *memo[K, V]) shard(key K) *memoShard[K, V] {
	return &m.shards[maphash.Comparable(m.seed, key)&15]
}

// get returns what is remembered or what load returns, which then is remembered
// for as long as load says. The error is that of the waiter's context alone.
func (m *memo[K, V]) get(ctx context.Context, key K, load func(context.Context) (V, time.Duration)) (V, error) {
	s := m.shard(key)
	s.mu.Lock()
	if e, ok := s.entries[key]; ok && !m.old(e) {
		s.mu.Unlock()
		select {
		case <-e.done:
			return e.value, nil
		case <-ctx.Done():
			var zero V
			return zero, context.Cause(ctx)
		}
	}
	e := &memoEntry[V]{done: make(chan struct{})}
	m.put(s, key, e)
	s.mu.Unlock()

	defer close(e.done)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	defer cancel()
	value, ttl := load(ctx)
	e.value, e.until = value, m.now().Add(ttl)
	return value, nil
}

// old tells whether an entry has had its time; one that is being loaded has not.
func (m *memo[K, V]) old(e *memoEntry[V]) bool {
	select {
	case <-e.done:
		return !m.now().Before(e.until)
	default:
		return false
	}
}

// put makes room by dropping an entry that is old, or else any of a few that
// the map happens to name first. The shard is locked.
func (m *memo[K, V]) put(s *memoShard[K, V], key K, e *memoEntry[V]) {
	if _, there := s.entries[key]; !there && len(s.entries) >= m.limit {
		tried := 0
		for other, entry := range s.entries {
			if tried++; m.old(entry) || tried == 8 {
				delete(s.entries, other)
				break
			}
		}
		for other := range s.entries { // fewer than eight, and none old
			if len(s.entries) < m.limit {
				break
			}
			delete(s.entries, other)
		}
	}
	s.entries[key] = e
}

// peek returns what is remembered and does not wait.
func (m *memo[K, V]) peek(key K) (V, bool) {
	s := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.entries[key]; ok && !m.old(e) {
		select {
		case <-e.done:
			return e.value, true
		default:
		}
	}
	var zero V
	return zero, false
}

// set remembers a value that came by another way.
func (m *memo[K, V]) set(key K, value V, ttl time.Duration) {
	e := &memoEntry[V]{done: make(chan struct{}), value: value, until: m.now().Add(ttl)}
	close(e.done)
	s := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	m.put(s, key, e)
}

// forget drops what is remembered, so that the next get loads.
func (m *memo[K, V]) forget(key K) {
	s := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.entries, key)
}

// len counts the entries, old ones included.
func (m *memo[K, V]) len() int {
	n := 0
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		n += len(s.entries)
		s.mu.Unlock()
	}
	return n
}
