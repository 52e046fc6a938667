package sds_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/mem"
)

// file imports pattern content into a store and returns its entry.
func file(t testing.TB, store sds.Store, path string, size int64) sds.Object {
	t.Helper()
	built, err := sds.Import(t.Context(), &pattern{size: size}, sds.Into(store, sds.Pinned))
	if err != nil {
		t.Fatalf("import %d bytes: %v", size, err)
	}
	return sds.Object{
		Path: path, CID: built.Root, Size: built.Size, SHA256: built.SHA256, Type: sds.MediaType(path), First: built.First,
	}
}

// bundle builds a folder of pattern files, given as path and size, and of empty
// directories, given with a size below zero.
func bundle(t testing.TB, store sds.Store, files map[string]int64) *sds.Manifest {
	t.Helper()
	folder := sds.NewFolder()
	for path, size := range files {
		var err error
		if size < 0 {
			err = folder.AddDir(path)
		} else {
			err = folder.Add(file(t, store, path, size))
		}
		if err != nil {
			t.Fatalf("add %q: %v", path, err)
		}
	}
	m, err := folder.Build(t.Context(), sds.Into(store, sds.Pinned))
	if err != nil {
		t.Fatalf("build: %v", err)
	}
	return m
}

// demo has every shape: nested, empty, of one slice and of several.
func demo() map[string]int64 {
	return map[string]int64{
		"index.html":          1234,
		"empty.txt":           0,
		"video/1080/seg0.m4s": 3<<20 + 5,
		"video/1080/seg1.m4s": 1 << 20,
		"video/master.m3u8":   800,
		"video/empty":         -1,
		"a":                   7,
		"a.b":                 8,
		"b/c":                 9,
		"b.c":                 10,
		"leer/unten":          -1,
		"grüße/datei":         11,
	}
}

func many(n int) map[string]int64 {
	files := make(map[string]int64, n)
	for i := range n {
		files[fmt.Sprintf("file-%05d.bin", i)] = int64(i % 700)
	}
	return files
}

func TestAFolderComesBackFromItsManifestAndFromItsTree(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]map[string]int64{
		"every shape":              demo(),
		"nothing":                  {},
		"one file":                 {"x": 1},
		"6,000 files, a HAMT":      many(6000),
		"a HAMT below a directory": {"d/" + strings.Repeat("n", 250): 1, "e": -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := mem.New()
			if strings.Contains(name, "below") {
				for path, size := range many(5000) {
					files["d/"+path] = size
				}
			}
			m := bundle(t, store, files)
			cid, err := m.Encode(t.Context(), sds.Into(store, sds.Pinned))
			if err != nil {
				t.Fatal(err)
			}
			loaded, err := sds.LoadManifest(t.Context(), store, cid, m.Root)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(m, loaded); diff != "" {
				t.Errorf("loaded (-want +got):\n%s", diff)
			}
			derived, err := sds.DeriveManifest(t.Context(), store, m.Root)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(m, derived); diff != "" {
				t.Errorf("derived (-want +got):\n%s", diff)
			}
			for i := range derived.Objects {
				if derived.Objects[i].CID.Codec != sds.Raw {
					derived.Objects[i].SHA256 = [32]byte{}
				}
			}
			outline, err := sds.Outline(t.Context(), contentless{store}, m.Root)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(derived, outline); diff != "" {
				t.Errorf("outlined (-want +got):\n%s", diff)
			}
			// A large directory takes milliseconds to parse; some of it will do.
			left := 200
			for path, size := range files {
				if left--; left < 0 {
					break
				}
				entry, err := sds.Resolve(t.Context(), store, m.Root, path)
				if err != nil {
					t.Errorf("resolve %q: %v", path, err)
				}
				found, ok := m.Find(path)
				want := sds.Entry{CID: found.CID, Size: size}
				if size < 0 {
					want = sds.Entry{CID: entry.CID, Dir: true}
				}
				if ok != (size >= 0) || entry != want {
					t.Errorf("resolve %q: got %v, want %v, in the manifest %v", path, entry, want, ok)
				}
			}
		})
	}
}

