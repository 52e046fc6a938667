package sds_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/mem"
)

// endless never ends and counts what was taken from it.
type endless struct{ taken int }

func (e *endless) Read(b []byte) (int, error) {
	e.taken += len(b)
	return len(b), nil
}

func TestReceiveReadsNoMoreThanItMust(t *testing.T) {
	t.Parallel()
	r := new(endless)
	if _, err := sds.Receive(t.Context(), mem.New(), sds.Sum(sds.Raw, nil), r, sds.Cached); !errors.Is(err, sds.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
	if r.taken > sds.MaxBlockSize+1 {
		t.Errorf("took %d bytes, want at most %d", r.taken, sds.MaxBlockSize+1)
	}
}

func TestReceiveTakesWhateverWayABodyComes(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 32<<10 - 1, 32 << 10, 32<<10 + 1, sds.SliceSize, sds.SliceSize + 1, sds.MaxBlockSize} {
		block := content(int64(size))
		cid := sds.Sum(sds.Raw, block)
		for name, r := range map[string]io.Reader{
			"at once":             bytes.NewReader(block),
			"of unknown length":   io.MultiReader(bytes.NewReader(block)),
			"in halves":           iotest.HalfReader(bytes.NewReader(block)),
			"the end with a byte": iotest.DataErrReader(bytes.NewReader(block)),
		} {
			store := mem.New()
			n, err := sds.Receive(t.Context(), store, cid, r, sds.Pinned)
			if err != nil || n != int64(size) {
				t.Errorf("%d bytes %s: got %d, %v", size, name, n, err)
			}
			if got, err := store.Get(t.Context(), cid); err != nil || !bytes.Equal(got, block) {
				t.Errorf("%d bytes %s: kept %d bytes, %v", size, name, len(got), err)
			}
		}
	}
}

// refusing is a store that takes nothing.
type refusing struct{ sds.Store }

func (refusing) Put(context.Context, sds.CID, []byte, sds.Class) error { return sds.ErrFull }

func TestReceiveReturnsWhatTheStoreSays(t *testing.T) {
	t.Parallel()
	_, err := sds.Receive(t.Context(), refusing{mem.New()}, sds.Sum(sds.Raw, []byte("x")), bytes.NewReader([]byte("x")), sds.Pinned)
	if !errors.Is(err, sds.ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
}
