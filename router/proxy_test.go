package router

import (
	"net/http"
	"testing"

	"github.com/stratos-mesh/stratos/meta"
)

// Behind a proxy that ends TLS, viewers' pages are https and load nothing over
// http; whether it was so only the server's rules about proxies can say.
func TestPlayersBehindAProxyThatEndsTLS(t *testing.T) {
	f := newFilm(newScene(t))
	f.change(func(n *meta.Network) {
		for i := range n.Edges {
			n.Edges[i].TLSURL = "https://edge.test"
		}
	})
	f.router.config.Secure = func(r *http.Request) bool { return r.Header.Get("Trusted") != "" }
	over := func(r *http.Request) { r.Header.Set("Trusted", "yes") }
	m := f.read(f.get(inFrankfurt, master, over))
	if got := m.Steering.ServerURI; got[:19] != "https://example.com" {
		t.Errorf("steering is at %s", got)
	}
	if got := m.Variants[0].URI; got[:18] != "https://edge.test/" {
		t.Errorf("a variant is at %s", got)
	}
	if got := f.get(inFrankfurt, "/pub/movie/v/p.m3u8", over).Header.Get("Location"); got[:18] != "https://edge.test/" {
		t.Errorf("sent to %s", got)
	}
	if got := f.read(f.get(inFrankfurt, master)).Steering.ServerURI; got[:18] != "http://example.com" {
		t.Errorf("without a proxy, steering is at %s", got)
	}
}
