package viewstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// scanBytes is where a script ends its page, however many entries are wanted.
const scanBytes = 4 << 20

type redisScope struct {
	store *Redis
	name  string
	keys  []string
	begun atomic.Pointer[begun]
}

// begun is the generation that this process adopted, and how many servers it
// knew then.
type begun struct {
	generation string
	epoch      uint64
}

func (s *redisScope) Begin(ctx context.Context) (fresh bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if err := s.store.learn(ctx); err != nil {
		return false, err
	}
	// Read before the call: a server that shows up during it makes the scope
	// stale at once, which costs another Begin and nothing else.
	epoch := s.store.epoch.Load()
	answer, err := s.store.scripts.begin.Run(ctx, s.store.client, s.keys, rand.Text(), s.store.lease.Milliseconds()).Slice()
	if err != nil {
		return false, s.store.wrap(ctx, "begin "+s.name, err)
	}
	generation, ok := answer[0].(string)
	if !ok || len(answer) != 2 {
		return false, fmt.Errorf("%w: redis begin %s: answer %v", ErrUnavailable, s.name, answer)
	}
	s.begun.Store(&begun{generation, epoch})
	return answer[1] == int64(1), nil
}

// generation tells which one to ask for, or why a call cannot go on.
func (s *redisScope) generation(ctx context.Context) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	begun := s.begun.Load()
	if begun == nil || begun.epoch != s.store.epoch.Load() {
		return "", fmt.Errorf("scope %s: %w", s.name, ErrWiped)
	}
	return begun.generation, nil
}

func (s *redisScope) Get(ctx context.Context, key string) ([]byte, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	generation, err := s.generation(ctx)
	if err != nil {
		return nil, err
	}
	value, err := s.store.scripts.get.Run(ctx, s.store.client, s.keys, generation, key).Text()
	if errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("%s/%.200q: %w", s.name, key, ErrNotFound)
	}
	if err != nil {
		return nil, s.store.wrap(ctx, "read "+s.name, err)
	}
	return []byte(value), s.still(ctx)
}

// still fails when a server showed up during a call: its answer may be old.
func (s *redisScope) still(ctx context.Context) error {
	_, err := s.generation(ctx)
	return err
}

func (s *redisScope) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	var b Batch
	b.Set(key, value, ttl)
	return s.Apply(ctx, &b)
}

func (s *redisScope) Delete(ctx context.Context, key string) error {
	var b Batch
	b.Delete(key)
	return s.Apply(ctx, &b)
}

func (s *redisScope) Scan(ctx context.Context, prefix, cursor string, limit int) ([]Entry, error) {
	if err := checkScan(prefix, cursor, limit); err != nil {
		return nil, err
	}
	// The empty key is the package's own, so a scan begins above it.
	low, high := "["+prefix, "+"
	if prefix == "" {
		low = "("
	}
	if cursor >= prefix && cursor != "" {
		low = "(" + cursor
	}
	if end, ok := after(prefix); ok {
		high = "(" + end
	}
	var entries []Entry
	for {
		generation, err := s.generation(ctx)
		if err != nil {
			return nil, err
		}
		page, err := s.store.scripts.scan.Run(ctx, s.store.client, s.keys, generation, low, high, limit-len(entries), scanBytes).StringSlice()
		if err != nil {
			return nil, s.store.wrap(ctx, "scan "+s.name, err)
		}
		for i := 1; i+1 < len(page); i += 2 {
			entries = append(entries, Entry{Key: page[i], Value: []byte(page[i+1])})
		}
		if len(page) == 0 || page[0] == "" || len(entries) >= limit {
			return entries, s.still(ctx)
		}
		low = "(" + page[0]
	}
}

func (s *redisScope) Apply(ctx context.Context, b *Batch) error {
	if err := b.check(); err != nil {
		return err
	}
	generation, err := s.generation(ctx)
	if err != nil {
		return err
	}
	args := make([]any, 3, 3+4*len(b.ops))
	args[0], args[1], args[2] = generation, s.store.lease.Milliseconds(), purgePerBatch
	for _, o := range b.ops {
		ttl := int64(0)
		if o.ttl > 0 {
			ttl = ceilMillis(o.ttl)
		}
		args = append(args, string(o.kind), o.key, o.value, ttl)
	}
	return s.store.wrap(ctx, "write "+s.name, s.store.scripts.apply.Run(ctx, s.store.client, s.keys, args...).Err())
}
