package sds_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/mem"
)

func content(size int64) []byte {
	b := make([]byte, size)
	_, _ = io.ReadFull(&pattern{size: size}, b)
	return b
}

// recorder is a sink that remembers in which order which blocks came.
type recorder struct{ blocks []sds.CID }

func (r *recorder) sink(_ context.Context, cid sds.CID, block []byte) error {
	if got := sds.Sum(cid.Codec, block); got != cid {
		return errors.New("a block came under another name")
	}
	r.blocks = append(r.blocks, cid)
	return nil
}

func TestAnySplitOfWritesAndAnyResumptionGivesTheSame(t *testing.T) {
	t.Parallel()
	const largest = 5<<20 + 3
	all := content(largest)
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.OneOf(rapid.IntRange(0, 3000), rapid.IntRange(1<<20-2, 1<<20+2), rapid.IntRange(0, largest)).Draw(t, "size")
		var want recorder
		built, err := sds.Import(context.Background(), bytes.NewReader(all[:size]), want.sink)
		if err != nil {
			t.Fatal(err)
		}
		if built.SHA256 != sha256.Sum256(all[:size]) {
			t.Fatal("the digest of the whole is wrong")
		}

		var got recorder
		s := sds.NewSplitter(got.sink)
		for rest := all[:size]; len(rest) > 0; {
			n := rapid.OneOf(rapid.IntRange(1, 100), rapid.IntRange(1, 3<<20), rapid.Just(1<<20)).Draw(t, "write")
			n = min(n, len(rest))
			part := bytes.Clone(rest[:n])
			if taken, err := s.Write(context.Background(), part); err != nil || taken != n {
				t.Fatalf("write %d: got %d, %v", n, taken, err)
			}
			clear(part) // The buffer is the caller's again.
			rest = rest[n:]
			if got, want := s.Size(), int64(size-len(rest)); got != want {
				t.Fatalf("size: got %d, want %d", got, want)
			}
			if rapid.Bool().Draw(t, "resume") {
				state, err := s.State()
				if err != nil {
					t.Fatal(err)
				}
				if s, err = sds.ResumeSplitter(state, got.sink); err != nil {
					t.Fatal(err)
				}
			}
		}
		again, err := s.Finish(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if again != built {
			t.Fatalf("got %+v, want %+v", again, built)
		}
		if diff := cmp.Diff(want.blocks, got.blocks); diff != "" {
			t.Fatalf("blocks (-want +got):\n%s", diff)
		}
	})
}

