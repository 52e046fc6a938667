package index_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/index"
	"github.com/stratos-mesh/stratos/meta/journal"
	"github.com/stratos-mesh/stratos/meta/viewstore"
	"github.com/stratos-mesh/stratos/sds"
)

const chainID = "index-test-1"

func key(seed string) ed25519.PrivateKey {
	h := sha256.Sum256([]byte(seed))
	return ed25519.NewKeyFromSeed(h[:])
}

func public(seed string) ed25519.PublicKey { return key(seed).Public().(ed25519.PublicKey) }

func cid(text string) sds.CID { return sds.Sum(sds.Raw, []byte(text)) }

// world is an index that records are applied to one by one, with a clock that
// goes on by a second each.
type world struct {
	t       *testing.T
	store   viewstore.Store
	x       *index.Index
	height  uint64
	now     time.Time
	records []*journal.Record
}

func newWorld(t *testing.T) *world {
	t.Helper()
	store, err := viewstore.OpenEmbedded(viewstore.Config{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	w := &world{t: t, store: store, x: index.New(store), now: time.Unix(1_800_000_000, 0).UTC()}
	if height, err := w.x.Begin(t.Context()); err != nil || height != 0 {
		t.Fatalf("begin: %d, %v", height, err)
	}
	return w
}

// apply enters an entry and returns why it was refused.
func (w *world) apply(entry journal.Entry) error {
	w.t.Helper()
	w.height++
	w.now = w.now.Add(time.Second)
	rec := &journal.Record{Height: w.height, Authority: 1, Time: w.now, Entry: entry}
	checked := w.x.Check(w.t.Context(), w.now, entry)
	var refused error
	height, err := w.x.Apply(w.t.Context(), []*journal.Record{rec}, func(_ *journal.Record, err error) { refused = err })
	if err != nil || height != w.height {
		w.t.Fatalf("apply: at %d, %v; want %d", height, err, w.height)
	}
	if (checked == nil) != (refused == nil) {
		w.t.Fatalf("check says %v, apply %v", checked, refused)
	}
	w.records = append(w.records, rec)
	return refused
}

func (w *world) must(entry journal.Entry) {
	w.t.Helper()
	if err := w.apply(entry); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) claim(namespace, owner string) {
	w.t.Helper()
	w.must(&journal.Claimed{Namespace: namespace, Owner: public(owner)})
}

func (w *world) bundle(name meta.Name, root string) *journal.Moved {
	e := &journal.Moved{
		Publication: meta.Publication{
			Name: name, Kind: meta.Bundle, Root: cid(root), Manifest: cid("manifest of " + root), Size: 5, Objects: 1,
			Owner: public("owner"), Time: w.now.Add(time.Millisecond),
		},
		Drawn: name, Random: [][16]byte{{1}},
	}
	return e
}

func (w *world) remove(name meta.Name) *journal.Removed {
	return &journal.Removed{Removal: meta.Removal{Name: name, Owner: public("owner"), Time: w.now.Add(time.Millisecond)}}
}

func (w *world) rename(from, to meta.Name) *journal.Renamed {
	return &journal.Renamed{Rename: meta.Rename{From: from, To: to, Owner: public("owner"), Time: w.now.Add(time.Millisecond)}}
}

func (w *world) root(name string) index.RootState {
	w.t.Helper()
	state, err := w.x.Root(w.t.Context(), cid(name).Digest)
	if err != nil {
		w.t.Fatal(err)
	}
	return state
}

func (w *world) refuses(entry journal.Entry, want error, why string) {
	w.t.Helper()
	if err := w.apply(entry); !errors.Is(err, want) {
		w.t.Errorf("%s: got %v, want %v", why, err, want)
	}
}

func TestNamesArePrefixFree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.claim("acme", "owner")
	w.must(w.bundle("acme/a/b", "1"))
	w.refuses(w.bundle("acme/a/b/c/d", "2"), meta.ErrConflict, "below a name")
	w.refuses(w.bundle("acme/a", "2"), meta.ErrConflict, "above a name")
	w.must(w.bundle("acme/a/b-c", "2"))
	w.must(w.bundle("acme/a/bb", "2"))
	w.must(w.rename("acme/a/b", "acme/a/b/c"))
	w.must(w.rename("acme/a/b/c", "acme/a/b"))
	w.refuses(w.rename("acme/a/bb", "acme/a/b/x"), meta.ErrConflict, "moved below a name")
	w.must(w.remove("acme/a/b"))
	w.must(w.bundle("acme/a/b/c", "3"))
	if err := w.x.Free(t.Context(), "acme/a/b"); !errors.Is(err, meta.ErrConflict) {
		t.Errorf("above a name: %v", err)
	}
}

func TestTheConflictNamesTheNameAbove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.claim("acme", "owner")
	w.must(w.bundle("acme/site", "1"))
	err := w.apply(w.bundle("acme/site/logo.png", "2"))
	if want := "conflict: acme/site is a name, so nothing can be published below it"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.claim("acme", "owner")
	w.must(w.bundle("acme/a/b", "1"))
	w.must(w.bundle("acme/a/b-c", "2"))
	w.must(w.bundle("acme/gone", "3"))
	w.must(w.remove("acme/gone"))
	w.must(w.bundle("acme/banned", "4"))
	w.must(&journal.Revoked{Revocation: meta.Revocation{Number: 1, Kind: meta.ByNetwork, Root: cid("4")}})
	long := strings.Repeat(strings.Repeat("x", 200)+"/", 7) + "x" // more than a name may have
	for _, test := range []struct {
		path, name, rest string
		err              error
	}{
		{"acme/a/b", "acme/a/b", "", nil},
		{"acme/a/b/", "acme/a/b", "", nil},
		{"acme/a/b/c/d", "acme/a/b", "c/d", nil},
		{"acme/a/b/c/", "acme/a/b", "c/", nil},
		{"acme/a/b-c/x", "acme/a/b-c", "x", nil},
		{"acme/a", "", "", meta.ErrNotFound},
		{"acme/a/bc", "", "", meta.ErrNotFound},
		{"acme/gone", "", "", meta.ErrDeleted},
		{"acme/gone/x", "", "", meta.ErrDeleted},
		{"acme/banned/x", "", "", meta.ErrBanned},
		{"other/x", "", "", meta.ErrNotFound},
		{"acme/../x", "", "", meta.ErrInvalid},
		{"acme/a//b", "", "", meta.ErrInvalid},
		{"acme/a/b/" + long, "acme/a/b", long, nil},
		{"acme/" + long, "", "", meta.ErrNotFound},
		{"acme/a/b/" + long + "/" + long + "/" + long, "", "", meta.ErrInvalid},
		{"acme", "", "", meta.ErrInvalid},
	} {
		n, rest, err := w.x.Resolve(t.Context(), test.path)
		if !errors.Is(err, test.err) || err == nil && (string(n.Name) != test.name || rest != test.rest) {
			t.Errorf("%s: got %v, %q, %v; want %s, %q, %v", test.path, n, rest, err, test.name, test.rest, test.err)
		}
	}
}

