package node_test

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/node"
	"github.com/stratos-mesh/stratos/meta/viewstore/viewstoretest"
)

// fill publishes, removes and revokes, and returns a check of all of it.
func (w *world) fill() (check func()) {
	w.Helper()
	for i := range 20 {
		w.publish(meta.Name(fmt.Sprint("acme/", i)), fmt.Sprint(i))
	}
	w.publish("other/removed", "removed")
	w.publish("other/revoked", "revoked")
	w.pass(5 * time.Second)
	w.remove("other/removed", false)
	w.remove("other/revoked", true)
	w.pass(2 * time.Second)
	before, err := w.node.Status(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return func() {
		w.Helper()
		for i := range 20 {
			res := w.resolves(fmt.Sprint("acme/", i), nil)
			if res.Record.Root != cid(fmt.Sprint(i)) || len(res.Holders) != 3 {
				w.Errorf("name %d: %+v", i, res)
			}
		}
		w.resolves("other/removed", meta.ErrDeleted)
		w.resolves("other/revoked", meta.ErrDeleted)
		if _, err := w.node.Locate(w.Context(), cid("revoked").Digest); !errors.Is(err, meta.ErrBanned) {
			w.Errorf("locate: %v", err)
		}
		after, err := w.node.Status(w.Context())
		if err != nil || after.Names != before.Names || after.Roots != before.Roots || after.Revocations != before.Revocations || len(after.Edges) != len(before.Edges) {
			w.Errorf("status %+v, %v; want %+v", after, err, before)
		}
		if w.asked(meta.Replicate)+w.asked(meta.Drop) != 0 {
			w.Errorf("%d replications, %d drops", w.asked(meta.Replicate), w.asked(meta.Drop))
		}
	}
}

func TestARunningNodeRebuildsAWipedStore(t *testing.T) {
	t.Parallel()
	simulate(t, 5, nil, func(w *world) {
		check := w.fill()
		if err := w.node.WipeStore(w.Context()); err != nil {
			w.Fatal(err)
		}
		check() // the very next question waits until all is there again
		w.publish("acme/new", "new")
		w.pass(time.Minute)
		w.remove("acme/new", false)
		check()
	})
}

func TestANodeThatStartsWithoutItsStoreRebuildsIt(t *testing.T) {
	t.Parallel()
	simulate(t, 5, nil, func(w *world) {
		check := w.fill()
		w.stop()
		if err := os.RemoveAll(filepath.Join(w.cfg.Dir, "store")); err != nil {
			w.Fatal(err)
		}
		w.start()
		w.pass(time.Minute) // the edges' reports say again who holds what
		check()
	})
}

// A store of a machine that crashed may be some seconds old, or, after a backup
// of the journal was restored, ahead of it.
func TestAStoreThatIsBehindOrAheadIsBroughtInLine(t *testing.T) {
	t.Parallel()
	simulate(t, 5, nil, func(w *world) {
		w.publish("acme/early", "early")
		w.pass(5 * time.Second)
		w.stop()
		early := w.T.TempDir()
		if err := os.CopyFS(early, os.DirFS(w.cfg.Dir)); err != nil {
			w.Fatal(err)
		}
		w.start()
		w.publish("acme/late", "late")
		w.pass(5 * time.Second)
		w.stop()
		swap := func(part string) {
			if err := os.RemoveAll(filepath.Join(w.cfg.Dir, part)); err != nil {
				w.Fatal(err)
			}
			if err := os.CopyFS(filepath.Join(w.cfg.Dir, part), os.DirFS(filepath.Join(early, part))); err != nil {
				w.Fatal(err)
			}
		}
		newest := w.T.TempDir()
		if err := os.CopyFS(newest, os.DirFS(filepath.Join(w.cfg.Dir, "store"))); err != nil {
			w.Fatal(err)
		}
		swap("store")
		w.start()
		w.resolves("acme/late", nil)
		w.resolves("acme/early", nil)
		w.stop()
		swap("journal")
		w.start()
		w.resolves("acme/late", meta.ErrNotFound)
		w.resolves("acme/early", nil)
	})
}

func TestRedisMayBeFlushed(t *testing.T) {
	t.Parallel()
	server := viewstoretest.StartServer(t)
	cfg := config(t.TempDir())
	cfg.RedisURL = server.URL()
	n := open(t, cfg)
	admit(t, n, 3)
	var names []string
	for i := range 20 {
		name := fmt.Sprint("acme/", i)
		if _, err := n.Publish(t.Context(), publication(meta.Name(name), cid(name), 1, 2, 3)); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	client := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer client.Close()
	for round := range 3 {
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			res, err := n.Resolve(t.Context(), name)
			if err != nil || res.Record.Root != cid(name) {
				t.Fatalf("round %d: %s: %+v, %v", round, name, res, err)
			}
		}
		name := fmt.Sprint("acme/round-", round)
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Publish(t.Context(), publication(meta.Name(name), cid(name), 1, 2, 3)); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if status, err := n.Status(t.Context()); err != nil || status.StoreKind != "redis" || int(status.Names) != len(names) {
		t.Errorf("status %+v, %v; want %d names", status, err, len(names))
	}
}

const childDir = "STRATOS_META_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, publishForever(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// publishForever is the child: six publishers, who print what was acknowledged.
func publishForever(dir string) error {
	n, err := node.Open(config(dir))
	if err != nil {
		return err
	}
	ctx := context.Background()
	for i := 1; i <= 3; i++ {
		if _, err := n.Admit(ctx, meta.Admission{Kind: meta.EdgeNode, Key: edgeKey(i), Edge: meta.Edge{URL: "http://127.0.0.1:1"}}); err != nil {
			return err
		}
		if _, err := n.Beat(ctx, meta.EdgeID(i), meta.Beat{}); err != nil {
			return err
		}
	}
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			for {
				name := fmt.Sprintf("ns%d/%d", rand.IntN(4), rand.Uint64())
				p := publication(meta.Name(name), cid(name), 1, 2, 3)
				if _, err := n.Publish(ctx, p); err != nil {
					return
				}
				if _, err := os.Stdout.WriteString("published " + name + "\n"); err != nil {
					return
				}
				if rand.IntN(3) > 0 {
					continue
				}
				m := meta.Removal{Name: meta.Name(name), Now: rand.IntN(2) == 0, Time: time.Now()}
				m.Sign(key("owner"), chainID)
				if err := n.Remove(ctx, m); err != nil {
					return
				}
				if _, err := os.Stdout.WriteString("removed " + name + "\n"); err != nil {
					return
				}
			}
		})
	}
	group.Wait()
	return errors.New("a publisher gave up")
}

