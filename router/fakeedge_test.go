package router

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/car"
	"github.com/stratos-mesh/stratos/sds/mem"
)

// fakeEdge serves one bundle under any ticket: files, and the nodes on the way to
// them.
type fakeEdge struct {
	*httptest.Server
	store *mem.Store
	root  sds.CID
	files map[string]string
	asked atomic.Int64
	// spoil, when set, answers instead.
	spoil atomic.Pointer[http.HandlerFunc]
}

func newFakeEdge(t testing.TB, name string, files map[string]string) *fakeEdge {
	t.Helper()
	e := &fakeEdge{store: mem.New(), files: files}
	e.root = bundleOf(t, e.store, files)
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.asked.Add(1)
		if spoil := e.spoil.Load(); spoil != nil {
			(*spoil)(w, r)
			return
		}
		_, rest, _ := strings.Cut(r.URL.Path, "/"+name+"/")
		body, there := e.files[rest]
		switch {
		case !there:
			http.NotFound(w, r)
		case r.URL.Query().Get("format") == "nodes":
			e.nodes(r.Context(), w, rest)
		default:
			_, _ = w.Write([]byte(body))
		}
	}))
	t.Cleanup(e.Close)
	return e
}

// nodes writes the directories on the way to a path.
func (e *fakeEdge) nodes(ctx context.Context, w http.ResponseWriter, path string) {
	out, err := car.NewWriter(w, e.root)
	at, rest := e.root, path
	for err == nil && rest != "" {
		var block []byte
		if block, err = e.store.Get(ctx, at); err == nil {
			err = out.Block(at, block)
		}
		var component string
		component, rest, _ = strings.Cut(rest, "/")
		if err == nil {
			at, err = sds.Lookup(ctx, e.store, at, component)
		}
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

func bundleOf(t testing.TB, store sds.Store, files map[string]string) sds.CID {
	t.Helper()
	sink, folder := sds.Into(store, sds.Pinned), sds.NewFolder()
	for path, body := range files {
		built, err := sds.Import(t.Context(), strings.NewReader(body), sink)
		if err != nil {
			t.Fatal(err)
		}
		o := sds.Object{Path: path, CID: built.Root, Size: built.Size, SHA256: built.SHA256, Type: sds.MediaType(path), First: built.First}
		if err := folder.Add(o); err != nil {
			t.Fatal(err)
		}
	}
	manifest, err := folder.Build(t.Context(), sink)
	if err != nil {
		t.Fatal(err)
	}
	return manifest.Root
}

const ladder = `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aud",NAME="English",DEFAULT=YES,STABLE-RENDITION-ID="a",URI="a/p.m3u8",X-STRATOS-SHA256="ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#EXT-X-STREAM-INF:BANDWIDTH=2000,CODECS="avc1.64001f,mp4a.40.2",AUDIO="aud",STABLE-VARIANT-ID="v",X-STRATOS-SHA256="3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"
v/p.m3u8
`

// film is a scene with a film whose bundle real servers have: edge n of the
// network is the server n-1.
type film struct {
	*scene
	edges []*fakeEdge
}

func newFilm(s *scene) *film {
	s.Helper()
	f := &film{scene: s}
	files := map[string]string{
		"master.m3u8": ladder, "v/p.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:4\n", "a/p.m3u8": "#EXTM3U\n", "poster.jpg": "jpeg",
		"thumbnails.vtt": "WEBVTT\n", "plain.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:4\n",
	}
	for range world() {
		f.edges = append(f.edges, newFakeEdge(s, "pub/movie", files))
	}
	found := s.meta.add("pub/movie", meta.Bundle, 50<<20, 1, 2, 3)
	found.Record.Root = f.edges[0].root
	s.meta.mu.Lock()
	s.meta.records["pub/movie"] = found
	s.meta.mu.Unlock()
	s.change(func(n *meta.Network) {
		n.Authorities = s.meta.authorities()
		for i := range n.Edges {
			n.Edges[i].URL = f.edges[i].URL
		}
	})
	return f
}

// state sets an edge's state.
func (f *film) state(state meta.EdgeState, ids ...meta.EdgeID) {
	f.Helper()
	f.change(func(n *meta.Network) {
		for i := range n.Edges {
			for _, id := range ids {
				if n.Edges[i].ID == id {
					n.Edges[i].State = state
				}
			}
		}
	})
}