func TestOnlyTheOwnerChangesANamespace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.refuses(w.bundle("acme/a", "1"), meta.ErrForbidden, "an unclaimed namespace")
	w.claim("acme", "owner")
	w.claim("acme", "owner")
	w.refuses(&journal.Claimed{Namespace: "acme", Owner: public("thief")}, meta.ErrForbidden, "a second claim")
	w.must(w.bundle("acme/a", "1"))
	w.claim("thieves", "thief")
	for why, entry := range map[string]func() journal.Entry{
		"a publication": func() journal.Entry { e := w.bundle("acme/b", "1"); e.Publication.Owner = public("thief"); return e },
		"a removal":     func() journal.Entry { e := w.remove("acme/a"); e.Removal.Owner = public("thief"); return e },
		"a rename into the thief's": func() journal.Entry {
			e := w.rename("acme/a", "thieves/a")
			e.Rename.Owner = public("thief")
			return e
		},
		"a rename into another's": func() journal.Entry { return w.rename("acme/a", "thieves/a") },
	} {
		w.refuses(entry(), meta.ErrForbidden, why)
	}
}

func TestOldOrdersAreNotPlayedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.claim("acme", "owner")
	first := w.bundle("acme/a", "1")
	w.must(first)
	w.must(w.bundle("acme/a", "2"))
	w.refuses(first, meta.ErrConflict, "an older publication")
	removal := w.remove("acme/a")
	w.must(removal)
	w.must(removal) // a repetition that changes nothing
	again := w.bundle("acme/a", "2")
	w.must(again)
	w.refuses(removal, meta.ErrConflict, "an older removal")
	w.must(again)
	n, live, err := w.x.Name(t.Context(), "acme/a")
	if err != nil || !live || n.Root != cid("2") {
		t.Errorf("got %+v, %v, %v", n, live, err)
	}
}

func TestARenameKeepsUnitsAndLeavesNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.claim("acme", "owner")
	w.must(w.bundle("acme/a", "1"))
	before, _, _ := w.x.Name(t.Context(), "acme/a")
	rename := w.rename("acme/a", "acme/b")
	w.must(rename)
	w.must(rename) // repeated
	after, live, err := w.x.Name(t.Context(), "acme/b")
	if err != nil || !live || !slices.Equal(after.Units, before.Units) || after.Drawn != "acme/a" {
		t.Errorf("got %+v, %v, %v", after, live, err)
	}
	if _, _, err := w.x.Resolve(t.Context(), "acme/a"); !errors.Is(err, meta.ErrDeleted) {
		t.Errorf("the old name: %v", err)
	}
	// A new version under the new name keeps the unit that was drawn for the old.
	next := w.bundle("acme/b", "2")
	w.refuses(next, meta.ErrConflict, "other units")
	next = w.bundle("acme/b", "2")
	next.Drawn, next.Random = after.Drawn, after.Random
	w.must(next)
	w.refuses(w.rename("acme/none", "acme/c"), meta.ErrNotFound, "a name that never was")
	w.refuses(w.rename("acme/a", "acme/c"), meta.ErrDeleted, "a name that went elsewhere")
	w.must(w.bundle("acme/c", "3"))
	w.refuses(w.rename("acme/b", "acme/c"), meta.ErrConflict, "onto a name")
}

func TestLooseObjectsOfABucketShareAUnit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.claim("acme", "owner")
	loose := func(name meta.Name, random byte) *journal.Moved {
		e := w.bundle(name, "root of "+string(name))
		e.Publication.Kind, e.Shared, e.Random = meta.Object, true, [][16]byte{{random}}
		return e
	}
	// Two names of one bucket, found by trying.
	first := meta.Name("acme/0")
	var second meta.Name
	for i := 1; second == ""; i++ {
		if n := meta.Name(fmt.Sprint("acme/", i)); index.Bucket(n) == index.Bucket(first) {
			second = n
		}
	}
	w.must(loose(first, 7))
	w.refuses(loose(second, 8), meta.ErrConflict, "another unit in the same bucket")
	w.must(loose(second, 7))
	a, _, _ := w.x.Name(t.Context(), first)
	b, _, _ := w.x.Name(t.Context(), second)
	if !slices.Equal(a.Units, b.Units) {
		t.Errorf("units %x and %x", a.Units, b.Units)
	}
	random, err := w.x.Shared(t.Context(), second)
	if err != nil || !slices.Equal(random, []byte{7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}) {
		t.Errorf("shared: %v, %v", random, err)
	}
}

func TestARootRestsWhenNothingKeepsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.claim("acme", "owner")
	w.must(w.bundle("acme/a", "1"))
	w.must(w.bundle("acme/b", "1"))
	w.must(w.remove("acme/a"))
	if got := w.root("1"); got != index.Kept {
		t.Fatalf("one of two names removed: %v, want kept", got)
	}
	w.must(w.bundle("acme/b", "2"))
	if got := w.root("1"); got != index.Rests {
		t.Fatalf("the other moved on: %v, want rests", got)
	}
	w.must(&journal.Pinned{Root: cid("1"), Payer: [32]byte{1}, Until: w.now.Add(time.Hour)})
	if got := w.root("1"); got != index.Kept {
		t.Fatalf("pinned: %v, want kept", got)
	}
	w.must(&journal.Pinned{Root: cid("1"), Payer: [32]byte{2}, Until: w.now.Add(time.Hour)})
	w.must(&journal.Unpinned{Root: cid("1"), Payer: [32]byte{1}})
	if got := w.root("1"); got != index.Kept {
		t.Fatalf("one of two pins gone: %v, want kept", got)
	}
	w.refuses(&journal.Forgotten{Root: cid("1")}, meta.ErrConflict, "forgetting what is kept")
	w.must(&journal.Unpinned{Root: cid("1"), Payer: [32]byte{2}})
	w.must(w.bundle("acme/a", "1"))
	if got := w.root("1"); got != index.Kept {
		t.Fatalf("published again: %v, want kept", got)
	}
	w.must(w.remove("acme/a"))
	w.must(&journal.Forgotten{Root: cid("1")})
	if got := w.root("1"); got != index.Unknown {
		t.Fatalf("forgotten: %v, want unknown", got)
	}
	w.refuses(&journal.Pinned{Root: cid("1"), Until: w.now.Add(time.Hour)}, meta.ErrNotFound, "pinning what is forgotten")
	if s, err := w.x.State(t.Context()); err != nil || s.Names != 1 || s.Roots != 1 {
		t.Errorf("state %+v, %v; want one name, one root", s, err)
	}
}

