package edge

import (
	"bytes"
	"net/http"
	"testing"
)

func TestAHolderServesABundleAndAnObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	e := w.edges[0]
	film := map[string][]byte{"master.m3u8": []byte("#EXTM3U\n"), "v/0.m4s": content(1, 2_000_000), "index.html": []byte("<p>")}
	p := w.publish("acme/film", film, e)
	text := w.ticket(p, nil, e)
	for path, want := range film {
		response, body := e.get(t, "/t/"+text+"/acme/film/"+path)
		if response.StatusCode != http.StatusOK || !bytes.Equal(body, want) {
			t.Errorf("%s: status %d, %d bytes, want 200 and %d", path, response.StatusCode, len(body), len(want))
		}
	}
	o := w.publish("acme/a.bin", map[string][]byte{"": content(2, 3<<20)}, e)
	response, body := e.get(t, "/acme/a.bin?t="+w.ticket(o, nil, e))
	if response.StatusCode != http.StatusOK || !bytes.Equal(body, o.files[""]) {
		t.Errorf("object: status %d, %d bytes", response.StatusCode, len(body))
	}
}

func TestAnEdgeWithoutTheContentFillsFromAHolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	p := w.publish("acme/film", map[string][]byte{"0.m4s": content(3, 5<<20)}, w.edges[0])
	e := w.edges[2]
	text := w.ticket(p, nil, e)
	response, body := e.get(t, "/t/"+text+"/acme/film/0.m4s")
	if response.StatusCode != http.StatusOK || !bytes.Equal(body, p.files["0.m4s"]) {
		t.Fatalf("status %d, %d bytes: %.200s", response.StatusCode, len(body), body)
	}
	if got := response.Header.Get("Cache-Status"); got != "stratos; fwd=uri-miss; stored" {
		t.Errorf("first read: Cache-Status %q", got)
	}
	reads := w.edges[0].reads.Load()
	response, body = e.get(t, "/t/"+text+"/acme/film/0.m4s")
	if got := response.Header.Get("Cache-Status"); got != "stratos; hit" || !bytes.Equal(body, p.files["0.m4s"]) {
		t.Errorf("second read: Cache-Status %q, %d bytes", got, len(body))
	}
	if again := w.edges[0].reads.Load(); again != reads {
		t.Errorf("the second read asked the holder %d times", again-reads)
	}
}
