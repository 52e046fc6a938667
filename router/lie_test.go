package router

import (
	"net/http"
	"testing"
	"time"
)

// everyEdge has all edges answer like this, nil as they should.
func (f *film) everyEdge(answer http.HandlerFunc) {
	for _, e := range f.edges {
		if answer == nil {
			e.spoil.Store(nil)
			continue
		}
		e.spoil.Store(&answer)
	}
}

// Only nodes prove that a playlist is not there; an edge may say anything.
func TestAPlaylistThatEdgesDenyIsLookedForAgain(t *testing.T) {
	f := newFilm(newScene(t))
	f.everyEdge(http.NotFound)
	if answer := f.get(inFrankfurt, master); answer.StatusCode != http.StatusTemporaryRedirect {
		t.Errorf("got %d, want 307 to an edge that answers for itself", answer.StatusCode)
	}
	f.everyEdge(nil)
	f.now = f.now.Add(2 * time.Second)
	f.read(f.get(inFrankfurt, master))
}

func TestAnEdgeThatDeniesWhatItsNodesProveFails(t *testing.T) {
	f := newFilm(newScene(t))
	for _, lie := range []http.HandlerFunc{
		http.NotFound,
		func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 2<<20)) },
	} {
		f.everyEdge(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("format") == "nodes" {
				f.edges[0].nodes(r.Context(), w, "master.m3u8")
				return
			}
			lie(w, r)
		})
		f.problem(f.get(inFrankfurt, master), http.StatusServiceUnavailable, "no-playlist")
	}
}
