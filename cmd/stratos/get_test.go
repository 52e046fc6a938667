package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipfs/boxo/ipld/unixfs"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"

	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/car"
	"github.com/stratos-mesh/stratos/sds/mem"
)

// tree is published content.
type tree struct {
	store *mem.Store
	root  sds.CID
	files map[string][]byte
}

func newTree(t *testing.T, files map[string][]byte, empty ...string) *tree {
	t.Helper()
	tr := &tree{store: mem.New(), files: files}
	sink := sds.Into(tr.store, sds.Pinned)
	folder := sds.NewFolder()
	for path, body := range files {
		built, err := sds.Import(t.Context(), bytes.NewReader(body), sink)
		if err == nil && path == "" {
			tr.root = built.Root
			return tr
		}
		if err == nil {
			err = folder.Add(sds.Object{Path: path, CID: built.Root, Size: built.Size, SHA256: built.SHA256, Type: "x/y", First: built.First})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range empty {
		if err := folder.AddDir(dir); err != nil {
			t.Fatal(err)
		}
	}
	m, err := folder.Build(t.Context(), sink)
	if err != nil {
		t.Fatal(err)
	}
	tr.root = m.Root
	return tr
}

// filler is size bytes that differ from slice to slice.
func filler(seed, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i>>12 + i*seed)
	}
	return b
}

// nodes of a tree as an edge would send them.
func (tr *tree) nodes(ctx context.Context) []byte {
	var out bytes.Buffer
	w, err := car.NewWriter(&out, tr.root)
	if err != nil || tr.root.Codec == sds.Raw {
		return out.Bytes()
	}
	sds.Walk(ctx, tr.store, tr.root, func(cid sds.CID, _ int64) error {
		if cid.Codec == sds.Raw {
			return nil
		}
		block, err := tr.store.Get(ctx, cid)
		if err != nil {
			return err
		}
		return w.Block(cid, block)
	})
	return out.Bytes()
}

// serve is an honest edge for demo/site and demo/site/….
func (tr *tree) serve(w http.ResponseWriter, r *http.Request) {
	_, path, _ := strings.Cut(r.URL.Path, "/demo/site")
	if r.URL.Query().Get("format") == "nodes" {
		w.Write(tr.nodes(r.Context()))
		return
	}
	body, ok := tr.files[strings.Trim(path, "/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// testNet is a router and edges.
type testNet struct {
	router *httptest.Server
	edges  []*httptest.Server
	asked  []atomic.Int64
	// changes of the router's answer
	root sds.CID
}

func newTestNet(t *testing.T, tr *tree, edges ...http.HandlerFunc) *testNet {
	t.Helper()
	n := &testNet{root: tr.root, asked: make([]atomic.Int64, len(edges))}
	for i, h := range edges {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n.asked[i].Add(1)
			h(w, r)
		}))
		t.Cleanup(s.Close)
		n.edges = append(n.edges, s)
	}
	_, object := tr.files[""]
	n.router = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v1/route/") {
			w.Header().Set("Location", n.edges[0].URL+"/t/ticket"+r.URL.Path+"/")
			if object {
				w.Header().Set("Location", n.edges[0].URL+r.URL.Path+"?t=ticket")
			}
			w.WriteHeader(http.StatusTemporaryRedirect)
			return
		}
		rest := strings.Trim(strings.TrimPrefix(r.URL.Path, "/v1/route/demo/site"), "/")
		d := decision{Name: "demo/site", Root: n.root.String(), Kind: "bundle", Rest: rest}
		if object {
			d.Kind = "object"
		}
		for _, e := range n.edges {
			d.Candidates = append(d.Candidates, struct{ URL string }{e.URL})
		}
		json.NewEncoder(w).Encode(map[string]any{"name": d.Name, "root": d.Root, "kind": d.Kind, "rest": d.Rest, "candidates": d.Candidates})
	}))
	t.Cleanup(n.router.Close)
	return n
}

func (n *testNet) get(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	return run(t, append([]string{"get", "--router", n.router.URL}, args...)...)
}

func site(t *testing.T) *tree {
	return newTree(t, map[string][]byte{
		"index.html": []byte("<p>home"), "media/film.mp4": filler(1, 3<<20+17), "media/empty": {}, "a/b/c/deep.txt": []byte("deep"),
		"same.txt": []byte("deep"), "zeros": make([]byte, 2<<20),
	}, "nothing/here")
}

