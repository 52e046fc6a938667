package router

import (
	"crypto/ed25519"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

// growth is a film that grows: a state has a file more than the one before.
type growth struct {
	*film
	states []*fakeEdge
	shown  atomic.Int64
}

func newGrowth(t *testing.T) *growth {
	g := &growth{film: newFilm(newScene(t))}
	files := map[string]string{"master.m3u8": ladder, "v/p.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:4\n"}
	for _, path := range []string{"v/1.m4s", "v/2.m4s", "v/3.m4s"} {
		files[path] = path
		g.states = append(g.states, newFakeEdge(t, "pub/movie", files))
	}
	g.everyEdge(func(w http.ResponseWriter, r *http.Request) {
		g.states[g.shown.Load()].Config.Handler.ServeHTTP(w, r)
	})
	return g
}

// tell has the meta node know a state.
func (g *growth) tell(state int) {
	g.meta.mu.Lock()
	defer g.meta.mu.Unlock()
	found := g.meta.records["pub/movie"]
	found.Record.Root, found.Record.Growing = g.states[state].root, uint64(state+1)
	found.Growing = &meta.GrowingState{Name: "pub/movie", Sequence: found.Record.Growing, Root: found.Record.Root}
	found.Growing.Sign(ed25519.NewKeyFromSeed(make([]byte, 32)), "test")
	g.meta.records["pub/movie"] = found
}

// Router and edges each ask for states at most once a second: neither is always
// the first to know.
func TestEdgesAtAnotherStateThanTheRouter(t *testing.T) {
	for name, test := range map[string]func(g *growth){
		"are ahead": func(g *growth) {
			g.get(inFrankfurt, "/pub/movie/v/1.m4s") // the router has found the first
			g.tell(1)
			g.shown.Store(1)
		},
		"are behind, and were asked before": func(g *growth) {
			g.read(g.get(inFrankfurt, master))
			g.tell(1)
			g.now = g.now.Add(2 * nameTTL)
		},
		"fail": func(g *growth) {
			g.read(g.get(inFrankfurt, master))
			g.tell(1)
			g.now = g.now.Add(2 * nameTTL)
			g.get(inFrankfurt, "/pub/movie/v/1.m4s")
			g.everyEdge(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		},
		"are behind, and catch up": func(g *growth) {
			g.tell(1)
			time.AfterFunc(300*time.Millisecond, func() { g.shown.Store(1) })
		},
		"have what was published": func(g *growth) {
			g.get(inFrankfurt, "/pub/movie/v/1.m4s")
			g.tell(2)
			g.shown.Store(2)
			g.meta.mu.Lock()
			whole := g.meta.records["pub/movie"]
			g.meta.bound = map[[32]byte]string{whole.Growing.Bind(): "pub/movie"}
			whole.Growing, whole.Record.Growing = nil, 0
			g.meta.records["pub/movie"] = whole
			g.meta.mu.Unlock()
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGrowth(t)
			g.tell(0)
			test(g)
			g.read(g.get(inFrankfurt, master))
			if s := decode[Session](g.scene, g.session("/pub/movie", "ed25519", g.viewer())); s.Multivariant == "" {
				t.Errorf("got the session %+v", s)
			}
		})
	}
}

func TestAPageOfWhatIsNoVideoYet(t *testing.T) {
	g := newGrowth(t)
	g.tell(0)
	for _, path := range []string{"pub/movie/v/p.m3u8", "pub/movie/none.m3u8"} {
		if v, err := g.router.Video(t.Context(), netip.MustParseAddr(inFrankfurt), path); err == nil {
			t.Errorf("%s is the video %+v", path, v)
		}
	}
}