func TestWalkMeetsEveryBlockOnceAndNodesBeforeTheirChildren(t *testing.T) {
	t.Parallel()
	store := mem.New()
	m := bundle(t, store, demo())
	met := make(map[sds.CID]int64)
	err := sds.Walk(t.Context(), store, m.Root, func(cid sds.CID, size int64) error {
		if len(met) == 0 && cid != m.Root {
			t.Errorf("the first block is %s, want the root", cid)
		}
		met[cid] = size
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	kept := make(map[sds.CID]int64)
	if err := store.List(t.Context(), func(i sds.Info) error { kept[i.CID] = i.Size; return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(kept, met); diff != "" {
		t.Errorf("kept blocks and walk differ (-kept +met):\n%s", diff)
	}
	stop := errors.New("stop")
	if err := sds.Walk(t.Context(), store, m.Root, func(sds.CID, int64) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v, want the error of each", err)
	}
}

func TestAFolderRefusesPathsThatCannotBeThereTogether(t *testing.T) {
	t.Parallel()
	add := func(path string) func(*sds.Folder) error {
		content := []byte(path)
		cid := sds.Sum(sds.Raw, content)
		return func(f *sds.Folder) error { return f.Add(sds.Object{Path: path, CID: cid, Size: int64(len(content))}) }
	}
	dir := func(path string) func(*sds.Folder) error {
		return func(f *sds.Folder) error { return f.AddDir(path) }
	}
	for name, c := range map[string]struct {
		first, then func(*sds.Folder) error
		want        error
	}{
		"the same file twice":             {add("a"), add("a"), sds.ErrMalformed},
		"a file below a file":             {add("a"), add("a/b"), sds.ErrMalformed},
		"a file far below a file":         {add("a"), add("a/b/c/d"), sds.ErrMalformed},
		"a file above a file":             {add("a/b/c"), add("a/b"), sds.ErrMalformed},
		"a file where a directory is":     {dir("a"), add("a"), sds.ErrMalformed},
		"a directory where a file is":     {add("a"), dir("a"), sds.ErrMalformed},
		"a directory below a file":        {add("a"), dir("a/b"), sds.ErrMalformed},
		"a directory twice":               {dir("a"), dir("a"), nil},
		"a file in an empty directory":    {dir("a"), add("a/b"), nil},
		"an empty directory beside files": {add("a/b"), dir("a/c"), nil},
		"names with a common beginning":   {add("a"), add("ab"), nil},
		"a path that climbs":              {add("a"), add("../b"), sds.ErrMalformed},
		"no path":                         {add("a"), add(""), sds.ErrMalformed},
	} {
		f := sds.NewFolder()
		if err := c.first(f); err != nil {
			t.Errorf("%s: first: %v", name, err)
		}
		if err := c.then(f); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestTheOrderOfAddingDoesNotMatter(t *testing.T) {
	t.Parallel()
	store := mem.New()
	want := bundle(t, store, demo())
	for range 5 {
		f := sds.NewFolder()
		dirs := append([]string{"video", "b"}, want.Dirs...)
		objects := append([]sds.Object(nil), want.Objects...)
		rand.Shuffle(len(objects), func(i, j int) { objects[i], objects[j] = objects[j], objects[i] })
		for i, o := range objects {
			if i < len(dirs) {
				if err := f.AddDir(dirs[i]); err != nil {
					t.Fatal(err)
				}
			}
			if err := f.Add(o); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			got, err := f.Build(t.Context(), discard)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
		}
	}
}

func TestALooseObjectHasAManifestToo(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{0, 1, 1 << 20, 3 << 20} {
		store := mem.New()
		o := file(t, store, "film.mp4", size)
		m := sds.NewObjectManifest(o)
		if got, ok := m.Find(""); !ok || got.CID != o.CID || got.Type != "video/mp4" {
			t.Errorf("%d bytes: got %v, %v, want the object under the empty path", size, got, ok)
		}
		cid, err := m.Encode(t.Context(), sds.Into(store, sds.Pinned))
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := sds.LoadManifest(t.Context(), store, cid, o.CID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, loaded); diff != "" {
			t.Errorf("%d bytes (-want +got):\n%s", size, diff)
		}
		derived, err := sds.DeriveManifest(t.Context(), store, o.CID)
		if err != nil {
			t.Fatal(err)
		}
		outline, err := sds.Outline(t.Context(), store, o.CID)
		if err != nil || outline.Objects[0].Size != size || outline.Objects[0].First != o.First {
			t.Errorf("%d bytes: outlined as %+v, %v", size, outline, err)
		}
		if _, err := outline.Encode(t.Context(), discard); o.CID.Codec != sds.Raw && !errors.Is(err, sds.ErrMalformed) {
			t.Errorf("%d bytes: encode an outline: got %v, want ErrMalformed", size, err)
		}
		derived.Objects[0].Type = "video/mp4" // A root has no name to tell by.
		if diff := cmp.Diff(m, derived); diff != "" {
			t.Errorf("%d bytes, derived (-want +got):\n%s", size, diff)
		}
		if _, err := sds.LoadManifest(t.Context(), store, cid, sds.Sum(sds.Raw, []byte("another"))); !errors.Is(err, sds.ErrMalformed) {
			t.Errorf("for another root: got %v, want ErrMalformed", err)
		}
	}
}

func TestCopyReadsAFileBack(t *testing.T) {
	t.Parallel()
	store := mem.New()
	o := file(t, store, "x", 5<<20+17)
	f, err := sds.OpenFile(t.Context(), store, o.CID)
	if err != nil {
		t.Fatal(err)
	}
	var want, got bytes.Buffer
	if _, err := want.ReadFrom(&pattern{size: o.Size}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Copy(t.Context(), &got, 0, f.Size()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want.Bytes(), got.Bytes()) {
		t.Error("other bytes came back")
	}
}
