package sds_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/mem"
)

var update = flag.Bool("update", false, "write the golden files anew")

// text is the manifest's bytes.
func text(t testing.TB, m *sds.Manifest) []byte {
	t.Helper()
	store := mem.New()
	cid, err := m.Encode(t.Context(), sds.Into(store, sds.Pinned))
	if err != nil {
		t.Fatal(err)
	}
	f, err := sds.OpenFile(t.Context(), store, cid)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := f.Copy(t.Context(), &out, 0, f.Size()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// load reads bytes as a manifest.
func load(t testing.TB, b []byte, root sds.CID) (*sds.Manifest, error) {
	t.Helper()
	store := mem.New()
	built, err := sds.Import(t.Context(), bytes.NewReader(b), sds.Into(store, sds.Pinned))
	if err != nil {
		t.Fatal(err)
	}
	return sds.LoadManifest(t.Context(), store, built.Root, root)
}

func TestTheManifestKeepsItsBytes(t *testing.T) {
	t.Parallel()
	const golden = "testdata/manifest-v1.hex"
	got := hex.Dump(text(t, bundle(t, mem.New(), demo())))
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the encoding has changed: it needs another version (-want +got):\n%s", diff)
	}
}

func TestAManifestOfManyObjectsIsATreeItself(t *testing.T) {
	t.Parallel()
	store := mem.New()
	folder := sds.NewFolder()
	for path := range many(12_000) {
		path = strings.Repeat("long/", 10) + path
		if err := folder.Add(sds.Object{Path: path, CID: sds.Sum(sds.Raw, []byte(path)), Size: int64(len(path))}); err != nil {
			t.Fatal(err)
		}
	}
	m, err := folder.Build(t.Context(), sds.Into(store, sds.Pinned))
	if err != nil {
		t.Fatal(err)
	}
	cid, err := m.Encode(t.Context(), sds.Into(store, sds.Pinned))
	if err != nil {
		t.Fatal(err)
	}
	if cid.Codec != sds.DagPB {
		t.Errorf("got %s, want a tree of slices", cid)
	}
	loaded, err := sds.LoadManifest(t.Context(), store, cid, m.Root)
	if err != nil {
		t.Fatal(err)
	}
	if len(loaded.Objects) != len(m.Objects) || loaded.Objects[7] != m.Objects[7] || loaded.Size() != m.Size() {
		t.Errorf("got %d objects of %d bytes, want %d of %d", len(loaded.Objects), loaded.Size(), len(m.Objects), m.Size())
	}
}

func TestAManifestThatBreaksItsRulesIsNotWritten(t *testing.T) {
	t.Parallel()
	good := bundle(t, mem.New(), demo())
	for name, breaking := range map[string]func(m *sds.Manifest){
		"no root":                          func(m *sds.Manifest) { m.Root = sds.CID{} },
		"a slice as the root of a bundle":  func(m *sds.Manifest) { m.Root = m.Objects[0].CID },
		"objects out of order":             func(m *sds.Manifest) { m.Objects[0], m.Objects[1] = m.Objects[1], m.Objects[0] },
		"an object twice":                  func(m *sds.Manifest) { m.Objects[1] = m.Objects[0] },
		"no path":                          func(m *sds.Manifest) { m.Objects[0].Path = "" },
		"a path that is not clean":         func(m *sds.Manifest) { m.Objects[0].Path = "a//b" },
		"a path not in normal form":        func(m *sds.Manifest) { m.Objects[0].Path = "Au\u0308" },
		"a path below an object":           func(m *sds.Manifest) { m.Objects[0].Path, m.Objects[1].Path = "0", "0/1" },
		"no CID":                           func(m *sds.Manifest) { m.Objects[0].CID = sds.CID{} },
		"a size below zero":                func(m *sds.Manifest) { m.Objects[0].Size = -1 },
		"a slice that is too large":        func(m *sds.Manifest) { m.Objects[0].Size = sds.MaxBlockSize + 1 },
		"another digest than the slice's":  func(m *sds.Manifest) { m.Objects[0].SHA256[0]++ },
		"another first slice":              func(m *sds.Manifest) { m.Objects[0].First = m.Objects[1].CID },
		"no type":                          func(m *sds.Manifest) { m.Objects[0].Type = "" },
		"a type with a line break":         func(m *sds.Manifest) { m.Objects[0].Type = "text/html\r\nSet-Cookie: a=b" },
		"a type that is too long":          func(m *sds.Manifest) { m.Objects[0].Type = strings.Repeat("x", 256) },
		"directories out of order":         func(m *sds.Manifest) { m.Dirs[0], m.Dirs[1] = m.Dirs[1], m.Dirs[0] },
		"a directory twice":                func(m *sds.Manifest) { m.Dirs = append(m.Dirs, m.Dirs[1]) },
		"an empty directory with a file":   func(m *sds.Manifest) { m.Dirs = []string{"video"} },
		"a directory where an object is":   func(m *sds.Manifest) { m.Dirs = []string{"a"} },
		"a directory that is not clean":    func(m *sds.Manifest) { m.Dirs = []string{"."} },
		"the bundle as an empty directory": func(m *sds.Manifest) { m.Dirs = []string{""} },
	} {
		m := &sds.Manifest{Root: good.Root, Objects: append([]sds.Object(nil), good.Objects...), Dirs: append([]string(nil), good.Dirs...)}
		breaking(m)
		if _, err := m.Encode(t.Context(), discard); !errors.Is(err, sds.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
}

func TestOnlyTheOneEncodingIsRead(t *testing.T) {
	t.Parallel()
	m := bundle(t, mem.New(), map[string]int64{"a": 5, "b": 2 << 20, "c": -1})
	good := text(t, m)
	if _, err := load(t, good, m.Root); err != nil {
		t.Fatal(err)
	}
	// The map as a library sees it, to be written again with changes.
	open := func() map[int]any {
		var v map[int]any
		if err := cbor.Unmarshal(good, &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	object := func(v map[int]any, i int) map[any]any { return v[3].([]any)[i].(map[any]any) }
	for name, change := range map[string]func(v map[int]any){
		"another version":                                     func(v map[int]any) { v[0] = 2 },
		"a version that is no number":                         func(v map[int]any) { v[0] = "1" },
		"another profile":                                     func(v map[int]any) { v[1] = "unixfs-v0-2015" },
		"no profile":                                          func(v map[int]any) { delete(v, 1) },
		"a root cut short":                                    func(v map[int]any) { v[2] = v[2].([]byte)[:35] },
		"a root with a hash of another kind":                  func(v map[int]any) { v[2].([]byte)[2] = 0x13 },
		"an unknown key":                                      func(v map[int]any) { v[9] = 1 },
		"an unknown key in an object":                         func(v map[int]any) { object(v, 0)[uint64(9)] = 1 },
		"objects that are no list":                            func(v map[int]any) { v[3] = 7 },
		"an empty list of directories":                        func(v map[int]any) { v[4] = []string{} },
		"a digest where it follows":                           func(v map[int]any) { object(v, 0)[uint64(4)] = make([]byte, 32) },
		"no digest where it does not":                         func(v map[int]any) { delete(object(v, 1), uint64(4)) },
		"a digest cut short":                                  func(v map[int]any) { object(v, 1)[uint64(4)] = make([]byte, 31) },
		"a digest too long":                                   func(v map[int]any) { object(v, 1)[uint64(4)] = make([]byte, 33) },
		"a negative size":                                     func(v map[int]any) { object(v, 0)[uint64(2)] = -5 },
		"a size beyond all bounds":                            func(v map[int]any) { object(v, 1)[uint64(2)] = uint64(1) << 63 },
		"an object that is nothing":                           func(v map[int]any) { v[3].([]any)[0] = nil },
		"a path of bytes":                                     func(v map[int]any) { object(v, 0)[uint64(0)] = []byte("a") },
		"a number with a point where one is expected without": func(v map[int]any) { object(v, 0)[uint64(2)] = 5.0 },
	} {
		v := open()
		change(v)
		mode, err := cbor.CoreDetEncOptions().EncMode()
		if err != nil {
			t.Fatal(err)
		}
		b, err := mode.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(b, good) {
			t.Fatalf("%s: nothing changed", name)
		}
		if _, err := load(t, b, m.Root); !errors.Is(err, sds.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
	for name, b := range map[string][]byte{
		"nothing":            {},
		"cut short":          good[:len(good)-1],
		"a byte more":        append(bytes.Clone(good), 0),
		"a tag before it":    append([]byte{0xd9, 0xd9, 0xf7}, good...),
		"an indefinite map":  append(append([]byte{0xbf}, good[1:]...), 0xff),
		"a longer number":    append([]byte{good[0], good[1], 0x18, 0x01}, good[3:]...),
		"a key twice":        append([]byte{good[0] + 1, 0, 1}, good[1:]...),
		"a list without end": {0xa5, 0x00, 0x01, 0x03, 0x9a, 0xff, 0xff, 0xff, 0xff},
		"nested without end": bytes.Repeat([]byte{0x81}, 100_000),
		"text that goes on":  {0xa1, 0x01, 0x7b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		if _, err := load(t, b, m.Root); !errors.Is(err, sds.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
}

func TestFindIsSure(t *testing.T) {
	t.Parallel()
	m := bundle(t, mem.New(), demo())
	for path, want := range map[string]bool{"a": true, "a.b": true, "b/c": true, "b": false, "": false, "video": false, "zzz": false, "leer/unten": false} {
		o, got := m.Find(path)
		if got != want || got && o.Path != path {
			t.Errorf("%q: got %q, %v, want %v", path, o.Path, got, want)
		}
	}
}