// holds compares a folder on disk with a tree; nothing else may be in it.
func holds(t *testing.T, dir string, tr *tree) {
	t.Helper()
	local, err := readTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := rootOfTree(t.Context(), local, func(int) {})
	if err != nil || m.Root != tr.root {
		t.Errorf("the folder has root %v, want %v (%v)", m.Root, tr.root, err)
	}
}

// corrupt flips a byte of every answer with content.
func corrupt(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		h(rec, r)
		body := rec.Body.Bytes()
		if len(body) > 0 && rec.Code < 300 {
			body[len(body)/2] ^= 1
		}
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(rec.Code)
		w.Write(body)
	}
}

// content has another handler answer for content, not for nodes.
func contentBy(nodes, content http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("format") == "nodes" {
			nodes(w, r)
			return
		}
		content(w, r)
	}
}

func TestAFolderArrivesWhole(t *testing.T) {
	t.Parallel()
	tr := site(t)
	n := newTestNet(t, tr, tr.serve)
	dir := filepath.Join(t.TempDir(), "out")
	code, out, errOut := n.get(t, "demo/site", "-o", dir, "--json")
	if code != exitOK {
		t.Fatalf("code %d: %s", code, errOut)
	}
	holds(t, dir, tr)
	var said struct {
		Root          sds.CID
		Size, Objects int64
		Folder        string
	}
	if err := json.Unmarshal([]byte(out), &said); err != nil || said.Root != tr.root || said.Objects != 6 || said.Folder != dir {
		t.Errorf("said %s (%v)", out, err)
	}
	// Again: nothing is fetched but what is missing.
	if err := os.Remove(filepath.Join(dir, "index.html")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "same.txt"), []byte("DEEP"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := n.asked[0].Load()
	if code, _, errOut := n.get(t, "demo/site", "-o", dir); code != exitOK {
		t.Fatalf("code %d: %s", code, errOut)
	}
	holds(t, dir, tr)
	if asked := n.asked[0].Load() - before; asked != 3 { // nodes and two files
		t.Errorf("the second run asked %d times, want 3", asked)
	}
}

func TestAFileOfABundleAndAPartOfIt(t *testing.T) {
	t.Parallel()
	tr := site(t)
	n := newTestNet(t, tr, tr.serve)
	for _, pin := range [][]string{nil, {"--root", tr.root.String()}} {
		code, out, errOut := n.get(t, append([]string{"demo/site/media/film.mp4", "-o", "-"}, pin...)...)
		if code != exitOK || out != string(tr.files["media/film.mp4"]) {
			t.Errorf("%v: code %d, %d bytes: %s", pin, code, len(out), errOut)
		}
	}
	dir := t.TempDir()
	if code, _, errOut := n.get(t, "demo/site/a", "-o", dir); code != exitOK {
		t.Fatalf("code %d: %s", code, errOut)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "b/c/deep.txt")); err != nil || string(got) != "deep" {
		t.Errorf("got %q, %v", got, err)
	}
	if code, _, errOut := n.get(t, "demo/site/none", "-o", dir); code != exitNotFound {
		t.Errorf("what is not there: code %d: %s", code, errOut)
	}
	if code, _, _ := n.get(t, "demo/site", "-o", "-"); code != exitUsage {
		t.Errorf("a folder to standard output: code %d", code)
	}
}

func TestALyingEdgeLoses(t *testing.T) {
	t.Parallel()
	tr := site(t)
	other := newTree(t, map[string][]byte{"index.html": []byte("<p>HOME"), "media/film.mp4": filler(2, 3<<20+17), "media/empty": {}, "same.txt": []byte("else")})
	for name, liar := range map[string]http.HandlerFunc{
		"it flips a byte of the content":          contentBy(tr.serve, corrupt(tr.serve)),
		"it flips a byte of everything":           corrupt(tr.serve),
		"it serves another valid root":            other.serve,
		"it serves the content of another root":   contentBy(tr.serve, other.serve),
		"it sends no nodes at all":                contentBy(newTree(t, map[string][]byte{"": {}}).serve, tr.serve),
		"it sends a page instead of every answer": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "welcome to this wifi") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, what := range []string{"demo/site", "demo/site/media/film.mp4"} {
				dir := t.TempDir()
				n := newTestNet(t, tr, liar, tr.serve)
				output := filepath.Join(dir, "out")
				code, _, errOut := n.get(t, what, "-o", output)
				if code != exitOK || !strings.Contains(errOut, "going on at the next edge") {
					t.Fatalf("code %d: %s", code, errOut)
				}
				if what == "demo/site" {
					holds(t, output, tr)
				} else if got, _ := os.ReadFile(output); !bytes.Equal(got, tr.files["media/film.mp4"]) {
					t.Errorf("%d bytes, not those of the file", len(got))
				}
				if n.asked[0].Load() > 8 {
					t.Errorf("the liar was asked %d times", n.asked[0].Load())
				}
			}
			if strings.Contains(name, "page") {
				return // cut off or a lie: nobody can tell, and get would try for half a minute
			}
			// Alone it gets nothing into the file; what stays to go on with is true.
			dir := t.TempDir()
			n := newTestNet(t, tr, liar)
			code, out, errOut := n.get(t, "demo/site/media/film.mp4", "-o", filepath.Join(dir, "film.mp4"))
			if code != exitCorrupt || out != "" || !strings.Contains(errOut, "does not match the root") || !strings.Contains(errOut, "operators") {
				t.Errorf("code %d, %q: %s", code, out, errOut)
			}
			if _, err := os.Stat(filepath.Join(dir, "film.mp4")); err == nil {
				t.Error("there is a file")
			}
			parts, _ := filepath.Glob(filepath.Join(dir, partsDir, "*"))
			for _, part := range parts {
				if got, _ := os.ReadFile(part); !bytes.HasPrefix(tr.files["media/film.mp4"], got) {
					t.Errorf("%d bytes in %s are not those of the file", len(got), part)
				}
			}
		})
	}
}

