package nodeauth

import (
	"crypto/ed25519"
	"hash/maphash"
	"sync"
	"time"
)

// memory of the nonces used within the window, kept in periods by the time
// that the signature says it was created: a period is forgotten whole as soon
// as nothing in it could be accepted again. When it is full new requests are
// refused, for forgetting an old nonce would let it pass a second time.
type memory struct {
	mu      sync.Mutex // guards all below
	periods map[int64]*period
	total   int
	seed    maphash.Seed
}

type period struct {
	seen map[uint64]struct{}
	keys map[[ed25519.PublicKeySize]byte]int
}

const periodSeconds = 10

// used identifies a nonce of a key. 64 bits keyed by a secret seed: a collision
// costs one refused request in 2^44 with a full memory, and nobody can aim at it.
type used struct {
	key   [ed25519.PublicKeySize]byte
	nonce string
}

func (m *memory) use(key ed25519.PublicKey, nonce string, created, now time.Time, limit int) error {
	if limit <= 0 {
		limit = 1 << 22
	}
	id := [ed25519.PublicKeySize]byte(key)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.periods == nil {
		m.periods, m.seed = map[int64]*period{}, maphash.MakeSeed()
	}
	taken := 0
	for start, p := range m.periods {
		if time.Unix((start+1)*periodSeconds, 0).Add(Window).Before(now) {
			m.total -= len(p.seen)
			delete(m.periods, start)
			continue
		}
		taken += p.keys[id]
	}
	start := created.Unix() / periodSeconds
	p := m.periods[start]
	if p == nil {
		p = &period{map[uint64]struct{}{}, map[[ed25519.PublicKeySize]byte]int{}}
		m.periods[start] = p
	}
	hash := maphash.Comparable(m.seed, used{id, nonce})
	if _, again := p.seen[hash]; again {
		return ErrReplay
	}
	if m.total >= limit || taken >= max(1, limit/4) {
		return ErrBusy
	}
	p.seen[hash] = struct{}{}
	p.keys[id]++
	m.total++
	return nil
}
