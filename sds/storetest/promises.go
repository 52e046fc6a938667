package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stratos-mesh/stratos/sds"
)

func notFound(t *testing.T, store sds.Store) {
	wantMissing(t, store, sds.Sum(sds.Raw, []byte("never put")))
	wantMissing(t, store, sds.Sum(sds.DagPB, []byte("never put")))
}

func comesBack(t *testing.T, store sds.Store) {
	small, large := block(100, 1), block(sds.SliceSize, 2)
	first := put(t, store, small, sds.Pinned)
	second := put(t, store, large, sds.Cached)
	wantBlock(t, store, first, small)
	wantBlock(t, store, second, large)
}

func emptyBlock(t *testing.T, store sds.Store) {
	cid := sds.Sum(sds.Raw, nil)
	wantMissing(t, store, cid)
	put(t, store, nil, sds.Pinned)
	wantBlock(t, store, cid, nil)
}

func everySize(t *testing.T, store sds.Store) {
	for _, size := range []int{
		1, 4095, 4096, 4097, 32<<10 - 1, 32 << 10, 64<<10 - 1, 64 << 10, 64<<10 + 1,
		sds.SliceSize - 1, sds.SliceSize, sds.SliceSize + 1, sds.MaxBlockSize - 1, sds.MaxBlockSize,
	} {
		content := block(size, 3)
		wantBlock(t, store, put(t, store, content, sds.Pinned), content)
	}
}

func twoCodecs(t *testing.T, store sds.Store) {
	content := block(1000, 4)
	raw := put(t, store, content, sds.Pinned)
	node := sds.Sum(sds.DagPB, content)
	wantMissing(t, store, node)
	if _, err := sds.Receive(t.Context(), store, node, bytes.NewReader(content), sds.Pinned); err != nil {
		t.Fatal(err)
	}
	wantBlock(t, store, node, content)
	if err := store.Delete(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	wantMissing(t, store, raw)
	wantBlock(t, store, node, content)
}

func twice(t *testing.T, store sds.Store) {
	for _, size := range []int{0, 10_000, sds.SliceSize} {
		content := block(size, 5)
		for range 3 {
			wantBlock(t, store, put(t, store, content, sds.Pinned), content)
		}
	}
}

func classes(t *testing.T, store sds.Store) {
	want := make(map[sds.CID]sds.Info)
	for i, c := range []struct {
		first, then, want sds.Class
	}{
		{sds.Cached, sds.Cached, sds.Cached},
		{sds.Cached, sds.Pinned, sds.Pinned},
		{sds.Pinned, sds.Cached, sds.Pinned},
		{sds.Pinned, sds.Pinned, sds.Pinned},
	} {
		for _, size := range []int{500, 100_000} {
			content := block(size+i, 6)
			cid := put(t, store, content, c.first)
			put(t, store, content, c.then)
			wantBlock(t, store, cid, content)
			want[cid] = sds.Info{CID: cid, Size: int64(size + i), Class: c.want}
		}
	}
	wantListed(t, store, want)
}

func deleted(t *testing.T, store sds.Store) {
	for _, class := range []sds.Class{sds.Cached, sds.Pinned} {
		for _, size := range []int{0, 700, sds.SliceSize} {
			content := block(size, byte(7+class))
			cid := put(t, store, content, class)
			if err := store.Delete(t.Context(), cid); err != nil {
				t.Fatalf("delete: %v", err)
			}
			wantMissing(t, store, cid)
			put(t, store, content, class)
			wantBlock(t, store, cid, content)
		}
	}
}

func deleteNothing(t *testing.T, store sds.Store) {
	cid := sds.Sum(sds.Raw, []byte("never put"))
	for range 2 {
		if err := store.Delete(t.Context(), cid); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
}

func wrongHash(t *testing.T, store sds.Store) {
	for _, size := range []int{0, 1, 5000, sds.SliceSize} {
		content := block(size, 9)
		cid := sds.Sum(sds.Raw, append([]byte("not "), content...))
		if _, err := sds.Receive(t.Context(), store, cid, bytes.NewReader(content), sds.Pinned); !errors.Is(err, sds.ErrCorrupt) {
			t.Errorf("receive %d wrong bytes: got %v, want ErrCorrupt", size, err)
		}
		wantMissing(t, store, cid)
	}
	if _, err := sds.Receive(t.Context(), store, sds.CID{}, bytes.NewReader(nil), sds.Pinned); !errors.Is(err, sds.ErrMalformed) {
		t.Errorf("receive without a name: got %v, want ErrMalformed", err)
	}
}

func tooLarge(t *testing.T, store sds.Store) {
	content := block(sds.MaxBlockSize+1, 10)
	cid := sds.Sum(sds.Raw, content)
	for name, r := range map[string]io.Reader{
		"of known length":   bytes.NewReader(content),
		"of unknown length": io.MultiReader(bytes.NewReader(content)),
	} {
		if _, err := sds.Receive(t.Context(), store, cid, r, sds.Cached); !errors.Is(err, sds.ErrTooLarge) {
			t.Errorf("%s: got %v, want ErrTooLarge", name, err)
		}
	}
	wantMissing(t, store, cid)
}

func failingReader(t *testing.T, store sds.Store) {
	content, broken := block(300_000, 11), errors.New("the line broke")
	cid := sds.Sum(sds.Raw, content)
	r := io.MultiReader(bytes.NewReader(content[:200_000]), iotest.ErrReader(broken))
	if _, err := sds.Receive(t.Context(), store, cid, r, sds.Pinned); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	if _, err := sds.Receive(t.Context(), store, cid, bytes.NewReader(content[:200_000]), sds.Pinned); !errors.Is(err, sds.ErrCorrupt) {
		t.Errorf("cut short: got %v, want ErrCorrupt", err)
	}
	wantMissing(t, store, cid)
}

func cancelled(t *testing.T, store sds.Store) {
	content := block(2000, 12)
	kept := put(t, store, content, sds.Pinned)
	other := block(3000, 12)
	otherCID := sds.Sum(sds.Raw, other)
	ctx := cancelledContext(t)
	check := func(call string, err error) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want context.Canceled", call, err)
		}
	}
	_, err := store.Get(ctx, kept)
	check("get", err)
	_, err = store.Has(ctx, kept)
	check("has", err)
	_, err = sds.Receive(ctx, store, otherCID, bytes.NewReader(other), sds.Pinned)
	check("receive", err)
	check("delete", store.Delete(ctx, kept))
	if lister, ok := store.(sds.Lister); ok {
		check("list", lister.List(ctx, func(sds.Info) error { return nil }))
	}
	wantBlock(t, store, kept, content)
	wantMissing(t, store, otherCID)
}

func bufferReused(t *testing.T, store sds.Store) {
	for _, size := range []int{900, 200_000} {
		buffer := block(size, 13)
		want := bytes.Clone(buffer)
		cid := put(t, store, buffer, sds.Pinned)
		clear(buffer)
		wantBlock(t, store, cid, want)
	}
}
