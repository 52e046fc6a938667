package layout_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta/layout"
	"github.com/stratos-mesh/stratos/sds"
)

func TestValuesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	var w layout.Writer
	now := time.Unix(1_800_000_000, 7).UTC()
	root := sds.Sum(sds.DagPB, []byte("x"))
	w.U8(1)
	w.Bool(true)
	w.U16(1 << 15)
	w.U32(1 << 31)
	w.U64(1 << 63)
	w.Count(5)
	w.Time(now)
	w.Time(time.Time{})
	w.Text("ü")
	w.Bytes([]byte{1, 2})
	w.CID(root)
	w.CID(sds.CID{})
	w.Fixed([]byte{9})
	r := layout.NewReader(w.Done())
	var fixed [1]byte
	if r.U8() != 1 || !r.Bool() || r.U16() != 1<<15 || r.U32() != 1<<31 || r.U64() != 1<<63 || r.Count() != 5 ||
		!r.Time().Equal(now) || !r.Time().IsZero() || r.Text(2) != "ü" || !slices.Equal(r.Bytes(2), []byte{1, 2}) ||
		r.CID() != root || r.CID() != (sds.CID{}) {
		t.Error("a value came back as another")
	}
	if r.Fixed(fixed[:]); fixed[0] != 9 || r.Done() != nil {
		t.Errorf("got %v, %v", fixed, r.Done())
	}
}

func TestMistakesAreRefused(t *testing.T) {
	t.Parallel()
	for why, read := range map[string]struct {
		in   []byte
		read func(r *layout.Reader)
	}{
		"too short":                        {[]byte{1}, func(r *layout.Reader) { r.U16() }},
		"too long":                         {[]byte{1, 2}, func(r *layout.Reader) { r.U8() }},
		"neither true nor false":           {[]byte{2}, func(r *layout.Reader) { r.Bool() }},
		"a negative count":                 {[]byte{0xff, 0, 0, 0, 0, 0, 0, 0}, func(r *layout.Reader) { r.Count() }},
		"a negative time":                  {[]byte{0x80, 0, 0, 0, 0, 0, 0, 0}, func(r *layout.Reader) { r.Time() }},
		"a text beyond its bound":          {[]byte{0, 2, 'a', 'b'}, func(r *layout.Reader) { r.Text(1) }},
		"a text beyond the input":          {[]byte{0xff, 0xff, 'a'}, func(r *layout.Reader) { r.Text(1 << 20) }},
		"bytes beyond the input":           {[]byte{0x7f, 0xff, 0xff, 0xff, 1}, func(r *layout.Reader) { r.Bytes(1 << 31) }},
		"a list that the input can't hold": {[]byte{0xff, 0xff, 0xff, 0xff}, func(r *layout.Reader) { r.Length(8, 1<<31) }},
		"a list beyond its bound":          {[]byte{0, 0, 0, 2, 1, 1}, func(r *layout.Reader) { r.Length(1, 1) }},
		"a CID of no codec but a digest":   {append([]byte{0}, make([]byte, 31)...), func(r *layout.Reader) { r.CID() }},
		"a CID of another codec":           {append([]byte{0x71}, make([]byte, 32)...), func(r *layout.Reader) { r.CID() }},
		"what the caller found":            {nil, func(r *layout.Reader) { r.Fail("nonsense") }},
	} {
		r := layout.NewReader(read.in)
		read.read(r)
		if err := r.Done(); !errors.Is(err, layout.ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", why, err)
		}
		if r.U64() != 0 || r.Text(9) != "" {
			t.Errorf("%s: a reader that failed gives values", why)
		}
	}
}
