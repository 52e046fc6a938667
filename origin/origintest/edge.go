package origintest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/mem"
	"github.com/stratos-mesh/stratos/sds/slicehttp"
)

// Edge is an edge that keeps what it gets in memory.
type Edge struct {
	ID    meta.EdgeID
	Store *mem.Store
	// Writes counts the blocks that this edge was asked to store.
	Writes atomic.Int64
	// Backward counts those that it was to forward to an edge of a lower number.
	Backward atomic.Int64

	net     *Net
	server  *httptest.Server
	stopped atomic.Bool
	// after this many more writes the edge stops; below zero it does not.
	stopAfter atomic.Int64
	// status answers so many writes instead of storing, when it is not 0.
	status, answers atomic.Int64
	// held writes wait until gate is closed, when there is one.
	gate atomic.Pointer[chan struct{}]
	held chan struct{}
}

func startEdge(t testing.TB, n *Net, id meta.EdgeID) *Edge {
	t.Helper()
	e := &Edge{ID: id, Store: mem.New(), net: n, held: make(chan struct{}, 1024)}
	e.stopAfter.Store(-1)
	handler := slicehttp.Handler(slicehttp.Config{Store: e.Store, Put: http.HandlerFunc(e.put)})
	e.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e.stopped.Load() {
			panic(http.ErrAbortHandler) // the connection breaks, as when a process dies
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(e.server.Close)
	return e
}

// URL of the edge.
func (e *Edge) URL() string { return e.server.URL }

// Stop breaks every request from now on.
func (e *Edge) Stop() { e.stopped.Store(true) }

// Stopped tells whether it is.
func (e *Edge) Stopped() bool { return e.stopped.Load() }

// StopAfter stops the edge in the middle of an upload, after n more writes.
func (e *Edge) StopAfter(n int64) { e.stopAfter.Store(n) }

// Answer makes the edge answer writes with a status instead of storing; 0 ends
// it.
func (e *Edge) Answer(status int) { e.AnswerTimes(status, 1<<40) }

// AnswerTimes does so for n writes.
func (e *Edge) AnswerTimes(status int, n int64) {
	e.status.Store(int64(status))
	e.answers.Store(n)
}

// Hold makes writes wait until release is called.
func (e *Edge) Hold() (release func()) {
	gate := make(chan struct{})
	e.gate.Store(&gate)
	return func() {
		e.gate.Store(nil)
		close(gate)
	}
}

// AwaitHeld waits until n writes wait.
func (e *Edge) AwaitHeld(n int) {
	for range n {
		<-e.held
	}
}

// put checks the grant, stores, and passes on.
func (e *Edge) put(w http.ResponseWriter, r *http.Request) {
	if left := e.stopAfter.Load(); left == 0 {
		e.Stop()
		panic(http.ErrAbortHandler)
	} else if left > 0 {
		e.stopAfter.Add(-1)
	}
	if status := e.status.Load(); status != 0 && e.answers.Add(-1) >= 0 {
		http.Error(w, "as the test wants it", int(status))
		return
	}
	if gate := e.gate.Load(); gate != nil {
		e.held <- struct{}{}
		<-*gate
	}
	e.Writes.Add(1)
	if err := e.check(r); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	cid, err := sds.Parse(strings.TrimPrefix(r.URL.Path, "/slices/"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var copied bytes.Buffer
	if _, err := sds.Receive(r.Context(), e.Store, cid, io.TeeReader(r.Body, &copied), sds.Pinned); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	durable := append([]meta.EdgeID{e.ID}, e.forward(r, copied.Bytes())...)
	json.NewEncoder(w).Encode(map[string]any{"durable": durable})
}

func (e *Edge) check(r *http.Request) error {
	text, err := base64.RawURLEncoding.DecodeString(r.Header.Get("Stratos-Grant"))
	if err != nil {
		return err
	}
	g, err := meta.DecodeGrant(text)
	if err != nil {
		return err
	}
	if err := g.Verify(e.net.Meta.public, ChainID); err != nil {
		return err
	}
	if !slices.Contains(g.Edges, e.ID) {
		return fmt.Errorf("the grant does not name edge %d", e.ID)
	}
	if !time.Now().Before(g.Until) {
		return fmt.Errorf("the grant has ended")
	}
	return nil
}

// forward passes a block to the first hop with the others behind it.
func (e *Edge) forward(r *http.Request, block []byte) []meta.EdgeID {
	first, rest, _ := strings.Cut(r.Header.Get("Stratos-Hops"), ",")
	id, err := strconv.ParseUint(first, 10, 32)
	if err != nil {
		return nil
	}
	if meta.EdgeID(id) < e.ID {
		e.Backward.Add(1)
	}
	next, err := http.NewRequestWithContext(r.Context(), http.MethodPut, e.net.Edge(meta.EdgeID(id)).URL()+r.URL.Path, bytes.NewReader(block))
	if err != nil {
		return nil
	}
	next.Header.Set("Stratos-Grant", r.Header.Get("Stratos-Grant"))
	if rest != "" {
		next.Header.Set("Stratos-Hops", rest)
	}
	resp, err := e.net.HTTP.Do(next)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	var answer struct {
		Durable []meta.EdgeID `json:"durable"`
	}
	if resp.StatusCode != http.StatusOK || json.NewDecoder(resp.Body).Decode(&answer) != nil {
		return nil
	}
	return answer.Durable
}
