// Package journaltest is what every journal.Journal must pass.
package journaltest

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/journal"
	"github.com/stratos-mesh/stratos/sds"
)

// ChainID of the records that the suite makes.
const ChainID = "journal-test-1"

// Key of the authority whose records they are.
func Key() ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("authority"))
	return ed25519.NewKeyFromSeed(seed[:])
}

// Record makes a signed record that carries a text.
func Record(text string) *journal.Record {
	rec := &journal.Record{Authority: 1, Time: time.Unix(1_800_000_000, 1).UTC(), Entry: &journal.View{
		Epoch: uint64(len(text)), CID: sds.Sum(sds.Raw, []byte(text)),
	}}
	rec.Sign(Key(), ChainID)
	return rec
}

// Entries is one entry of every kind.
func Entries() []journal.Entry {
	owner := Key()
	public := owner.Public().(ed25519.PublicKey)
	now := time.Unix(1_800_000_000, 5).UTC()
	root := sds.Sum(sds.DagPB, []byte("root"))
	p := meta.Publication{Name: "acme/a", Kind: meta.Bundle, Root: root, Manifest: root, Size: 1, Objects: 1, Durable: []meta.EdgeID{1, 2}, Time: now}
	p.Sign(owner, ChainID)
	move := meta.Rename{From: "acme/a", To: "acme/b", Time: now}
	move.Sign(owner, ChainID)
	remove := meta.Removal{Name: "acme/b", Now: true, Time: now}
	remove.Sign(owner, ChainID)
	revocation := meta.Revocation{Number: 1, Authority: 1, Kind: meta.ByNetwork, Root: root, Objects: []sds.CID{root}, Reason: "ban", Time: now}
	revocation.Sign(owner, ChainID)
	return []journal.Entry{
		&journal.Claimed{Namespace: "acme", Owner: public},
		&journal.Moved{Publication: p, Drawn: "acme/a", Random: [][16]byte{{1}, {2}}},
		&journal.Renamed{Rename: move},
		&journal.Removed{Removal: remove},
		&journal.Pinned{Root: root, Payer: [32]byte{1}, Replicas: 3, Until: now},
		&journal.Unpinned{Root: root, Payer: [32]byte{1}},
		&journal.Forgotten{Root: root},
		&journal.View{Epoch: 7, CID: root},
		&journal.Revoked{Revocation: revocation},
		&journal.Admitted{Kind: meta.EdgeNode, ID: 1, Key: public, Invitation: [16]byte{9}, Drained: true, Edge: meta.Edge{
			ID: 1, Key: public, URL: "http://127.0.0.2:80", TLSURL: "https://edge.example", Region: "eu-west", Operator: "op", ASN: 64500,
			Lat: 52.5, Lon: -13.4, Capacity: 1e9, Weight: 4,
		}},
	}
}

// Run tries a journal's promises; open returns an empty one.
func Run(t *testing.T, open func(t *testing.T) journal.Journal) {
	t.Run("an empty journal has height 0 and nothing to read", func(t *testing.T) {
		t.Parallel()
		j := open(t)
		if got := j.Height(); got != 0 {
			t.Errorf("height %d, want 0", got)
		}
		if got := read(t, j, 0); len(got) != 0 {
			t.Errorf("read %d records, want none", len(got))
		}
	})
	t.Run("every kind of entry comes back as it was, with its signature", func(t *testing.T) {
		t.Parallel()
		j := open(t)
		for i, entry := range Entries() {
			rec := &journal.Record{Authority: 3, Time: time.Unix(1_800_000_000, int64(i)).UTC(), Entry: entry}
			rec.Sign(Key(), ChainID)
			height := add(t, j, rec)
			got := read(t, j, height-1)
			if len(got) != 1 {
				t.Fatalf("read %d records after height %d, want 1", len(got), height-1)
			}
			want := *rec
			want.Height = height
			if diff := cmp.Diff(*got[0], want); diff != "" {
				t.Errorf("%T (-got +want):\n%s", entry, diff)
			}
			if err := got[0].Verify(Key().Public().(ed25519.PublicKey), ChainID); err != nil {
				t.Errorf("%T: %v", entry, err)
			}
		}
	})
	t.Run("records of one call follow each other, and heights have no gaps", func(t *testing.T) {
		t.Parallel()
		j := open(t)
		var group sync.WaitGroup
		for i := range 20 {
			group.Go(func() {
				records := []*journal.Record{Record(fmt.Sprint(i, "a")), Record(fmt.Sprint(i, "b")), Record(fmt.Sprint(i, "c"))}
				height, err := j.Append(context.Background(), records...)
				if err != nil {
					t.Error(err)
					return
				}
				for k, got := range read(t, j, height-3)[:3] {
					if got.Height != height-2+uint64(k) || got.Signature != records[k].Signature {
						t.Errorf("record %d of call %d is at %d", k, i, got.Height)
					}
				}
			})
		}
		group.Wait()
		for i, rec := range read(t, j, 0) {
			if rec.Height != uint64(i+1) {
				t.Fatalf("record %d is at height %d", i+1, rec.Height)
			}
		}
		if got := j.Height(); got != 60 {
			t.Errorf("height %d, want 60", got)
		}
	})
	t.Run("reading ends where the caller says", func(t *testing.T) {
		t.Parallel()
		j := open(t)
		for i := range 5 {
			add(t, j, Record(fmt.Sprint(i)))
		}
		enough := errors.New("enough")
		seen := 0
		err := j.Read(t.Context(), 1, func(*journal.Record) error {
			seen++
			if seen == 2 {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) || seen != 2 {
			t.Errorf("saw %d, %v; want 2 and the caller's error", seen, err)
		}
		if got := read(t, j, 5); len(got) != 0 {
			t.Errorf("read %d records above the newest", len(got))
		}
		if got := read(t, j, 99); len(got) != 0 {
			t.Errorf("read %d records far above the newest", len(got))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := j.Read(ctx, 0, func(*journal.Record) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that ended: %v", err)
		}
	})
	t.Run("waiting ends with the next record, at once when it is there, or with the context", func(t *testing.T) {
		t.Parallel()
		j := open(t)
		waited := make(chan uint64)
		go func() {
			height, err := j.Wait(context.Background(), 0)
			if err != nil {
				t.Error(err)
			}
			waited <- height
		}()
		add(t, j, Record("x"))
		if got := <-waited; got != 1 {
			t.Errorf("waited for height %d, want 1", got)
		}
		if got, err := j.Wait(t.Context(), 0); got != 1 || err != nil {
			t.Errorf("got %d, %v", got, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := j.Wait(ctx, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that ended: %v", err)
		}
	})
	t.Run("nothing appended is nothing changed", func(t *testing.T) {
		t.Parallel()
		j := open(t)
		if height, err := j.Append(t.Context()); height != 0 || err != nil {
			t.Errorf("got %d, %v", height, err)
		}
	})
}

func add(t *testing.T, j journal.Journal, rec *journal.Record) uint64 {
	t.Helper()
	height, err := j.Append(context.Background(), rec)
	if err != nil {
		t.Fatal(err)
	}
	return height
}

func read(t *testing.T, j journal.Journal, after uint64) (out []*journal.Record) {
	t.Helper()
	err := j.Read(context.Background(), after, func(rec *journal.Record) error {
		out = append(out, rec)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return out
}