// A meta node killed at any moment comes back with everything it acknowledged.
func TestNothingAcknowledgedIsLostWhenTheNodeIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acknowledged := make(map[string]string)
	for round := range 6 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childDir+"="+dir)
		var stderr strings.Builder
		child.Stderr = &stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(out)
		kill := 1 + rand.IntN(80)
		for n := 0; ; n++ {
			if n == kill {
				time.AfterFunc(rand.N(5*time.Millisecond), func() { child.Process.Kill() })
			}
			line, err := in.ReadString('\n')
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
				break
			}
			what, name, _ := strings.Cut(strings.TrimSpace(line), " ")
			if acknowledged[name] != "removed" {
				acknowledged[name] = what
			}
		}
		child.Wait() // killed
		if stderr.Len() > 0 {
			t.Fatalf("round %d: %s", round, stderr.String())
		}
		n, err := node.Open(config(dir))
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for name, what := range acknowledged {
			_, err := n.Resolve(t.Context(), name)
			// What was published may have been removed just before the kill.
			if err != nil && !errors.Is(err, meta.ErrDeleted) || what == "removed" && !errors.Is(err, meta.ErrDeleted) {
				t.Errorf("round %d: %s was %s: %v", round, name, what, err)
			}
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(acknowledged) == 0 {
		t.Fatal("the children acknowledged nothing")
	}
}

func TestConfigurationsAreChecked(t *testing.T) {
	t.Parallel()
	for why, spoil := range map[string]func(*node.Config){
		"no folder":           func(c *node.Config) { c.Dir = "" },
		"no chain":            func(c *node.Config) { c.ChainID = "" },
		"a chain with spaces": func(c *node.Config) { c.ChainID = "a b" },
		"no key":              func(c *node.Config) { c.Key = nil },
		"half a key":          func(c *node.Config) { c.Key = ed25519.PrivateKey{1, 2} },
		"authority 0":         func(c *node.Config) { c.Authority = 0 },
		"too many replicas":   func(c *node.Config) { c.Replicas = 65 },
	} {
		cfg := config(t.TempDir())
		spoil(&cfg)
		if _, err := node.Open(cfg); err == nil {
			t.Errorf("%s: opened", why)
		}
	}
	cfg := config(t.TempDir())
	open(t, cfg)
	if _, err := node.Open(cfg); err == nil {
		t.Error("a folder was opened twice")
	}
}

// Publishers of different namespaces share syncs.
func BenchmarkPublish(b *testing.B) {
	n, err := node.Open(config(b.TempDir()))
	if err != nil {
		b.Fatal(err)
	}
	defer n.Close()
	for i := 1; i <= 3; i++ {
		if _, err := n.Admit(b.Context(), meta.Admission{Kind: meta.EdgeNode, Key: edgeKey(i), Edge: meta.Edge{URL: "http://127.0.0.1:1"}}); err != nil {
			b.Fatal(err)
		}
		if _, err := n.Beat(b.Context(), meta.EdgeID(i), meta.Beat{}); err != nil {
			b.Fatal(err)
		}
	}
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			name := meta.Name(fmt.Sprintf("ns%d/%d", rand.IntN(64), rand.Uint64()))
			if _, err := n.Publish(b.Context(), publication(name, cid(string(name)), 1, 2, 3)); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "publications/s")
}
