package edge

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/meta"
)

func TestAnAliasIsAskedForOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	e := w.edges[0]
	p := w.publish("acme/one.mp4", map[string][]byte{"": content(1, 1000)}, e)
	w.meta.alias("other/two.mp4", "acme/one.mp4")
	text := w.ticket(p, nil, e)
	for range 3 {
		r, body := e.get(t, "/other/two.mp4?t="+text)
		want(t, r, 200)
		same(t, body, p.files[""])
	}
	r, _ := e.get(t, "/other/three.mp4?t="+text)
	want(t, r, 404)
	w.meta.mu.Lock()
	defer w.meta.mu.Unlock()
	if diff := cmp.Diff(map[string]int{"other/two.mp4": 1, "other/three.mp4": 1}, w.meta.resolves); diff != "" {
		t.Error(diff)
	}
}

func TestABundleIsNotServedUnderANameThatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	e := w.edges[0]
	p := w.publish("acme/film", map[string][]byte{"v/0.m4s": content(1, 1000), "v/1.m4s": content(2, 1000)}, e)
	w.publish("bank/site", map[string][]byte{"v/0.m4s": content(3, 1000)}, e)
	door := "/t/" + w.ticket(p, nil, e)
	for _, path := range []string{"/stranger/lies/v/1.m4s", "/bank/site/v/0.m4s", "/acme/films/v/0.m4s", "/acme/v/0.m4s"} {
		r, _ := e.get(t, door+path)
		want(t, r, 404, "Cache-Control", "no-store")
	}
	r, _ := e.get(t, door+"/acme/film/v/0.m4s")
	want(t, r, 200)
}

func TestACopyOfABundleIsAskedForOnceByManyViewers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	e := w.edges[0]
	p := w.publish("acme/film", map[string][]byte{"v/0.m4s": content(1, 1000), "v/1.m4s": content(2, 1000), "index.html": []byte("x")}, e)
	w.meta.alias("other/deep/name", "acme/film")
	var viewers sync.WaitGroup
	for range 20 {
		viewers.Go(func() {
			r, body := e.get(t, "/t/"+w.ticket(p, nil, e)+"/other/deep/name/v/1.m4s")
			want(t, r, 200)
			same(t, body, p.files["v/1.m4s"])
		})
	}
	viewers.Wait()
	door := "/t/" + w.ticket(p, nil, e) + "/other/deep/name"
	for path, status := range map[string]int{"/v/0.m4s": 200, "/none": 404, "": 308, "/": 200} {
		r, _ := e.get(t, door+path)
		want(t, r, status)
	}
	w.meta.mu.Lock()
	defer w.meta.mu.Unlock()
	if n := len(w.meta.resolves); n != 1 || w.meta.resolves["other/deep/name/v/1.m4s"] > 20 {
		t.Errorf("asked %v, want one question about one path", w.meta.resolves)
	}
}

func TestWithoutAMetaNodeOnlyKnownNamesAreServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	e := w.edges[0]
	p := w.publish("acme/film", map[string][]byte{"0.m4s": content(1, 1000)}, e)
	for _, name := range []string{"other/copy", "other/asked", "other/new"} {
		w.meta.alias(name, "acme/film")
	}
	w.replicate(t, e, p)
	second := *p
	second.record.Name, second.record.Units = "other/copy", []meta.UnitKey{{9}}
	w.replicate(t, e, &second)
	door := "/t/" + w.ticket(p, nil, e)
	r, _ := e.get(t, door+"/other/asked/0.m4s")
	want(t, r, 200)
	w.meta.cut(true)
	for name, status := range map[string]int{
		"acme/film":   200, // its own
		"other/copy":  200, // a replica is kept here under it
		"other/asked": 200, // confirmed before
		"other/new":   503, // nobody can say whose it is
		"bank/site":   503,
	} {
		r, _ := e.get(t, door+"/"+name+"/0.m4s")
		want(t, r, status)
		if status == 503 {
			want(t, r, 503, "Retry-After", "2")
		}
	}
}