func TestARefusedSliceIsOfferedAgain(t *testing.T) {
	t.Parallel()
	all := content(4<<20 + 100)
	want, err := sds.Import(t.Context(), bytes.NewReader(all), discard)
	if err != nil {
		t.Fatal(err)
	}
	broken, calls := errors.New("no room"), 0
	store := mem.New()
	into := sds.Into(store, sds.Pinned)
	s := sds.NewSplitter(func(ctx context.Context, cid sds.CID, block []byte) error {
		if calls++; calls%3 == 1 {
			return broken
		}
		return into(ctx, cid, block)
	})
	for rest := all; len(rest) > 0; {
		n, err := s.Write(t.Context(), rest[:min(len(rest), 700_000)])
		if err != nil && !errors.Is(err, broken) {
			t.Fatal(err)
		}
		rest = rest[n:]
		state, err := s.State()
		if err != nil {
			t.Fatal(err)
		}
		resumed, err := sds.ResumeSplitter(state, discard)
		if err != nil {
			t.Fatal(err)
		}
		if resumed.Size() != s.Size() {
			t.Fatalf("resumed at %d, want %d", resumed.Size(), s.Size())
		}
	}
	var got sds.Built
	for range 10 {
		if got, err = s.Finish(t.Context()); err == nil {
			break
		}
		if !errors.Is(err, broken) {
			t.Fatal(err)
		}
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	f, err := sds.OpenFile(t.Context(), store, got.Root)
	if err != nil {
		t.Fatal(err)
	}
	var back bytes.Buffer
	if _, err := f.Copy(t.Context(), &back, 0, f.Size()); err != nil || !bytes.Equal(back.Bytes(), all) {
		t.Errorf("read back %d bytes, %v, want %d, the same", back.Len(), err, len(all))
	}
}

func TestAFinishedSplitterTakesNoMore(t *testing.T) {
	t.Parallel()
	s := sds.NewSplitter(discard)
	first, err := s.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if second, err := s.Finish(t.Context()); err != nil || second != first {
		t.Errorf("finish twice: got %+v, %v, want %+v", second, err, first)
	}
	if _, err := s.Write(t.Context(), []byte("x")); err == nil {
		t.Error("a write after the end was taken")
	}
	if err := s.ReadAll(t.Context(), bytes.NewReader(nil)); err == nil {
		t.Error("a reader after the end was taken")
	}
	if _, err := s.State(); err == nil {
		t.Error("there is a state after the end")
	}
}

func TestAReaderThatFailsCanBeFollowedByAnother(t *testing.T) {
	t.Parallel()
	all := content(2<<20 + 9)
	want, err := sds.Import(t.Context(), bytes.NewReader(all), discard)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the line broke")
	s := sds.NewSplitter(discard)
	if err := s.ReadAll(t.Context(), io.MultiReader(bytes.NewReader(all[:1<<20+77]), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Fatalf("got %v, want %v", err, broken)
	}
	if err := s.ReadAll(t.Context(), iotest.HalfReader(bytes.NewReader(all[s.Size():]))); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Finish(t.Context()); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestACancelledImportEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	slices := 0
	_, err := sds.Import(ctx, &pattern{size: 1 << 40}, func(context.Context, sds.CID, []byte) error {
		if slices++; slices == 3 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestAStateThatIsNotWholeIsRefused(t *testing.T) {
	t.Parallel()
	s := sds.NewSplitter(discard)
	if _, err := s.Write(t.Context(), content(2<<20+50)); err != nil {
		t.Fatal(err)
	}
	state, err := s.State()
	if err != nil {
		t.Fatal(err)
	}
	for name, broken := range map[string][]byte{
		"nothing":                             nil,
		"cut short":                           state[:len(state)-1],
		"a byte more":                         append(bytes.Clone(state), 0),
		"a flipped bit":                       flipped(state, 40),
		"another header":                      flipped(state, 0),
		"a newer one":                         resummed(flipped(state, 4)),
		"too many slices, check sum right":    resummed(flipped(state, 5)),
		"one slice less, check sum right":     resummed(flipped(state, 12)),
		"another hash state, check sum right": resummed(flipped(state, len(state)-33)),
	} {
		if _, err := sds.ResumeSplitter(broken, discard); !errors.Is(err, sds.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

// resummed puts the right check sum under changed bytes.
func resummed(b []byte) []byte {
	sum := sha256.Sum256(b[:len(b)-32])
	return append(b[:len(b)-32:len(b)-32], sum[:]...)
}

func TestBuildTreeWantsAsManySlicesAsTheSizeHas(t *testing.T) {
	t.Parallel()
	leaf := sds.Sum(sds.Raw, nil)
	for name, c := range map[string]struct {
		leaves []sds.CID
		size   int64
	}{
		"none":                 {nil, 0},
		"below zero":           {[]sds.CID{leaf}, -1},
		"one too many":         {[]sds.CID{leaf, leaf}, sds.SliceSize},
		"one too few":          {[]sds.CID{leaf}, sds.SliceSize + 1},
		"a node among them":    {[]sds.CID{leaf, sds.Sum(sds.DagPB, nil)}, sds.SliceSize + 1},
		"one without any name": {[]sds.CID{leaf, {}}, sds.SliceSize + 1},
	} {
		if _, err := sds.BuildTree(t.Context(), c.leaves, c.size, discard); !errors.Is(err, sds.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
}
