package edge

import (
	"bytes"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestInsideCaddyAnEdgeServesOverEveryTransport(t *testing.T) {
	w := newWorld(t, 0)
	e := w.withCaddy(t, "", "")
	p := w.publish("acme/film", map[string][]byte{"0.m4s": content(4, 2_000_000)}, e.testEdge)
	path := "/t/" + w.ticket(p, nil, e.testEdge) + "/acme/film/0.m4s"
	for name, base := range map[string]string{"http/1.1": e.plain, "tls": e.secure, "h2": e.secure} {
		response, err := e.client(name == "h2").Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK || !bytes.Equal(body, p.files["0.m4s"]) {
			t.Errorf("%s: status %d, %d bytes, %v", name, response.StatusCode, len(body), err)
		}
	}
}

func TestAHundredReloadsLoseNeitherCacheNorTransferNorGoroutines(t *testing.T) {
	w := newWorld(t, 0)
	e := w.withCaddy(t, "", "")
	p := w.publish("acme/film", map[string][]byte{"0.m4s": content(5, 8<<20)}, e.testEdge)
	path := e.plain + "/t/" + w.ticket(p, nil, e.testEdge) + "/acme/film/0.m4s"
	// A transfer that is under way during all reloads.
	response, err := http.Get(path)
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 1<<20)
	if _, err := io.ReadFull(response.Body, first); err != nil {
		t.Fatal(err)
	}
	before := e.node
	sessions := e.sessions.Len()
	blocks := e.fill.Memory().Stats().Blocks
	e.load(t)
	runtime.GC()
	goroutines := runtime.NumGoroutine()
	for range 100 {
		e.load(t)
	}
	if now := nodes(); len(now) != 1 || now[0] != before {
		t.Fatal("another edge runs after the reloads")
	}
	if got := e.sessions.Len(); got != sessions || sessions != 1 {
		t.Errorf("%d sessions after the reloads, want %d", got, sessions)
	}
	if got := e.fill.Memory().Stats().Blocks; got < blocks {
		t.Errorf("%d blocks in memory after the reloads, want %d", got, blocks)
	}
	rest, err := io.ReadAll(response.Body)
	if err != nil || !bytes.Equal(append(first, rest...), p.files["0.m4s"]) {
		t.Errorf("the transfer broke: %d bytes more, %v", len(rest), err)
	}
	_ = response.Body.Close()
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > goroutines+5 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	if got := runtime.NumGoroutine(); got > goroutines+5 {
		stacks := make([]byte, 1<<20)
		t.Errorf("%d goroutines after 100 reloads, %d before\n%s", got, goroutines, stacks[:runtime.Stack(stacks, true)])
	}
}

func TestNewBudgetsOfAReloadHoldAtOnceAndLoseNoTransfer(t *testing.T) {
	w := newWorld(t, 0)
	e := w.withCaddy(t, "", "")
	p := w.publish("acme/film", map[string][]byte{"0.m4s": content(5, 20<<20)}, e.testEdge)
	door := e.plain + "/t/" + w.ticket(p, nil, e.testEdge) + "/acme/film/0.m4s"
	if r, err := http.Get(door); err != nil {
		t.Fatal(err)
	} else if body, err := io.ReadAll(r.Body); err != nil || !bytes.Equal(body, p.files["0.m4s"]) {
		t.Fatalf("%d bytes, %v", len(body), err)
	}
	r, err := http.Get(door)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	first := make([]byte, 1<<20)
	if _, err := io.ReadFull(r.Body, first); err != nil {
		t.Fatal(err)
	}
	before := e.node
	e.config = strings.Replace(e.config, "pinned 10GB", "pinned 1GB\n memory 10MiB\n cached 500MB", 1)
	e.load(t)
	if now := nodes(); len(now) != 1 || now[0] != before {
		t.Fatal("another edge runs after the reload")
	}
	memory := e.fill.Memory().Stats()
	pinned, cached := e.disk.Usage()
	_, flying := e.viewers.Held()
	if memory.Limit != 10<<20 || memory.Bytes > memory.Limit || memory.Blocks == 0 || flying != 20<<20 {
		t.Errorf("memory %d of %d bytes, %d blocks, answers under way %d", memory.Bytes, memory.Limit, memory.Blocks, flying)
	}
	if pinned.Limit != 1e9 || cached.Limit != 5e8 || pinned.Bytes < 20<<20 {
		t.Errorf("pinned %+v, cached %+v", pinned, cached)
	}
	rest, err := io.ReadAll(r.Body)
	if err != nil || !bytes.Equal(append(first, rest...), p.files["0.m4s"]) {
		t.Errorf("the transfer broke: %d bytes more, %v", len(rest), err)
	}
}