func TestRevocations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.claim("acme", "owner")
	revoke := func(number uint64, kind meta.RevocationKind, root string, objects ...sds.CID) *journal.Revoked {
		return &journal.Revoked{Revocation: meta.Revocation{Number: number, Kind: kind, Root: cid(root), Objects: objects, Time: w.now}}
	}
	w.must(w.bundle("acme/a", "1"))
	w.refuses(revoke(2, meta.ByOwner, "1"), meta.ErrConflict, "a gap in the numbers")
	w.must(revoke(1, meta.ByOwner, "1"))
	w.refuses(w.bundle("acme/b", "1"), meta.ErrBanned, "a revoked root")
	w.must(revoke(2, meta.Lifted, "1"))
	w.must(w.bundle("acme/b", "1"))
	w.must(revoke(3, meta.ByNetwork, "1", cid("film")))
	w.refuses(revoke(4, meta.Lifted, "1"), meta.ErrConflict, "lifting what the network revoked")
	w.must(revoke(4, meta.ByOwner, "1"))
	w.refuses(revoke(5, meta.Lifted, "1"), meta.ErrConflict, "lifting it after the owner revoked as well")
	w.refuses(w.bundle("acme/c", "film"), meta.ErrBanned, "a banned object as a root")
	if _, err := w.x.Locate(t.Context(), cid("1").Digest); !errors.Is(err, meta.ErrBanned) {
		t.Errorf("locate: %v", err)
	}
	list, err := w.x.Revocations(t.Context(), 1, 2)
	if err != nil || len(list) != 2 || list[0].Number != 2 || list[1].Number != 3 || !slices.Equal(list[1].Objects, []sds.CID{cid("film")}) {
		t.Errorf("after 1: %+v, %v", list, err)
	}
}

func TestNodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admit := func(id meta.EdgeID, name string, invitation byte) *journal.Admitted {
		return &journal.Admitted{Kind: meta.EdgeNode, ID: id, Key: public(name), Invitation: [16]byte{invitation}, Edge: meta.Edge{URL: "http://" + name}}
	}
	w.refuses(admit(2, "one", 0), meta.ErrConflict, "a number that is not the next")
	w.must(admit(1, "one", 5))
	w.refuses(admit(2, "two", 5), meta.ErrForbidden, "an invitation used by another")
	w.must(admit(2, "two", 6))
	w.refuses(admit(1, "two", 0), meta.ErrConflict, "another edge's key")
	w.must(admit(1, "one again", 0))
	for name, want := range map[string]meta.EdgeID{"one": 0, "two": 2, "one again": 1} {
		n, err := w.x.Node(t.Context(), public(name))
		if err != nil || (n == nil) != (want == 0) || n != nil && n.ID != want {
			t.Errorf("%s is %+v, %v; want %d", name, n, err, want)
		}
	}
	w.must(&journal.Admitted{Kind: meta.OriginNode, Key: public("origin")})
	nodes, err := w.x.Nodes(t.Context())
	if err != nil || len(nodes) != 3 || nodes[0].ID != 1 || nodes[1].ID != 2 || nodes[2].Kind != meta.OriginNode {
		t.Errorf("nodes %+v, %v", nodes, err)
	}
}

func TestListing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.claim("acme", "owner")
	var want []meta.Name
	for _, path := range []string{"a!b", "a/b", "a0", "b", "ä"} {
		name := meta.Name("acme/" + path)
		w.must(w.bundle(name, path))
		want = append(want, name)
	}
	w.claim("acmf", "owner")
	w.must(w.bundle("acmf/x", "x"))
	slices.Sort(want)
	for limit := 1; limit <= 6; limit++ {
		var got []meta.Name
		for cursor := ""; ; {
			page, err := w.x.List(t.Context(), "acme/", cursor, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, rec := range page.Records {
				got = append(got, rec.Name)
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %q, want %q", limit, got, want)
		}
	}
	for _, limit := range []int{-1, 1001} {
		if _, err := w.x.List(t.Context(), "", "", limit); !errors.Is(err, meta.ErrInvalid) {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
}

// contents is all that a store has in the index's scope.
func contents(t *testing.T, store viewstore.Store) map[string]string {
	t.Helper()
	out := make(map[string]string)
	err := viewstore.All(context.Background(), store.Scope(index.ScopeName), "", func(e viewstore.Entry) error {
		out[e.Key] = string(e.Value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
