package car_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"testing"

	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/car"
)

func archive(t testing.TB, blocks ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := car.NewWriter(&out, sds.Sum(sds.Raw, []byte("root")))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		if err := w.Block(sds.Sum(sds.Raw, []byte(b)), []byte(b)); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func all(text []byte) (blocks []string, err error) {
	r, err := car.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	for {
		_, block, err := r.Next()
		if errors.Is(err, io.EOF) {
			return blocks, nil
		}
		if err != nil {
			return blocks, err
		}
		blocks = append(blocks, string(block))
	}
}

func TestWhatWasWrittenIsRead(t *testing.T) {
	t.Parallel()
	got, err := all(archive(t, "one", "", "three"))
	if err != nil || len(got) != 3 || got[0] != "one" || got[1] != "" || got[2] != "three" {
		t.Errorf("got %q, %v", got, err)
	}
}

// The header of an archive with the CID of "hello world", as the specification
// of CARv1 lays it out: length 0x3a, map of 2, "roots", one link, "version", 1.
func TestTheHeaderIsThatOfTheSpecification(t *testing.T) {
	t.Parallel()
	root := sds.Sum(sds.Raw, []byte("hello world"))
	var out bytes.Buffer
	if _, err := car.NewWriter(&out, root); err != nil {
		t.Fatal(err)
	}
	want := "3aa265726f6f747381d82a582500" + hex.EncodeToString(root.Bytes()) + "6776657273696f6e01"
	if got := hex.EncodeToString(out.Bytes()); got != want {
		t.Errorf("header %s, want %s", got, want)
	}
}

func TestBytesThatAreNoArchive(t *testing.T) {
	t.Parallel()
	good := archive(t, "a block")
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	for name, c := range map[string]struct {
		text []byte
		want error
	}{
		"nothing at all":                 {nil, io.EOF},
		"cut off within a block":         {good[:len(good)-1], io.ErrUnexpectedEOF},
		"cut off within the header":      {good[:20], io.ErrUnexpectedEOF},
		"a flipped bit in a block":       {flipped, sds.ErrCorrupt},
		"a header that is no CBOR":       {[]byte{3, 0xff, 0xff, 0xff}, sds.ErrMalformed},
		"a header without end":           {binary.AppendUvarint(nil, 1<<40), sds.ErrTooLarge},
		"a section larger than a block":  {binary.AppendUvarint(archive(t), 1<<40), sds.ErrTooLarge},
		"a section too short for a name": {append(archive(t), 2, 1, 1), sds.ErrMalformed},
		"a length that never ends":       {append(archive(t), bytes.Repeat([]byte{0xff}, 11)...), sds.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := all(c.text); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func FuzzReader(f *testing.F) {
	f.Add(archive(f, "one", "two"))
	f.Add(archive(f))
	f.Add([]byte{3, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, text []byte) {
		blocks, err := all(text)
		if err != nil {
			return
		}
		// What was read can be written, and is the same when read again.
		again, err := all(archive(t, blocks...))
		if err != nil || len(again) != len(blocks) {
			t.Fatalf("%d blocks, then %d: %v", len(blocks), len(again), err)
		}
	})
}
