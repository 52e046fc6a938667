package sds_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/mem"
)

// known wants an error to be one that callers can act on.
func known(t *testing.T, what string, err error) {
	t.Helper()
	for _, want := range []error{sds.ErrMalformed, sds.ErrTooLarge, sds.ErrNotFound} {
		if errors.Is(err, want) {
			return
		}
	}
	t.Errorf("%s: %v is none of this room's errors", what, err)
}

func FuzzCID(f *testing.F) {
	f.Add("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku", []byte{1, 0x55, 0x12, 0x20})
	f.Add("QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH", sds.Sum(sds.DagPB, nil).Bytes())
	f.Add("", append(sds.Sum(sds.Raw, nil).Bytes(), 0))
	f.Fuzz(func(t *testing.T, text string, b []byte) {
		if cid, err := sds.Parse(text); err != nil {
			known(t, "parse", err)
		} else if again, err := sds.Parse(cid.String()); err != nil || again != cid {
			t.Errorf("%q: parsed as %s, that as %s, %v", text, cid, again, err)
		}
		if cid, err := sds.ParseBytes(b); err != nil {
			known(t, "parse bytes", err)
		} else if !bytes.Equal(cid.Bytes(), b) {
			t.Errorf("%x: parsed as %x", b, cid.Bytes())
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, seed := range []string{"a/b", "../a", "u\u0308", "a%2fb", "a\x00", strings.Repeat("a/", 600), "\u0958", "…/日本"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		sds.CanRunScript(sds.MediaType(path))
		clean, err := sds.CleanPath(path)
		if err != nil {
			known(t, "clean", err)
			return
		}
		if again, err := sds.CleanPath(clean); err != nil || again != clean {
			t.Errorf("%q is not clean when cleaned: %q, %v", clean, again, err)
		}
		if len(clean) > sds.MaxPath || !norm.NFC.IsNormalString(clean) {
			t.Errorf("%q is too long or not in normal form", clean)
		}
		for component := range strings.SplitSeq(clean, "/") {
			if component == "" || component == "." || component == ".." || len(component) > sds.MaxComponent {
				t.Errorf("%q has the component %q", clean, component)
			}
		}
	})
}

func FuzzSplitterState(f *testing.F) {
	for _, size := range []int64{0, 1, 1 << 20, 2<<20 + 5} {
		s := sds.NewSplitter(discard)
		if _, err := s.Write(context.Background(), content(size)); err != nil {
			f.Fatal(err)
		}
		state, err := s.State()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(state[:len(state)-32])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		// With the right check sum, which fuzzing would never find.
		state := resummed(append(bytes.Clone(body), make([]byte, 32)...))
		s, err := sds.ResumeSplitter(state, discard)
		if err != nil {
			known(t, "resume", err)
			return
		}
		again, err := s.State()
		if err != nil || !bytes.Equal(again, state) {
			t.Errorf("a state of %d bytes came back as %d, %v", len(state), len(again), err)
		}
		if built, err := s.Finish(t.Context()); err != nil || built.Size != s.Size() {
			t.Errorf("finish: got %+v, %v", built, err)
		}
	})
}

func FuzzManifest(f *testing.F) {
	store := mem.New()
	for _, files := range []map[string]int64{{}, {"a": 1}, {"a": 2 << 20, "b/c": 3, "d": -1}, demo()} {
		f.Add(text(f, bundle(f, store, files)))
	}
	f.Add(text(f, sds.NewObjectManifest(file(f, store, "x.mp4", 3<<20))))
	f.Fuzz(func(t *testing.T, b []byte) {
		at := named(sds.Raw, "manifest")
		g := liar{at: b}
		// The root is not known before: take it from the refusal of another.
		_, err := sds.LoadManifest(t.Context(), g, at, sds.CID{})
		if err == nil {
			t.Fatal("a manifest of no root was taken")
		}
		known(t, "load", err)
		_, after, found := strings.Cut(err.Error(), "it is that of ")
		if !found {
			return
		}
		name, _, _ := strings.Cut(after, ",")
		root, err := sds.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		m, err := sds.LoadManifest(t.Context(), g, at, root)
		if err != nil {
			t.Fatal(err)
		}
		if again := text(t, m); !bytes.Equal(again, b) {
			t.Errorf("%x came back as %x", b, again)
		}
		for _, o := range m.Objects {
			if got, ok := m.Find(o.Path); !ok || got != o {
				t.Errorf("find %q: got %v, %v", o.Path, got, ok)
			}
		}
	})
}

// echo answers every name of a node with the same node: the worst tree there
// can be.
type echo []byte

func (e echo) Get(_ context.Context, cid sds.CID) ([]byte, error) {
	if cid.Codec == sds.Raw {
		return []byte("hello"), nil
	}
	return e, nil
}

func FuzzNode(f *testing.F) {
	slice, node := named(sds.Raw, "slice"), named(sds.DagPB, "node")
	f.Add(dagPB(fileData(10, 5, 5), hang{cid: slice}, hang{cid: slice}))
	f.Add(dagPB(fileData(7, 7), hang{cid: node}))
	f.Add(dagPB(dirData()))
	f.Add(dagPB(dirData(), hang{name: "a", cid: slice, tsize: 5}, hang{name: "b", cid: node}))
	f.Add(dagPB(shardData([]byte{5}, 0x22, 256), hang{name: "00", cid: node}, hang{name: "02a", cid: slice}))
	f.Add(dagPB(shardData([]byte{1}, 0x22, 8), hang{name: "0b", cid: slice}))
	f.Fuzz(func(t *testing.T, block []byte) {
		g, root := echo(block), named(sds.DagPB, "root")
		if err := sds.Walk(t.Context(), g, root, func(sds.CID, int64) error { return nil }); err != nil {
			known(t, "walk", err)
		}
		for _, path := range []string{"", "a", "a/b"} {
			if _, err := sds.Resolve(t.Context(), g, root, path); err != nil {
				known(t, "resolve", err)
			}
		}
		if _, err := sds.DeriveManifest(t.Context(), g, root); err != nil {
			known(t, "derive", err)
		}
		if _, err := sds.Outline(t.Context(), g, root); err != nil {
			known(t, "outline", err)
		}
		file, err := sds.OpenFile(t.Context(), g, root)
		if err != nil {
			known(t, "open", err)
			return
		}
		var sum int64
		err = file.EachSpan(t.Context(), 0, file.Size(), func(s sds.Span) error {
			sum += int64(s.To - s.From)
			return nil
		})
		if err != nil {
			known(t, "spans", err)
		} else if sum != file.Size() {
			t.Errorf("spans of %d bytes in a file of %d", sum, file.Size())
		}
	})
}
