// Package storetest is the suite of promises that every store of blocks keeps.
// An implementation runs it in three lines:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) sds.Store { return mem.New() })
//	}
package storetest

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/sds"
)

// Run tests a store. Each call of open must return an empty one; the test's
// Cleanup is the place to close it.
func Run(t *testing.T, open func(*testing.T) sds.Store) {
	for _, test := range []struct {
		sentence string
		promise  func(*testing.T, sds.Store)
	}{
		{"what was never put is not found", notFound},
		{"a block comes back as it was put", comesBack},
		{"an empty block is a block", emptyBlock},
		{"blocks of every size come back", everySize},
		{"the same digest as slice and as node are two blocks", twoCodecs},
		{"putting twice is harmless", twice},
		{"pinning upgrades and caching never downgrades", classes},
		{"a deleted block is gone and may come again", deleted},
		{"deleting what is not there is no error", deleteNothing},
		{"bytes that do not match their name are refused", wrongHash},
		{"too many bytes are refused", tooLarge},
		{"a reader that fails leaves nothing behind", failingReader},
		{"a cancelled context ends every call", cancelled},
		{"the caller's buffer may be used again", bufferReused},
		{"many goroutines may put, get and delete at once", concurrent},
		{"many goroutines may put the same block at once", concurrentSame},
		{"a list names each block once, with size and class", list},
		{"a list ends with the caller's error", listStops},
		{"usage counts what is kept", usage},
		{"an imported object reads back", imported},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			t.Parallel()
			test.promise(t, open(t))
		})
	}
}

// block makes size bytes that differ from those of another seed.
func block(size int, seed byte) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i%251) ^ seed ^ byte(i>>12)
	}
	return b
}

func put(t *testing.T, store sds.Store, content []byte, class sds.Class) sds.CID {
	t.Helper()
	cid := sds.Sum(sds.Raw, content)
	n, err := sds.Receive(t.Context(), store, cid, bytes.NewReader(content), class)
	if err != nil {
		t.Fatalf("receive %d bytes: %v", len(content), err)
	}
	if n != int64(len(content)) {
		t.Fatalf("received %d bytes, want %d", n, len(content))
	}
	return cid
}

func wantBlock(t *testing.T, store sds.Store, cid sds.CID, want []byte) {
	t.Helper()
	got, err := store.Get(t.Context(), cid)
	if err != nil {
		t.Errorf("get: %v", err)
		return
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got %d bytes of digest %s, want %d of %s", len(got), sds.Sum(sds.Raw, got), len(want), sds.Sum(sds.Raw, want))
	}
	if has, err := store.Has(t.Context(), cid); err != nil || !has {
		t.Errorf("has: got %v, %v, want true", has, err)
	}
}

func wantMissing(t *testing.T, store sds.Store, cid sds.CID) {
	t.Helper()
	got, err := store.Get(t.Context(), cid)
	if !errors.Is(err, sds.ErrNotFound) || got != nil {
		t.Errorf("get: got %d bytes, %v, want none and ErrNotFound", len(got), err)
	}
	if has, err := store.Has(t.Context(), cid); err != nil || has {
		t.Errorf("has: got %v, %v, want false", has, err)
	}
}

// listed is what a store says it holds; without Lister the test has nothing to
// check there.
func listed(t *testing.T, store sds.Store) map[sds.CID]sds.Info {
	t.Helper()
	lister, ok := store.(sds.Lister)
	if !ok {
		t.Skip("not a Lister")
	}
	out := make(map[sds.CID]sds.Info)
	err := lister.List(t.Context(), func(info sds.Info) error {
		if _, twice := out[info.CID]; twice {
			t.Errorf("%s is listed twice", info.CID)
		}
		out[info.CID] = info
		return nil
	})
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	return out
}

func wantListed(t *testing.T, store sds.Store, want map[sds.CID]sds.Info) {
	t.Helper()
	got := listed(t, store)
	for cid, info := range got {
		if info.Stored.IsZero() {
			t.Errorf("%s is listed without the time it was stored", cid)
		}
		info.Stored = want[cid].Stored
		got[cid] = info
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
}

func cancelledContext(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
