package viewstore_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta/viewstore"
	"github.com/stratos-mesh/stratos/meta/viewstore/viewstoretest"
)

func newRedis(t *testing.T, config viewstore.RedisConfig) *viewstore.Redis {
	t.Helper()
	s, err := viewstore.NewRedis(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func begin(t *testing.T, s viewstore.Store, name string, wantFresh bool) viewstore.Scope {
	t.Helper()
	scope := s.Scope(name)
	if fresh, err := scope.Begin(t.Context()); err != nil || fresh != wantFresh {
		t.Fatalf("Begin(%s) = %v, %v, want %v", name, fresh, err, wantFresh)
	}
	return scope
}

func set(t *testing.T, scope viewstore.Scope, key, value string) {
	t.Helper()
	if err := scope.Set(t.Context(), key, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

func TestRedisSingleServer(t *testing.T) {
	t.Parallel()
	server := viewstoretest.StartServer(t)
	viewstoretest.Run(t, func(t *testing.T) viewstore.Store {
		return newRedis(t, viewstore.RedisConfig{URL: server.URL(), Network: rand.Text()})
	})
}

func TestRedisCluster(t *testing.T) {
	t.Parallel()
	servers := viewstoretest.StartCluster(t)
	url := "redis://" + servers[0].Addr + "," + servers[1].Addr + "," + servers[2].Addr
	t.Run("suite", func(t *testing.T) {
		viewstoretest.Run(t, func(t *testing.T) viewstore.Store {
			return newRedis(t, viewstore.RedisConfig{URL: url, Network: rand.Text()})
		})
	})
	t.Run("scopes lie on every master", func(t *testing.T) {
		s := newRedis(t, viewstore.RedisConfig{URL: servers[2].URL() + "?cluster=true", Network: "spread"})
		for i := range 30 {
			set(t, begin(t, s, fmt.Sprint("scope", i), true), "k", "v")
		}
		for _, server := range servers {
			keys, _, err := server.Client(t).Scan(t.Context(), 0, "stratos:{spread/*}:*", 10_000).Result()
			if err != nil || len(keys) == 0 || len(keys)%3 != 0 {
				t.Errorf("%s has %d keys, %v", server.Addr, len(keys), err)
			}
		}
		if err := s.Wipe(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, server := range servers {
			if keys, _, err := server.Client(t).Scan(t.Context(), 0, "stratos:{spread/*}:*", 10_000).Result(); err != nil || len(keys) != 0 {
				t.Errorf("%s still has %v, %v", server.Addr, keys, err)
			}
		}
	})
	t.Run("one server of a cluster without saying so is told", func(t *testing.T) {
		s := newRedis(t, viewstore.RedisConfig{URL: servers[0].URL()})
		var last error
		for i := range 30 {
			if _, err := s.Scope(fmt.Sprint(i)).Begin(t.Context()); err != nil {
				last = err
			}
		}
		if last == nil || !strings.Contains(last.Error(), "?cluster=true") {
			t.Errorf("got %v", last)
		}
	})
}

// What happens behind the store's back is told as ErrWiped, never as not found.
func TestRedisFlushedInMidRun(t *testing.T) {
	t.Parallel()
	server := viewstoretest.StartServer(t)
	client, ctx := server.Client(t), t.Context()
	config := viewstore.RedisConfig{URL: server.URL()}
	one, two := newRedis(t, config), newRedis(t, config)
	for name, harm := range map[string]func() error{
		"flushed":               func() error { return client.FlushAll(ctx).Err() },
		"data evicted":          func() error { return client.Del(ctx, "stratos:{main/a}:data").Err() },
		"order evicted":         func() error { return client.Del(ctx, "stratos:{main/a}:order").Err() },
		"ends evicted":          func() error { return client.Del(ctx, "stratos:{main/a}:expiry").Err() },
		"scripts flushed too":   func() error { client.ScriptFlush(ctx); return client.FlushAll(ctx).Err() },
		"wiped by the other":    func() error { return two.Wipe(ctx) },
		"begun anew by another": func() error { client.FlushAll(ctx); _, err := two.Scope("a").Begin(ctx); return err },
	} {
		t.Run(name, func(t *testing.T) {
			scope := one.Scope("a")
			if _, err := scope.Begin(ctx); err != nil {
				t.Fatal(err)
			}
			set(t, scope, "k", "v")
			if err := harm(); err != nil {
				t.Fatal(err)
			}
			if _, err := scope.Scan(ctx, "", "", 1); !errors.Is(err, viewstore.ErrWiped) {
				t.Errorf("Scan: %v", err)
			}
			if err := scope.Set(ctx, "k", nil, 0); !errors.Is(err, viewstore.ErrWiped) {
				t.Errorf("Set: %v", err)
			}
			// The order is not read by Get, so it may still know the value.
			if got, err := scope.Get(ctx, "k"); !errors.Is(err, viewstore.ErrWiped) && string(got) != "v" {
				t.Errorf("Get: %q, %v", got, err)
			}
			fresh, err := scope.Begin(ctx)
			if want := name != "begun anew by another"; fresh != want || err != nil {
				t.Errorf("Begin = %v, %v, want %v", fresh, err, want)
			}
			if _, err := scope.Get(ctx, "k"); !errors.Is(err, viewstore.ErrNotFound) {
				t.Errorf("Get after Begin: %v", err)
			}
		})
	}
}

func TestRedisKeysLiveForALease(t *testing.T) {
	t.Parallel()
	server := viewstoretest.StartServer(t)
	client, ctx := server.Client(t), t.Context()
	s := newRedis(t, viewstore.RedisConfig{URL: server.URL(), Network: "n", Lease: time.Hour})
	scope := begin(t, s, "a", true)
	set(t, scope, "k", "v")
	keys, _, err := client.Scan(ctx, 0, "*", 1000).Result()
	if err != nil || len(keys) != 3 {
		t.Fatalf("keys are %v, %v", keys, err)
	}
	for _, key := range keys {
		ttl, err := client.PTTL(ctx, key).Result()
		if err != nil || ttl <= 59*time.Minute || ttl > time.Hour || !strings.HasPrefix(key, "stratos:{n/a}:") {
			t.Errorf("%s lives for %v, %v", key, ttl, err)
		}
	}
	names, err := client.ClientList(ctx).Result()
	if err != nil || !strings.Contains(names, "name=stratos ") {
		t.Errorf("the connection has no name: %s, %v", names, err)
	}
}

// A server that comes back with an older snapshot must not be taken for the
// one that was read before.
func TestRedisRestartedIsBegunAgain(t *testing.T) {
	t.Parallel()
	server := viewstoretest.StartServer(t, "--dbfilename", "dump.rdb")
	ctx := t.Context()
	s := newRedis(t, viewstore.RedisConfig{URL: server.URL()})
	scope := begin(t, s, "a", true)
	set(t, scope, "height", "1")
	if err := server.Client(t).Save(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	set(t, scope, "height", "2")
	server.Kill()
	if _, err := scope.Get(ctx, "height"); !errors.Is(err, viewstore.ErrUnavailable) {
		t.Errorf("Get while it is down: %v", err)
	}
	server.Restart(t)
	if got, err := scope.Get(ctx, "height"); !errors.Is(err, viewstore.ErrWiped) {
		t.Errorf("Get from the older snapshot: %q, %v", got, err)
	}
	if fresh, err := scope.Begin(ctx); fresh || err != nil {
		t.Fatalf("Begin = %v, %v, want adopted", fresh, err)
	}
	if got, err := scope.Get(ctx, "height"); string(got) != "1" || err != nil {
		t.Errorf("height is %q, %v", got, err)
	}
}

func TestRedisPasswordFromFile(t *testing.T) {
	t.Parallel()
	server := viewstoretest.StartServer(t, "--requirepass", "s3cret")
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	begin(t, newRedis(t, viewstore.RedisConfig{URL: server.URL() + "/3?password_file=" + file}), "a", true)
	begin(t, newRedis(t, viewstore.RedisConfig{URL: "redis://:s3cret@" + server.Addr}), "b", true)
	if _, err := newRedis(t, viewstore.RedisConfig{URL: server.URL()}).Scope("a").Begin(t.Context()); !errors.Is(err, viewstore.ErrUnavailable) {
		t.Errorf("without the password: %v", err)
	}
}

func TestRedisURLs(t *testing.T) {
	t.Parallel()
	for url, fine := range map[string]bool{
		"redis://localhost": true, "redis://a:1,b:2,c": true, "rediss://u:p@[::1]:7/2": true, "redis://::1": true,
		"redis://a:1?cluster=true": true, "redis://a,b?sentinel=mine": true, "redis://a,b/1?sentinel=mine": true,
		"": false, "http://a": false, "redis://": false, "redis://a:b": false, "redis://a,": false, "redis://a/x": false,
		"redis://a,b/1": false, "redis://a?cluster=perhaps": false, "redis://a?cluster=true&sentinel=m": false,
		"redis://a?nonsense=1": false, "redis://a?password_file=/nonexistent": false,
	} {
		s, err := viewstore.OpenRedis(url)
		if (err == nil) != fine {
			t.Errorf("%q: %v", url, err)
		}
		if err == nil {
			s.Close()
		} else if !errors.Is(err, viewstore.ErrInvalid) {
			t.Errorf("%q: error of another kind: %v", url, err)
		}
	}
	if _, err := viewstore.NewRedis(viewstore.RedisConfig{URL: "redis://a", Network: "a*"}); !errors.Is(err, viewstore.ErrInvalid) {
		t.Errorf("a network with a star: %v", err)
	}
}

// The rights that docs/formats/viewstore.md names suffice for all there is.
func TestRedisRightsOfTheManual(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("../../docs/formats/viewstore.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(manual), "    user stratos ")
	rights, _, _ := strings.Cut(rest, "\n")
	server := viewstoretest.StartServer(t)
	command := []any{"ACL", "SETUSER", "stratos"}
	for _, right := range strings.Fields(rights) {
		command = append(command, right)
	}
	if err := server.Client(t).Do(t.Context(), command...).Err(); err != nil {
		t.Fatal(err)
	}
	viewstoretest.Run(t, func(t *testing.T) viewstore.Store {
		return newRedis(t, viewstore.RedisConfig{URL: "redis://stratos:secret@" + server.Addr + "/2", Network: rand.Text()})
	})
}
