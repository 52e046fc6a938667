package viewstore_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta/viewstore"
	"github.com/stratos-mesh/stratos/meta/viewstore/viewstoretest"
)

// A master dies, the sentinel promotes its replica, the store goes on there.
func TestRedisSentinelFailsOver(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	master := viewstoretest.StartServer(t)
	host, port, _ := net.SplitHostPort(master.Addr)
	replica := viewstoretest.StartServer(t, "--replicaof", host+" "+port, "--repl-diskless-sync-delay", "0")
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("sentinel monitor mine %s %s 1\nsentinel down-after-milliseconds mine 1000\nsentinel failover-timeout mine 5000\n", host, port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel := viewstoretest.StartSentinel(t, config)

	s := newRedis(t, viewstore.RedisConfig{URL: sentinel.URL() + "?sentinel=mine"})
	scope := begin(t, s, "a", true)
	set(t, scope, "k", "v")
	client := replica.Client(t)
	eventually(t, "the replica has the key", func() bool {
		n, err := client.Exists(ctx, "stratos:{main/a}:data").Result()
		return err == nil && n == 1
	})
	eventually(t, "the sentinel knows the replica", func() bool {
		found, err := sentinel.Client(t).Do(ctx, "SENTINEL", "REPLICAS", "mine").Slice()
		return err == nil && len(found) == 1
	})
	master.Kill()
	eventually(t, "the store answers again", func() bool {
		_, err := scope.Get(ctx, "k")
		return errors.Is(err, viewstore.ErrWiped) // another server: begin it again
	})
	if fresh, err := scope.Begin(ctx); fresh || err != nil {
		t.Fatalf("Begin after failover = %v, %v", fresh, err)
	}
	if got, err := scope.Get(ctx, "k"); string(got) != "v" || err != nil {
		t.Errorf("Get after failover = %q, %v", got, err)
	}
	set(t, scope, "k", "w")
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	for !is() {
		select {
		case <-deadline:
			t.Fatalf("not after a minute: %s", what)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func FuzzRedisURL(f *testing.F) {
	for _, seed := range []string{"redis://a", "rediss://u:p@[::1]:7,b/2?sentinel=m", "redis://a?cluster=true", "redis://@@/?&=%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, url string) {
		if strings.Contains(url, "file") {
			t.Skip("reads whatever file it names")
		}
		s, err := viewstore.OpenRedis(url)
		if err != nil {
			if !errors.Is(err, viewstore.ErrInvalid) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		s.Close()
	})
}
