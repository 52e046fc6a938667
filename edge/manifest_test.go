package edge

import (
	"bytes"
	"testing"

	"github.com/stratos-mesh/stratos/sds"
)

func TestWithoutItsManifestABundleIsServedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	e := w.edges[0]
	p := w.publish("acme/film", map[string][]byte{"long.mp4": content(1, 3<<20), "a.txt": []byte("one slice")}, e)
	if err := e.disk.Delete(t.Context(), p.record.Manifest); err != nil {
		t.Fatal(err)
	}
	door := "/t/" + w.ticket(p, nil, e) + "/acme/film/"
	r, body := e.get(t, door+"long.mp4")
	want(t, r, 200, "Content-Type", "video/mp4")
	same(t, body, p.files["long.mp4"])
	if _, told := r.Header["Repr-Digest"]; told {
		t.Errorf("a digest that nobody computed: %s", r.Header.Get("Repr-Digest"))
	}
	r, body = e.get(t, door+"a.txt")
	want(t, r, 200)
	same(t, body, p.files["a.txt"])
	if r.Header.Get("Repr-Digest") == "" {
		t.Error("no digest of a file of one slice, which its name tells")
	}
}

func TestAManifestThatLiesAboutASizeIsNotBelieved(t *testing.T) {
	t.Parallel()
	for name, lie := range map[string]int64{"shorter": -1, "longer": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			e := w.edges[0]
			p := w.publish("acme/film", map[string][]byte{"a.txt": content(1, 1000)}, e)
			sink := sds.Into(e.disk, sds.Pinned)
			m, err := sds.LoadManifest(t.Context(), e.disk, p.record.Manifest, p.record.Root)
			if err != nil {
				t.Fatal(err)
			}
			m.Objects[0].Size += lie
			if p.record.Manifest, err = m.Encode(t.Context(), sink); err != nil {
				t.Fatal(err)
			}
			w.meta.mu.Lock()
			found := w.meta.records[p.record.Root.Digest]
			found.Record = p.record
			w.meta.records[p.record.Root.Digest] = found
			w.meta.mu.Unlock()
			for range 2 { // from disk, then from memory
				r, body := e.get(t, "/t/"+w.ticket(p, nil, e)+"/acme/film/a.txt")
				if r.StatusCode != 503 || bytes.Contains(body, p.files["a.txt"][:8]) {
					t.Errorf("status %d, %d bytes", r.StatusCode, len(body))
				}
			}
		})
	}
}
