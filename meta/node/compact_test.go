package node_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/node"
)

func compacting(c *node.Config) { c.CompactBytes = 4000 }

func snapshots(w *world) []string {
	found, err := filepath.Glob(filepath.Join(w.cfg.Dir, "journal", "*.snapshot"))
	if err != nil {
		w.Fatal(err)
	}
	return found
}

func TestACompactedJournalRebuildsEverything(t *testing.T) {
	t.Parallel()
	simulate(t, 5, compacting, func(w *world) {
		check := w.fill()
		if len(snapshots(w)) != 1 {
			w.Fatalf("snapshots %v, want one", snapshots(w))
		}
		if err := w.node.WipeStore(w.Context()); err != nil {
			w.Fatal(err)
		}
		check() // of a running node
		w.stop()
		if err := os.RemoveAll(filepath.Join(w.cfg.Dir, "store")); err != nil {
			w.Fatal(err)
		}
		w.start()
		w.pass(10 * time.Second)
		check() // of one that starts
		for i := range 30 {
			w.publish(meta.Name(fmt.Sprint("more/", i)), fmt.Sprint("more", i))
		}
		w.pass(10 * time.Second)
		for i := range 30 {
			w.resolves(fmt.Sprint("more/", i), nil)
		}
	})
}

func TestARemovedNameIsForgottenWithTheFirstCompactionAfter400Days(t *testing.T) {
	t.Parallel()
	var ahead time.Duration
	simulate(t, 3, func(c *node.Config) {
		compacting(c)
		c.Now = func() time.Time { return time.Now().Add(ahead) }
	}, func(w *world) {
		w.publish("acme/old", "old")
		w.remove("acme/old", false)
		for i := range 20 {
			w.publish(meta.Name(fmt.Sprint("acme/", i)), fmt.Sprint(i))
		}
		w.resolves("acme/old", meta.ErrDeleted)
		w.stop()
		ahead = 401 * 24 * time.Hour
		w.start()
		w.pass(10 * time.Second)
		for i := range 40 {
			w.publish(meta.Name(fmt.Sprint("acme/x", i)), fmt.Sprint("x", i))
		}
		w.resolves("acme/old", meta.ErrNotFound)
		w.resolves("acme/0", nil)
	})
}
