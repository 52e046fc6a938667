package edge

import (
	"sync"
	"testing"
)

func TestAnEdgeThatGoesHasToldSoWhenItStops(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	e := w.edges[0]
	p := &pooled{opened: make(chan struct{})}
	p.node.Store(e.node)
	var stops sync.WaitGroup
	for range 2 { // a server that shuts down, and the app
		stops.Go(func() {
			p.drain()
			w.meta.mu.Lock()
			defer w.meta.mu.Unlock()
			if !w.meta.beats[e.id].Draining {
				t.Error("it goes on before the meta node has heard of it")
			}
		})
	}
	stops.Wait()
}
