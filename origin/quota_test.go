package origin

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/origin/apikey"
)

func TestTheQuotaOfAKey(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	small := "Authorization: Bearer " + b.key(apikey.Key{Scopes: []apikey.Scope{apikey.Admin}, Namespaces: []string{"*"}, MaxBytes: 3 << 20})
	b.want(http.StatusCreated, "PUT", "/v1/files/demo/a", reader(content(2<<20)), small)
	if a := b.do("PUT", "/v1/files/demo/b", reader(content(2<<20)), small); a.StatusCode != 413 || a.kind(t) != "quota" {
		t.Errorf("over the quota: %d %s", a.StatusCode, a.body)
	}
	b.want(http.StatusRequestEntityTooLarge, "PUT", "/v1/files/demo/b", io.MultiReader(reader(content(2<<20))), small)
	b.want(http.StatusRequestEntityTooLarge, "POST", "/v1/uploads", nil, small, tus, "Upload-Length: 2097152", metadata("name", "demo/b"))
	b.restart() // the ledger is on disk
	b.want(http.StatusRequestEntityTooLarge, "PUT", "/v1/files/demo/b", reader(content(2<<20)), small)
	url := b.want(http.StatusCreated, "POST", "/v1/uploads", nil, small, tus, "Upload-Length: 1048576", metadata("name", "demo/t")).Header.Get("Location")
	b.want(http.StatusRequestEntityTooLarge, "PUT", "/v1/files/demo/c", strings.NewReader("x"), small) // an open upload has its room
	b.restart()
	b.want(http.StatusRequestEntityTooLarge, "PUT", "/v1/files/demo/c", strings.NewReader("x"), small)
	b.want(http.StatusNoContent, "DELETE", tusBase+url[strings.LastIndex(url, "/")+1:], nil, small, tus)
	b.want(http.StatusCreated, "PUT", "/v1/files/demo/c", reader(content(1<<20)), small)
	b.want(http.StatusNoContent, "DELETE", "/v1/files/demo/a", nil, small)
	b.want(http.StatusOK, "POST", "/v1/files/demo/c?move-to=demo/d", nil, small)
	b.want(http.StatusCreated, "PUT", "/v1/files/demo/b", reader(content(2<<20)), small)
	b.want(http.StatusRequestEntityTooLarge, "PUT", "/v1/files/demo/c", strings.NewReader("x"), small)
	if got := b.origin.Counters().Refused.Load(); got == 0 {
		t.Error("nothing is counted as refused")
	}
}

func TestTheQuotaOfABundleAndOfANamespace(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *Config) { c.NamespaceLimit = 2 << 20 })
	at := b.bundle("demo/site")
	b.want(http.StatusCreated, "PUT", at+"/files/a", reader(content(1<<20)))
	b.want(http.StatusRequestEntityTooLarge, "PUT", at+"/files/b", reader(content(1<<20+1)))
	b.want(http.StatusCreated, "PUT", "/v1/files/other/b", reader(content(1<<20+1)))
	b.want(http.StatusOK, "POST", at+"/publish", nil)
	b.want(http.StatusRequestEntityTooLarge, "PUT", "/v1/files/demo/b", reader(content(1<<20+1)))
	b.want(http.StatusCreated, "PUT", "/v1/files/demo/b", reader(content(1<<20)))
}

func TestTheRateOfAKey(t *testing.T) {
	t.Parallel()
	now := time.Now()
	b := start(t, func(c *Config) { c.Now = func() time.Time { return now } })
	slow := "Authorization: Bearer " + b.key(apikey.Key{Scopes: []apikey.Scope{apikey.Admin}, Namespaces: []string{"*"}, RequestsPerMinute: 2})
	for left := 1; left >= 0; left-- {
		a := b.want(http.StatusOK, "GET", "/v1/list/demo", nil, slow)
		if got, want := a.Header.Get("RateLimit"), fmt.Sprintf(`"requests";r=%d;t=60`, left); got != want {
			t.Errorf("RateLimit: got %s, want %s", got, want)
		}
	}
	now = now.Add(20 * time.Second)
	a := b.want(http.StatusTooManyRequests, "GET", "/v1/list/demo", nil, slow)
	if got := a.Header.Get("Retry-After"); got != "40" {
		t.Errorf("Retry-After: got %q, want 40", got)
	}
	if got := a.Header.Get("RateLimit-Policy"); got != `"requests";q=2;w=60` {
		t.Errorf("RateLimit-Policy: got %q", got)
	}
	b.want(http.StatusOK, "GET", "/v1/list/demo", nil) // another key is not concerned
	now = now.Add(41 * time.Second)
	b.want(http.StatusOK, "GET", "/v1/list/demo", nil, slow)
}

func TestUploadsAtATimeOfAKey(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	one := "Authorization: Bearer " + b.key(apikey.Key{Scopes: []apikey.Scope{apikey.Admin}, Namespaces: []string{"*"}, MaxUploads: 1})
	r, w := io.Pipe()
	done := make(chan answer)
	go func() {
		a, _ := b.try("PUT", "/v1/files/demo/slow", r, one)
		done <- a
	}()
	w.Write(content(24 << 20)) // more than sockets hold: it returns when the upload is under way
	a := b.want(http.StatusTooManyRequests, "PUT", "/v1/files/demo/b", strings.NewReader("x"), one)
	if a.Header.Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
	b.want(http.StatusOK, "GET", "/v1/list/demo", nil, one)
	w.Close()
	if a := <-done; a.Response == nil || a.StatusCode != http.StatusCreated {
		t.Errorf("the slow one: %v", a.Response)
	}
	b.want(http.StatusCreated, "PUT", "/v1/files/demo/b", strings.NewReader("x"), one)
}

func TestMemoryStaysBoundedWhileEdgesAreSlow(t *testing.T) {
	t.Parallel()
	const memory = 4 << 20
	b := start(t, func(c *Config) { c.Memory = memory })
	release := b.net.Edge(1).Hold()
	r, w := io.Pipe()
	done := make(chan answer)
	go func() {
		a, _ := b.try("PUT", "/v1/files/demo/big", r)
		done <- a
	}()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		w.Write(content(64 << 20))
		w.Close()
	}()
	b.net.Edge(1).AwaitHeld(3)
	select {
	case <-sent:
		t.Error("64 MiB were read although no edge stores")
	default:
	}
	if got := b.origin.Counters().Pipeline.InFlight.Load(); got > memory {
		t.Errorf("in flight: %d bytes, want at most %d", got, memory)
	}
	release()
	if a := <-done; a.Response == nil || a.StatusCode != http.StatusCreated {
		t.Errorf("afterwards: %v", a.Response)
	}
	if got := b.origin.Counters().Pipeline.InFlight.Load(); got != 0 {
		t.Errorf("in flight at the end: %d bytes", got)
	}
}
