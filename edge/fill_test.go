package edge

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/sds"
)

// answer replaces what an edge answers other edges, until the test ends.
func (e *testEdge) answer(f http.HandlerFunc) { e.answers.Store(&f) }

func TestConcurrentRequestsShareOneFetch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	p := w.publish("acme/film", map[string][]byte{"0.mp4": content(1, 1<<20)}, w.edges[0])
	holder, e := w.edges[0], w.edges[1]
	gate := make(chan struct{})
	holder.answer(func(rw http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, sds.Sum(sds.Raw, p.files["0.mp4"]).String()) {
			<-gate
		}
		holder.node.ServeHTTP(rw, r)
	})
	text := w.ticket(p, nil, e)
	before := holder.reads.Load()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			r, body := e.get(t, "/t/"+text+"/acme/film/0.mp4")
			if r.StatusCode != 200 || !bytes.Equal(body, p.files["0.mp4"]) {
				t.Errorf("status %d, %d bytes", r.StatusCode, len(body))
			}
		})
	}
	w.eventually("all wait for the same slice", func() bool { return e.viewers.UnderWay() == 20 })
	close(gate)
	wg.Wait()
	// The slice once, and manifest and nodes once.
	if n := holder.reads.Load() - before; n > 4 {
		t.Errorf("%d reads from the holder, want the slice, the manifest and a node or two", n)
	}
}

func TestACorruptAnswerIsCountedAndTheNextSourceUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	p := w.publish("acme/film", map[string][]byte{"0.mp4": content(1, 1<<20)}, w.edges[0], w.edges[1])
	e := w.edges[2]
	near := w.edges[1] // by latitude the nearer holder
	near.answer(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = rw.Write([]byte("rubbish"))
	})
	r, body := e.get(t, "/t/"+w.ticket(p, nil, e)+"/acme/film/0.mp4")
	if r.StatusCode != 200 || !bytes.Equal(body, p.files["0.mp4"]) {
		t.Fatalf("status %d, %d bytes", r.StatusCode, len(body))
	}
	if e.fill.Counters.Corrupt.Load() == 0 {
		t.Error("no corrupt answer was counted")
	}
}

func TestASlowSourceIsRaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	p := w.publish("acme/film", map[string][]byte{"0.mp4": content(1, 1<<20)}, w.edges[0], w.edges[1])
	e := w.edges[2]
	w.edges[1].answer(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	begun := time.Now()
	r, body := e.get(t, "/t/"+w.ticket(p, nil, e)+"/acme/film/0.mp4")
	if r.StatusCode != 200 || !bytes.Equal(body, p.files["0.mp4"]) {
		t.Fatalf("status %d, %d bytes", r.StatusCode, len(body))
	}
	if e.fill.Counters.Raced.Load() == 0 {
		t.Error("no second source was raced")
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestTheFirstSliceLeavesBeforeTheSecondIsHere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	p := w.publish("acme/film", map[string][]byte{"0.mp4": content(1, 2<<20)}, w.edges[0])
	holder, e := w.edges[0], w.edges[1]
	second := sds.Sum(sds.Raw, p.files["0.mp4"][1<<20:]).String()
	gate := make(chan struct{})
	holder.answer(func(rw http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, second) {
			<-gate
		}
		holder.node.ServeHTTP(rw, r)
	})
	r, err := http.Get(e.server.URL + "/t/" + w.ticket(p, nil, e) + "/acme/film/0.mp4")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	first := make([]byte, 1<<20)
	for at := 0; at < len(first); {
		n, err := r.Body.Read(first[at:])
		if err != nil {
			t.Fatalf("after %d bytes: %v", at, err)
		}
		at += n
	}
	if !bytes.Equal(first, p.files["0.mp4"][:1<<20]) {
		t.Error("other bytes")
	}
	close(gate)
}

func TestWhenNoSourceAnswersAViewerIsToldToComeBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	p := w.publish("acme/film", map[string][]byte{"0.mp4": content(1, 1<<20)}, w.edges[0])
	w.edges[0].answer(func(rw http.ResponseWriter, r *http.Request) { rw.WriteHeader(500) })
	r, _ := w.edges[1].get(t, "/t/"+w.ticket(p, nil, w.edges[1])+"/acme/film/0.mp4")
	want(t, r, 503, "Retry-After", "2", "Cache-Control", "no-store")
}

func TestAFlippedBitIsNeverServedAndTheCopyIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	p := w.publish("acme/film", map[string][]byte{"0.mp4": content(1, 1<<20)}, w.edges...)
	e := w.edges[0]
	w.replicate(t, e, p)
	cid := sds.Sum(sds.Raw, p.files["0.mp4"])
	flipBit(t, e.app.DataDir, cid)
	e.fill.Memory().Forget(cid)
	r, body := e.get(t, "/t/"+w.ticket(p, nil, e)+"/acme/film/0.mp4")
	if r.StatusCode != 200 || !bytes.Equal(body, p.files["0.mp4"]) {
		t.Fatalf("status %d, %d bytes", r.StatusCode, len(body))
	}
	w.eventually("the copy is replaced", func() bool {
		block, err := e.disk.Get(t.Context(), cid)
		return err == nil && bytes.Equal(block, p.files["0.mp4"])
	})
	if e.disk.Stats().Corrupt != 1 {
		t.Errorf("%d corrupt blocks counted, want 1", e.disk.Stats().Corrupt)
	}
	pinned := false
	err := e.disk.List(t.Context(), func(i sds.Info) error {
		pinned = pinned || i.CID == cid && i.Class == sds.Pinned
		return nil
	})
	if err != nil || !pinned {
		t.Errorf("the new copy is not pinned: %v", err)
	}
}

// flipBit changes one bit of the file that holds a block.
func flipBit(t *testing.T, dir string, cid sds.CID) {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(d.Name(), cid.String()) {
			return err
		}
		found = true
		bytes, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		bytes[len(bytes)/2] ^= 4
		return os.WriteFile(path, bytes, 0o600)
	})
	if err != nil || !found {
		t.Fatalf("no file for %s: %v", cid, err)
	}
}

func TestStrangersMayNotReadSlices(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	p := w.publish("acme/film", map[string][]byte{"0.mp4": content(1, 1000)}, w.edges[0])
	r, _ := w.edges[0].get(t, "/slices/"+p.blocks[0].String())
	want(t, r, 401)
}

func TestAPeerThatAsksForTooMuchIsHeldBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	limited := w.addEdge(EdgeConfig{PeerRate: 1 << 20})
	p := w.publish("acme/film", map[string][]byte{"0.mp4": content(1, 20<<20)}, limited)
	var last int
	for _, cid := range p.blocks {
		r, err := http.NewRequest(http.MethodGet, limited.server.URL+"/slices/"+cid.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.edges[0].signer.Sign(r); err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if last = response.StatusCode; last == 429 {
			if response.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			return
		}
	}
	t.Errorf("%d slices were given at once, last status %d", len(p.blocks), last)
}
