package storetest

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	"github.com/stratos-mesh/stratos/sds"
)

func concurrent(t *testing.T, store sds.Store) {
	var workers sync.WaitGroup
	for worker := range 8 {
		workers.Go(func() {
			for i := range 12 {
				content := block(1000+i*9000, byte(20+worker))
				cid := sds.Sum(sds.Raw, content)
				class := sds.Class(i % 2)
				if _, err := sds.Receive(t.Context(), store, cid, bytes.NewReader(content), class); err != nil {
					t.Errorf("receive: %v", err)
					return
				}
				wantBlock(t, store, cid, content)
				if i%3 == 0 {
					if err := store.Delete(t.Context(), cid); err != nil {
						t.Errorf("delete: %v", err)
					}
					wantMissing(t, store, cid)
				}
			}
		})
	}
	workers.Wait()
	for worker := range 8 {
		for i := range 12 {
			content := block(1000+i*9000, byte(20+worker))
			cid := sds.Sum(sds.Raw, content)
			if i%3 == 0 {
				wantMissing(t, store, cid)
			} else {
				wantBlock(t, store, cid, content)
			}
		}
	}
}

func concurrentSame(t *testing.T, store sds.Store) {
	for _, size := range []int{5000, sds.SliceSize} {
		content := block(size, 30)
		cid := sds.Sum(sds.Raw, content)
		var workers sync.WaitGroup
		for worker := range 8 {
			workers.Go(func() {
				if _, err := sds.Receive(t.Context(), store, cid, bytes.NewReader(content), sds.Class(worker%2)); err != nil {
					t.Errorf("receive: %v", err)
				}
				wantBlock(t, store, cid, content)
			})
		}
		workers.Wait()
		wantBlock(t, store, cid, content)
		if _, ok := store.(sds.Lister); ok {
			if got := listed(t, store)[cid].Class; got != sds.Pinned {
				t.Errorf("class: got %d, want pinned, as one of the writers said", got)
			}
		}
	}
}

func list(t *testing.T, store sds.Store) {
	wantListed(t, store, map[sds.CID]sds.Info{})
	want := make(map[sds.CID]sds.Info)
	for i := range 40 {
		class := sds.Class(i % 2)
		content := block(i*4000, 40)
		cid := put(t, store, content, class)
		want[cid] = sds.Info{CID: cid, Size: int64(len(content)), Class: class}
	}
	wantListed(t, store, want)
	for cid, info := range want {
		if info.Size%3 == 0 {
			if err := store.Delete(t.Context(), cid); err != nil {
				t.Fatalf("delete: %v", err)
			}
			delete(want, cid)
		}
	}
	wantListed(t, store, want)
}

func listStops(t *testing.T, store sds.Store) {
	lister, ok := store.(sds.Lister)
	if !ok {
		t.Skip("not a Lister")
	}
	for i := range 5 {
		put(t, store, block(100+i, 50), sds.Pinned)
	}
	enough, calls := errors.New("enough"), 0
	err := lister.List(t.Context(), func(sds.Info) error {
		calls++
		if calls == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || calls != 2 {
		t.Errorf("got %v after %d calls, want %v after 2", err, calls, enough)
	}
}

func usage(t *testing.T, store sds.Store) {
	meter, ok := store.(sds.Usage)
	if !ok {
		t.Skip("not a Usage")
	}
	check := func(wantPinned, wantPinnedBlocks, wantCached, wantCachedBlocks int64) {
		t.Helper()
		pinned, cached := meter.Usage()
		if pinned.Bytes != wantPinned || pinned.Blocks != wantPinnedBlocks || cached.Bytes != wantCached || cached.Blocks != wantCachedBlocks {
			t.Errorf("got %d bytes in %d pinned, %d in %d cached blocks; want %d in %d, %d in %d", pinned.Bytes, pinned.Blocks,
				cached.Bytes, cached.Blocks, wantPinned, wantPinnedBlocks, wantCached, wantCachedBlocks)
		}
	}
	check(0, 0, 0, 0)
	small := put(t, store, block(1000, 60), sds.Cached)
	check(0, 0, 1000, 1)
	large := put(t, store, block(200_000, 60), sds.Pinned)
	check(200_000, 1, 1000, 1)
	put(t, store, block(1000, 60), sds.Pinned)
	check(201_000, 2, 0, 0)
	put(t, store, block(1000, 60), sds.Cached)
	check(201_000, 2, 0, 0)
	for _, cid := range []sds.CID{small, large, large} {
		if err := store.Delete(t.Context(), cid); err != nil {
			t.Fatalf("delete: %v", err)
		}
	}
	check(0, 0, 0, 0)
}

func imported(t *testing.T, store sds.Store) {
	content := block(3*sds.SliceSize+12_345, 70)
	built, err := sds.Import(t.Context(), bytes.NewReader(content), sds.Into(store, sds.Pinned))
	if err != nil {
		t.Fatalf("import: %v", err)
	}
	file, err := sds.OpenFile(t.Context(), store, built.Root)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	var got bytes.Buffer
	if _, err := file.Copy(t.Context(), &got, 0, file.Size()); err != nil {
		t.Fatalf("read back: %v", err)
	}
	if !bytes.Equal(got.Bytes(), content) {
		t.Errorf("read back %d bytes, want %d, the same", got.Len(), len(content))
	}
}
