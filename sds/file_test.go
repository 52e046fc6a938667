package sds_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/mem"
)

func TestSpansCoverExactlyTheRange(t *testing.T) {
	t.Parallel()
	store := mem.New()
	all := content(4<<20 + 777)
	o := file(t, store, "x", int64(len(all)))
	small := file(t, store, "y", 5000)
	rapid.Check(t, func(t *rapid.T) {
		o := o
		if rapid.Bool().Draw(t, "small") {
			o = small
		}
		f, err := sds.OpenFile(context.Background(), store, o.CID)
		if err != nil {
			t.Fatal(err)
		}
		from := rapid.Int64Range(-5, o.Size+5).Draw(t, "from")
		to := rapid.Int64Range(-5, o.Size+5).Draw(t, "to")
		spans, err := f.Spans(context.Background(), from, to)
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		for _, s := range spans {
			if s.From >= s.To {
				t.Fatalf("span %+v has nothing in it", s)
			}
			slice, err := store.Get(context.Background(), s.CID)
			if err != nil {
				t.Fatal(err)
			}
			part, err := s.Of(slice)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, part...)
		}
		from, to = max(from, 0), min(to, o.Size)
		if want := all[min(from, max(to, 0)):max(to, 0)]; from < to && !bytes.Equal(got, want) || from >= to && len(got) > 0 {
			t.Fatalf("%d to %d: got %d bytes, want %d", from, to, len(got), len(want))
		}
	})
}

// counting counts what is got.
type counting struct {
	sds.Getter
	mu  sync.Mutex // guards got
	got map[sds.CID]int
}

func (c *counting) Get(ctx context.Context, cid sds.CID) ([]byte, error) {
	c.mu.Lock()
	c.got[cid]++
	c.mu.Unlock()
	return c.Getter.Get(ctx, cid)
}

// deepFile is a file of three levels whose slices are all the same.
func deepFile(t testing.TB, store sds.Store, leaves int64) sds.CID {
	t.Helper()
	leaf := sds.Sum(sds.Raw, make([]byte, sds.SliceSize))
	root, err := sds.BuildTree(t.Context(), slices.Repeat([]sds.CID{leaf}, int(leaves)), leaves*sds.SliceSize, sds.Into(store, sds.Pinned))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestARangeReadsOnlyTheNodesAboveIt(t *testing.T) {
	t.Parallel()
	store := mem.New()
	const leaves = 1024*1024 + 1500
	root := deepFile(t, store, leaves)
	count := &counting{Getter: store, got: make(map[sds.CID]int)}
	f, err := sds.OpenFile(t.Context(), count, root)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := f.Size(), int64(leaves*sds.SliceSize); got != want {
		t.Fatalf("size: got %d, want %d", got, want)
	}
	leaf := sds.Sum(sds.Raw, make([]byte, sds.SliceSize))
	for i := range int64(10) {
		from := int64(1024*1024+1100)*sds.SliceSize + i*1000
		spans, err := f.Spans(t.Context(), from, from+sds.SliceSize)
		if err != nil {
			t.Fatal(err)
		}
		want := []sds.Span{{CID: leaf, From: int(i * 1000), To: sds.SliceSize}, {CID: leaf, From: 0, To: int(i * 1000)}}
		if i == 0 {
			want = want[:1]
		}
		if diff := cmp.Diff(want, spans); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
	if len(count.got) != 3 {
		t.Errorf("read %d blocks, want the root and one node on each of two levels", len(count.got))
	}
	for cid, times := range count.got {
		if times != 1 {
			t.Errorf("%s was read %d times, want once", cid, times)
		}
	}
}

func TestManyMayUseOneFile(t *testing.T) {
	t.Parallel()
	store := mem.New()
	const leaves = 5000
	f, err := sds.OpenFile(t.Context(), store, deepFile(t, store, leaves))
	if err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	for i := range int64(8) {
		readers.Go(func() {
			for j := range int64(100) {
				from := (i*601 + j*37) % leaves * sds.SliceSize
				spans, err := f.Spans(t.Context(), from, from+2*sds.SliceSize)
				if err != nil || len(spans) > 2 || len(spans) < 1 {
					t.Errorf("got %d spans, %v", len(spans), err)
				}
			}
		})
	}
	readers.Wait()
}

func TestOpenFileSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	store := mem.New()
	m := bundle(t, store, map[string]int64{"a": 1})
	for name, c := range map[string]struct {
		cid  sds.CID
		want error
	}{
		"a directory":             {m.Root, sds.ErrMalformed},
		"a missing slice":         {sds.Sum(sds.Raw, []byte("?")), sds.ErrNotFound},
		"a missing node":          {sds.Sum(sds.DagPB, []byte("?")), sds.ErrNotFound},
		"nothing that has a name": {sds.CID{}, sds.ErrNotFound},
	} {
		if _, err := sds.OpenFile(t.Context(), store, c.cid); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestASliceShorterThanItsTreeSaidIsNoticed(t *testing.T) {
	t.Parallel()
	for _, s := range []sds.Span{{From: 0, To: 11}, {From: 11, To: 12}, {From: 5, To: 4}, {From: -1, To: 4}} {
		if _, err := s.Of(make([]byte, 10)); !errors.Is(err, sds.ErrMalformed) {
			t.Errorf("%d to %d of 10 bytes: got %v, want ErrMalformed", s.From, s.To, err)
		}
	}
}
