package serve

import (
	"net/http"
	"sync"
	"time"
)

// watch ends an HTTP/2 answer whose client takes nothing. Setting a deadline
// there costs two messages to the connection's goroutine; a timer that almost
// never fires costs next to nothing.
type watch struct {
	mu   sync.Mutex // guards following
	w    http.ResponseWriter
	done bool
}

// guarded writes a small answer, for as long as a slice may take.
func guarded(w http.ResponseWriter, block []byte) (int, error) {
	g := &watch{w: w}
	timer := time.AfterFunc(SliceDeadline, g.expire)
	n, err := w.Write(block)
	if !timer.Stop() {
		g.end()
	}
	return n, err
}

func (g *watch) expire() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.done {
		// In the past: the stream is reset. Who cannot do that has no such streams.
		_ = http.NewResponseController(g.w).SetWriteDeadline(time.Unix(1, 0))
	}
}

// end waits for expire: the writer must not be used after its answer.
func (g *watch) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.done = true
}
