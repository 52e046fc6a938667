package edge

import (
	"bytes"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

func TestAColdObjectIsReadFromItsHoldersAtMostTwice(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		// regions of the edges; the last three hold the content.
		regions [8]string
	}{
		{"five edges in five regions", [8]string{"a", "b", "c", "d", "e", "f", "g", "h"}},
		{"five edges in five regions, beside a holder in three", [8]string{"a", "b", "c", "d", "e", "a", "b", "c"}},
		{"five edges in the region of all holders", [8]string{"a", "a", "a", "a", "a", "a", "a", "a"}},
		{"five edges in the region of one holder", [8]string{"a", "a", "a", "a", "a", "a", "b", "c"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, len(c.regions))
			w.meta.change(func(n *meta.Network) {
				for i := range n.Edges {
					n.Edges[i].Region = c.regions[i]
				}
			})
			w.settle()
			cold, holders := w.edges[:5], w.edges[5:]
			p := w.publish("acme/film", map[string][]byte{"0.mp4": content(1, 5<<20)}, holders...)
			var viewers sync.WaitGroup
			for range 3 {
				for _, e := range cold {
					viewers.Go(func() {
						r, body := e.get(t, "/t/"+w.ticket(p, nil, e)+"/acme/film/0.mp4")
						if r.StatusCode != 200 || !bytes.Equal(body, p.files["0.mp4"]) {
							t.Errorf("edge %d: status %d, %d bytes", e.id, r.StatusCode, len(body))
						}
					})
				}
			}
			viewers.Wait()
			var read, raced int64
			for _, e := range w.edges {
				raced += e.fill.Counters.Raced.Load()
			}
			for _, e := range holders {
				read += e.reads.Load()
			}
			if limit := 2*int64(len(p.blocks)) + raced; read > limit || read == 0 {
				t.Errorf("%d reads from holders, want some and at most %d: twice the %d blocks, %d raced", read, limit, len(p.blocks), raced)
			}
		})
	}
}

// An edge may ask for few slices twice, however slow its sources are.
func TestASlowNetworkIsNotAskedForEverythingTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	e, holders := w.edges[0], w.edges[1:]
	w.meta.change(func(n *meta.Network) { // one region: no gate between
		for i := range n.Edges {
			n.Edges[i].Region = "a"
		}
	})
	w.settle()
	p := w.publish("acme/film", map[string][]byte{"0.mp4": content(1, 12<<20)}, holders...)
	for _, holder := range holders {
		holder.answer(func(rw http.ResponseWriter, r *http.Request) {
			time.Sleep(500 * time.Millisecond) // longer than the first patience
			holder.node.ServeHTTP(rw, r)
		})
	}
	r, body := e.get(t, "/t/"+w.ticket(p, nil, e)+"/acme/film/0.mp4")
	want(t, r, 200)
	same(t, body, p.files["0.mp4"])
	var read int64
	for _, holder := range holders {
		read += holder.reads.Load()
	}
	if extra := read - int64(len(p.blocks)); extra > 3 {
		t.Errorf("%d blocks were asked for %d times", len(p.blocks), read)
	}
}

func TestTwoSourcesThatHangAreLeftForAThird(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	p := w.publish("acme/film", map[string][]byte{"0.mp4": content(1, 1000)}, w.edges[1:]...)
	for _, e := range w.edges[2:] { // the nearest holders
		e.answer(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	}
	e := w.edges[0]
	w.meta.change(func(n *meta.Network) { n.Edges[0].Lat = 9 })
	w.settle()
	r, body := e.get(t, "/t/"+w.ticket(p, nil, e)+"/acme/film/0.mp4")
	want(t, r, 200)
	same(t, body, p.files["0.mp4"])
}
