package viewstore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisConfig says which Redis to use, and as whom.
type RedisConfig struct {
	// URL as redis_url.go describes it.
	URL string
	// Network sets this network's scopes apart from others in the same Redis:
	// letters, digits, dot, dash, underscore; "main" when empty.
	Network string
	// Lease is how long a scope lives that nobody writes to or begins; 0 is 30
	// days. It ends as a whole and then is ErrWiped.
	Lease time.Duration
}

// Redis is a Store in a Redis server or cluster of version 6.2 or newer.
//
// Keys, all owned by this package. The braces make the three of a scope share
// a slot of a cluster. Each lives for a lease after the last Begin or Apply of
// its scope, all three to the same millisecond.
//
//	stratos:{<network>/<scope>}:data    hash: key → value, "" → generation
//	stratos:{<network>/<scope>}:order   sorted set: keys, all at 0, and ""
//	stratos:{<network>/<scope>}:expiry  sorted set: keys with an end, at it in
//	                                    Unix ms, and "" at infinity
//
// Every call runs one script, which first looks for the generation that this
// process began and for the empty keys. After FLUSHALL, an eviction or an
// expiry they are gone and the answer is ErrWiped, never a partial one. When a
// connection shows a server that was not known before (restarted from its
// snapshot, or a replica promoted), all scopes want to be begun again: what it
// holds may be older than what was read.
type Redis struct {
	client  redis.UniversalClient
	network string
	lease   time.Duration
	scripts scripts

	servers sync.Map      // run ids seen
	epoch   atomic.Uint64 // grows when a new server shows up
	learned atomic.Bool   // the first look at all servers was made

	mu     sync.Mutex // guards scopes
	scopes map[string]*redisScope
}

var _ Store = (*Redis)(nil)

type scripts struct{ begin, get, scan, apply *redis.Script }

var (
	//go:embed lua/begin.lua
	beginLua string
	//go:embed lua/get.lua
	getLua string
	//go:embed lua/scan.lua
	scanLua string
	//go:embed lua/apply.lua
	applyLua string
)

// OpenRedis prepares a store in Redis, with defaults; see NewRedis.
func OpenRedis(url string) (*Redis, error) { return NewRedis(RedisConfig{URL: url}) }

// NewRedis prepares a store in Redis. It does not connect: the first call does,
// and every later one connects again when it must.
func NewRedis(config RedisConfig) (*Redis, error) {
	options, err := redisOptions(config.URL)
	if err != nil {
		return nil, fmt.Errorf("viewstore: %w", err)
	}
	if config.Network == "" {
		config.Network = "main"
	}
	if config.Lease == 0 {
		config.Lease = 30 * 24 * time.Hour
	}
	if len(config.Network) > MaxScope || strings.ContainsFunc(config.Network, notPlain) || config.Lease < 0 {
		return nil, fmt.Errorf("viewstore: %w: Redis network %.200q, lease %v", ErrInvalid, config.Network, config.Lease)
	}
	s := &Redis{
		network: config.Network, lease: config.Lease,
		scripts: scripts{redis.NewScript(beginLua), redis.NewScript(getLua), redis.NewScript(scanLua), redis.NewScript(applyLua)},
		scopes:  make(map[string]*redisScope),
	}
	options.OnConnect = s.connected
	s.client = redis.NewUniversalClient(options)
	return s, nil
}

func notPlain(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '-' || r == '_')
}

// connected looks at the server behind a new connection. A user who may not ask
// for INFO loses the notice, nothing else.
func (s *Redis) connected(ctx context.Context, conn *redis.Conn) error {
	info, err := conn.Info(ctx, "server").Result()
	if err != nil {
		return nil
	}
	_, id, _ := strings.Cut(info, "run_id:")
	id, _, _ = strings.Cut(id, "\r\n")
	if _, known := s.servers.LoadOrStore(id, true); !known {
		s.epoch.Add(1)
	}
	return nil
}

// learn connects to every master once, so that those of a cluster which are
// met later by a key are not taken for new ones.
func (s *Redis) learn(ctx context.Context) error {
	if s.learned.Load() {
		return nil
	}
	err := s.each(ctx, func(ctx context.Context, c redis.UniversalClient) error { return c.Ping(ctx).Err() })
	if err != nil {
		return s.wrap(ctx, "connect", err)
	}
	s.learned.Store(true)
	return nil
}

func (s *Redis) each(ctx context.Context, do func(context.Context, redis.UniversalClient) error) error {
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error { return do(ctx, c) })
	}
	return do(ctx, s.client)
}

// Scope names a scope.
func (s *Redis) Scope(name string) Scope {
	mustScope(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	scope := s.scopes[name]
	if scope == nil {
		prefix := "stratos:{" + s.network + "/" + name + "}:"
		scope = &redisScope{store: s, name: name, keys: []string{prefix + "data", prefix + "order", prefix + "expiry"}}
		s.scopes[name] = scope
	}
	return scope
}

// Kind is "redis".
func (s *Redis) Kind() string { return "redis" }

// Wipe empties every scope of this network.
func (s *Redis) Wipe(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := s.each(ctx, func(ctx context.Context, c redis.UniversalClient) error {
		for cursor := uint64(0); ; {
			keys, next, err := c.Scan(ctx, cursor, "stratos:{"+s.network+"/*", 1000).Result()
			if err != nil {
				return err
			}
			for _, key := range keys { // one by one: they lie in several slots
				if err := c.Unlink(ctx, key).Err(); err != nil {
					return err
				}
			}
			if cursor = next; cursor == 0 {
				return nil
			}
		}
	})
	return s.wrap(ctx, "wipe", err)
}

// Close disconnects.
func (s *Redis) Close() error {
	if err := s.client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return fmt.Errorf("viewstore: close: %w", err)
	}
	return nil
}

// wrap turns what a call failed with into this package's errors.
func (s *Redis) wrap(ctx context.Context, what string, err error) error {
	switch _, moved := redis.IsMovedError(err); {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("viewstore: redis %s: %w", what, ctx.Err())
	case redis.HasErrorPrefix(err, "WIPED"):
		return fmt.Errorf("redis %s: %w", what, ErrWiped)
	case redis.HasErrorPrefix(err, "CONFLICT"):
		return fmt.Errorf("redis %s: %w", what, ErrConflict)
	case moved:
		return fmt.Errorf("%w: redis %s: this server belongs to a cluster, add ?cluster=true to its URL: %w", ErrUnavailable, what, err)
	}
	return fmt.Errorf("%w: redis %s: %w", ErrUnavailable, what, err)
}
