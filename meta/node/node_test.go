package node_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/node"
	"github.com/stratos-mesh/stratos/receipt"
	"github.com/stratos-mesh/stratos/sds"
)

const chainID = "test-1"

func key(seed string) ed25519.PrivateKey {
	h := sha256.Sum256([]byte(seed))
	return ed25519.NewKeyFromSeed(h[:])
}

func public(seed string) ed25519.PublicKey { return key(seed).Public().(ed25519.PublicKey) }

func cid(text string) sds.CID { return sds.Sum(sds.Raw, []byte(text)) }

func config(dir string) node.Config {
	return node.Config{
		Dir: dir, ChainID: chainID, Key: key("authority"), Authority: 1, Development: true,
		Operators: []ed25519.PublicKey{key("operator").Public().(ed25519.PublicKey)},
		Logger:    slog.New(slog.DiscardHandler),
	}
}

func open(t *testing.T, cfg node.Config) *node.Node {
	t.Helper()
	n, err := node.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// admit registers edges 1 to count, a region each, and lets them beat once.
func admit(t *testing.T, n *node.Node, count int) {
	t.Helper()
	for i := 1; i <= count; i++ {
		id, err := n.Admit(t.Context(), meta.Admission{
			Kind: meta.EdgeNode, Key: edgeKey(i),
			Edge: meta.Edge{URL: fmt.Sprintf("http://127.0.0.%d:8080", i+1), Region: fmt.Sprintf("region-%d", i), Weight: 4},
		})
		if err != nil || id != meta.EdgeID(i) {
			t.Fatalf("admit edge %d: got %d, %v", i, id, err)
		}
		beat(t, n, i, meta.Beat{})
	}
}

func edgeKey(i int) ed25519.PublicKey {
	return key(fmt.Sprintf("edge %d", i)).Public().(ed25519.PublicKey)
}

// until asks every few milliseconds, as callers of a network do, and gives up
// after many seconds.
func until(t *testing.T, what string, ask func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(20 * time.Second)
	for !ask() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("did not happen in 20 s: %s", what)
		}
	}
}

func beat(t *testing.T, n *node.Node, i int, b meta.Beat) meta.BeatReply {
	t.Helper()
	b.Boot = [8]byte{byte(i)}
	reply, err := n.Beat(t.Context(), meta.EdgeID(i), b)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func begin(t *testing.T, n *node.Node, u meta.Upload) (meta.Grant, error) {
	t.Helper()
	u.Kind, u.MaxBytes = meta.Bundle, 1<<20
	return n.Begin(t.Context(), u)
}

func publication(name meta.Name, root sds.CID, durable ...meta.EdgeID) meta.Publication {
	p := meta.Publication{
		Name: name, Kind: meta.Bundle, Root: root, Manifest: cid("manifest"), Size: 10, Objects: 1,
		Durable: durable, Time: time.Now(),
	}
	p.Sign(key("owner"), chainID)
	return p
}

func TestANameIsPublishedFoundAndThereAfterARestart(t *testing.T) {
	t.Parallel()
	cfg := config(t.TempDir())
	n := open(t, cfg)
	admit(t, n, 5)
	grant, err := begin(t, n, meta.Upload{Name: "abc/site"})
	if err != nil {
		t.Fatal(err)
	}
	if err := grant.Verify(cfg.Key.Public().(ed25519.PublicKey), chainID); err != nil {
		t.Error(err)
	}
	if len(grant.Edges) != 3 {
		t.Fatalf("grant names %v, want three edges", grant.Edges)
	}
	rec, err := n.Publish(t.Context(), publication("abc/site", cid("root"), grant.Edges...))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(rec.Units, []meta.UnitKey{grant.Unit}) {
		t.Errorf("published units %x, want the grant's %x", rec.Units, grant.Unit)
	}
	var reply meta.BeatReply
	until(t, "an edge that took the slices gets work", func() bool {
		reply = beat(t, n, int(grant.Edges[0]), meta.Beat{})
		reply.Work = slices.DeleteFunc(reply.Work, func(w meta.Work) bool { return w.Kind == meta.Dial })
		return len(reply.Work) > 0
	})
	if len(reply.Work) != 1 || reply.Work[0].Kind != meta.Check || reply.Work[0].Record.Root != cid("root") {
		t.Fatalf("an edge that took the slices got the work %+v, want one check", reply.Work)
	}
	beat(t, n, int(grant.Edges[0]), meta.Beat{
		Done:    []uint64{reply.Work[0].Number},
		Changes: []meta.Holding{{Unit: grant.Unit, Root: cid("root"), State: meta.Complete}},
	})
	res, err := n.Resolve(t.Context(), "abc/site/index.html")
	if err != nil {
		t.Fatal(err)
	}
	if res.Rest != "index.html" || !slices.Equal(slices.Sorted(slices.Values(res.Holders)), slices.Sorted(slices.Values(grant.Edges))) {
		t.Errorf("resolved to rest %q, holders %v; want index.html, %v", res.Rest, res.Holders, grant.Edges)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n = open(t, cfg)
	res, err = n.Locate(context.Background(), cid("root").Digest)
	if err != nil || res.Record.Name != "abc/site" {
		t.Errorf("after a restart: %+v, %v", res, err)
	}
	if kind, id, known := n.WhoIs(edgeKey(2)); kind != meta.EdgeNode || id != 2 || !known {
		t.Errorf("edge 2 is %d, %d, %v", kind, id, known)
	}
}

func ticketRequest(root string) meta.TicketRequest {
	return meta.TicketRequest{Class: receipt.ClassB, Root: cid(root), Working: []meta.EdgeID{1, 2}, MaxBytes: 1 << 20}
}
