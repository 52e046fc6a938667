package router

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// An edge that could send its router anywhere could have it ask machines that
// only the router reaches.
func TestARouterGoesNowhereAnEdgeSendsIt(t *testing.T) {
	f := newFilm(newScene(t))
	var asked atomic.Int64
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer inside.Close()
	f.everyEdge(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, inside.URL, http.StatusTemporaryRedirect)
	})
	f.problem(f.get(inFrankfurt, master), http.StatusServiceUnavailable, "no-playlist")
	if asked.Load() != 0 {
		t.Errorf("it followed %d times", asked.Load())
	}
}