func TestAPinnedRootTrustsNobody(t *testing.T) {
	t.Parallel()
	tr := site(t)
	other := newTree(t, map[string][]byte{"index.html": []byte("forged")})
	n := newTestNet(t, other, other.serve)
	dir := t.TempDir()
	code, _, errOut := n.get(t, "demo/site", "--root", tr.root.String(), "-o", filepath.Join(dir, "x"))
	if code != exitCorrupt || !strings.Contains(errOut, tr.root.String()) {
		t.Errorf("a router with another root: code %d: %s", code, errOut)
	}
	// The router says the right root, the edge sends another.
	n = newTestNet(t, tr, other.serve)
	if code, _, errOut = n.get(t, "demo/site", "--root", tr.root.String(), "-o", filepath.Join(dir, "x")); code != exitCorrupt {
		t.Errorf("an edge with another root: code %d: %s", code, errOut)
	}
	if _, err := os.Stat(filepath.Join(dir, "x")); err == nil {
		t.Error("something was written")
	}
	// Both a.txt and x/a.txt are there: which is meant, only the router says.
	two := newTree(t, map[string][]byte{"a.txt": []byte("1"), "x/a.txt": []byte("2")})
	n = newTestNet(t, two, two.serve)
	if code, _, errOut = n.get(t, "demo/site/x/a.txt", "--root", two.root.String(), "-o", "-"); code != exitRefused {
		t.Errorf("an ambiguous name: code %d: %s", code, errOut)
	}
	if code, _, _ = n.get(t, "demo/site", "--root", "nonsense"); code != exitUsage {
		t.Errorf("a root that is none: code %d", code)
	}
}

func TestATransferGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	film := filler(3, 5<<20)
	tr := newTree(t, map[string][]byte{"": film})
	var limit, served atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	limit.Store(3<<20 + 5000) // and the nodes
	n := newTestNet(t, tr, func(w http.ResponseWriter, r *http.Request) {
		if limit.Load() <= 0 {
			cancel() // the download was cut off, and came back
			panic(http.ErrAbortHandler)
		}
		tr.serve(&cutWriter{w, &limit, &served}, r)
	})
	dir := t.TempDir()
	var errOut bytes.Buffer
	c := &cli{in: strings.NewReader(""), out: &errOut, err: &errOut, getenv: func(string) string { return "" }}
	if code := c.run(ctx, []string{"get", "--router", n.router.URL, "demo/site", "-o", filepath.Join(dir, "film")}); code != 130 {
		t.Fatalf("code %d: %s", code, errOut.String())
	}
	if _, err := os.Stat(filepath.Join(dir, "film")); err == nil {
		t.Fatal("half a film has the name of a whole one")
	}
	limit.Store(1 << 40)
	served.Store(0)
	if code, _, errOut := n.get(t, "demo/site", "-o", filepath.Join(dir, "film")); code != exitOK {
		t.Fatalf("code %d: %s", code, errOut)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "film")); err != nil || !bytes.Equal(got, film) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if served.Load() > 2<<20+1000 { // the rest, and the nodes
		t.Errorf("the second run fetched %d bytes, want 2 MiB", served.Load())
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}

// cutWriter breaks the connection when its limit is spent.
type cutWriter struct {
	http.ResponseWriter
	limit, served *atomic.Int64
}

func (c *cutWriter) Write(p []byte) (int, error) {
	if room := c.limit.Add(-int64(len(p))); room <= 0 {
		c.ResponseWriter.Write(p[:max(0, int64(len(p))+room)])
		c.limit.Store(0)
		panic(http.ErrAbortHandler)
	}
	c.served.Add(int64(len(p)))
	return c.ResponseWriter.Write(p)
}

func TestWhatIsInTheWayIsNotFollowed(t *testing.T) {
	t.Parallel()
	tr := site(t)
	n := newTestNet(t, tr, tr.serve)
	outside := t.TempDir()
	victim := filepath.Join(outside, "index.html")
	if err := os.WriteFile(victim, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, prepare := range map[string]func(dir string) error{
		"a symlink where a file goes":                  func(dir string) error { return os.Symlink(victim, filepath.Join(dir, "index.html")) },
		"a symlink where a folder goes":                func(dir string) error { return os.Symlink(outside, filepath.Join(dir, "media")) },
		"a symlink within the folder":                  func(dir string) error { return os.Symlink(".", filepath.Join(dir, "media")) },
		"a symlink where the parts go":                 func(dir string) error { return os.Symlink(outside, filepath.Join(dir, partsDir)) },
		"a folder where a file goes":                   func(dir string) error { return os.MkdirAll(filepath.Join(dir, "index.html", "x"), 0o700) },
		"a file where a folder goes":                   func(dir string) error { return os.WriteFile(filepath.Join(dir, "a"), nil, 0o600) },
		"a symlink where an empty folder goes":         func(dir string) error { return os.Symlink(outside, filepath.Join(dir, "nothing")) },
		"a symlink that leads nowhere in a file's way": func(dir string) error { return os.Symlink("gone", filepath.Join(dir, "same.txt")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := prepare(dir); err != nil {
				t.Fatal(err)
			}
			code, _, errOut := n.get(t, "demo/site", "-o", dir)
			if code != exitRefused || !strings.Contains(errOut, "in the way") {
				t.Errorf("code %d: %s", code, errOut)
			}
			list, _ := os.ReadDir(outside)
			if got, _ := os.ReadFile(victim); string(got) != "mine" || len(list) != 1 {
				t.Errorf("outside: %q, %v", got, list)
			}
		})
	}
}

// hostile is a directory with a name that no folder can have.
func hostile(t *testing.T, name string) *tree {
	t.Helper()
	store := mem.New()
	file, err := sds.Import(t.Context(), strings.NewReader("evil"), sds.Into(store, sds.Pinned))
	if err != nil {
		t.Fatal(err)
	}
	dag := unixfs.EmptyDirNode()
	if err := dag.SetCidBuilder(cid.V1Builder{Codec: uint64(sds.DagPB), MhType: 0x12, MhLength: -1}); err != nil {
		t.Fatal(err)
	}
	leaf, _ := cid.Cast(file.Root.Bytes())
	if err := dag.AddRawLink(name, &ipld.Link{Cid: leaf, Size: 4}); err != nil {
		t.Fatal(err)
	}
	block, err := dag.EncodeProtobuf(false)
	if err != nil {
		t.Fatal(err)
	}
	root := sds.Sum(sds.DagPB, block)
	if err := sds.Into(store, sds.Pinned)(t.Context(), root, block); err != nil {
		t.Fatal(err)
	}
	return &tree{store: store, root: root, files: map[string][]byte{name: []byte("evil")}}
}

func TestNamesThatLeadOutsideAreRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"..", ".", "../evil", "/etc/evil", "a/../../evil", "", "a\x00b", partsDir} {
		t.Run(fmt.Sprintf("%q", name), func(t *testing.T) {
			t.Parallel()
			tr := hostile(t, name)
			// Walk refuses the tree, so the edge sends the one node as it is.
			n := newTestNet(t, tr, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("format") != "nodes" {
					fmt.Fprint(w, "evil")
					return
				}
				block, _ := tr.store.Get(r.Context(), tr.root)
				out, _ := car.NewWriter(w, tr.root)
				out.Block(tr.root, block)
			})
			above := t.TempDir()
			code, _, errOut := n.get(t, "demo/site", "-o", filepath.Join(above, "in", "here"))
			if code != exitRefused {
				t.Errorf("code %d: %s", code, errOut)
			}
			filepath.Walk(above, func(path string, info os.FileInfo, err error) error {
				if err == nil && info.Mode().IsRegular() {
					t.Errorf("it wrote %s", path)
				}
				return nil
			})
		})
	}
}
