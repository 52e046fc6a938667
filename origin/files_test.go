package origin

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/origin/apikey"
	"github.com/stratos-mesh/stratos/sds"
)

func TestAFileThatWasPutIsThere(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	for _, size := range []int{0, 1, sds.SliceSize, sds.SliceSize + 1, 5<<20 + 17} {
		path, data := fmt.Sprintf("demo/dir/%d.bin", size), content(size)
		var put, got Result
		a := b.want(http.StatusCreated, "PUT", "/v1/files/"+path, reader(data))
		a.decode(t, &put)
		sum := sha256.Sum256(data)
		if put.SHA256 != hex.EncodeToString(sum[:]) || put.Size != int64(size) || len(put.Durable) != 3 {
			t.Errorf("%d bytes: answer to PUT: %s", size, a.body)
		}
		if want := "http://router.test/" + path; put.URL != want {
			t.Errorf("URL: got %s, want %s", put.URL, want)
		}
		a = b.want(http.StatusOK, "GET", "/v1/files/"+path, nil)
		a.decode(t, &got)
		if got.Root != put.Root || got.SHA256 != put.SHA256 || len(got.Holders) < 3 || a.Header.Get("ETag") != `"`+put.Root.String()+`"` {
			t.Errorf("%d bytes: answer to GET: %s", size, a.body)
		}
		if !bytes.Equal(b.read(path), data) {
			t.Errorf("%d bytes: read back something else", size)
		}
		if size == 0 {
			continue
		}
		part := b.want(http.StatusPartialContent, "GET", "/v1/files/"+path+"?content=1", nil, "Range: bytes=-5")
		if !bytes.Equal(part.body, data[max(0, size-5):]) {
			t.Errorf("%d bytes: the last five are something else", size)
		}
	}
	a := b.want(http.StatusOK, "HEAD", "/v1/files/demo/dir/1.bin", nil)
	if len(a.body) != 0 {
		t.Errorf("HEAD has a body: %s", a.body)
	}
}

func TestANameIsReplacedMovedListedAndRemoved(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	b.want(http.StatusCreated, "PUT", "/v1/files/demo/a.txt", strings.NewReader("one"))
	b.want(http.StatusOK, "PUT", "/v1/files/demo/a.txt", strings.NewReader("two"))
	b.want(http.StatusCreated, "PUT", "/v1/files/demo/b.txt", strings.NewReader("bee"))
	b.want(http.StatusCreated, "PUT", "/v1/files/demo-other/c.txt", strings.NewReader("see"))
	if got := string(b.read("demo/a.txt")); got != "two" {
		t.Errorf("after replacing: got %q, want two", got)
	}
	b.want(http.StatusOK, "POST", "/v1/files/demo/a.txt?move-to=demo/moved%20here.txt", nil)
	b.want(http.StatusNotFound, "GET", "/v1/files/demo/a.txt", nil)
	if got := string(b.read("demo/moved%20here.txt")); got != "two" {
		t.Errorf("after moving: got %q, want two", got)
	}
	b.want(http.StatusBadRequest, "POST", "/v1/files/demo/b.txt?move-to=other/b.txt", nil)
	b.want(http.StatusBadRequest, "POST", "/v1/files/demo/b.txt", nil)

	var page listing
	b.want(http.StatusOK, "GET", "/v1/list/demo?limit=1", nil).decode(t, &page)
	var names []meta.Name
	for {
		for _, r := range page.Names {
			names = append(names, r.Name)
		}
		if page.Next == "" {
			break
		}
		next := page.Next
		page = listing{}
		b.want(http.StatusOK, "GET", "/v1/list/demo?limit=1&cursor="+next, nil).decode(t, &page)
	}
	if diff := cmp.Diff([]meta.Name{"demo/b.txt", "demo/moved here.txt"}, names); diff != "" {
		t.Errorf("listing (-want +got):\n%s", diff)
	}
	b.want(http.StatusNoContent, "DELETE", "/v1/files/demo/b.txt", nil)
	b.want(http.StatusGone, "GET", "/v1/files/demo/b.txt", nil)
	b.want(http.StatusNoContent, "DELETE", "/v1/files/demo-other/c.txt?now=1", nil)
	if diff := cmp.Diff([]meta.Name{"demo-other/c.txt"}, b.net.Meta.Revoked()); diff != "" {
		t.Errorf("revoked (-want +got):\n%s", diff)
	}
	b.want(http.StatusNotFound, "DELETE", "/v1/files/demo/never.txt", nil)
	b.want(http.StatusBadRequest, "DELETE", "/v1/files/demo/b.txt?now=yes", nil)
}

func TestConditionsOfPut(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	var first Result
	b.want(http.StatusPreconditionFailed, "PUT", "/v1/files/demo/a", strings.NewReader("x"), "If-Match: *")
	b.want(http.StatusCreated, "PUT", "/v1/files/demo/a", strings.NewReader("1"), "If-None-Match: *").decode(t, &first)
	b.want(http.StatusPreconditionFailed, "PUT", "/v1/files/demo/a", strings.NewReader("2"), "If-None-Match: *")
	b.want(http.StatusOK, "PUT", "/v1/files/demo/a", strings.NewReader("2"), `If-Match: "`+first.Root.String()+`"`)
	b.want(http.StatusPreconditionFailed, "PUT", "/v1/files/demo/a", strings.NewReader("3"), `If-Match: "`+first.Root.String()+`"`)
	b.want(http.StatusPreconditionFailed, "DELETE", "/v1/files/demo/a", nil, `If-Match: "`+first.Root.String()+`"`)
	if got := string(b.read("demo/a")); got != "2" {
		t.Errorf("got %q, want 2", got)
	}
}

func TestDigestsOfPut(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	data := content(3 << 20)
	s256, s512 := sha256.Sum256(data), sha512.Sum512(data)
	field := func(name string, sum []byte) string {
		return name + "=:" + base64.StdEncoding.EncodeToString(sum) + ":"
	}
	for i, c := range []struct {
		sentence, header string
		status           int
	}{
		{"the right sha-256", "Content-Digest: " + field("sha-256", s256[:]), 201},
		{"the right sha-512", "Repr-Digest: " + field("sha-512", s512[:]), 201},
		{"both, and one that we do not know", "Repr-Digest: md5=:AAAA:, " + field("sha-512", s512[:]) + ", " + field("sha-256", s256[:]), 201},
		{"a wrong sha-256", "Content-Digest: " + field("sha-256", make([]byte, 32)), 400},
		{"a wrong sha-512", "Content-Digest: " + field("sha-512", make([]byte, 64)), 400},
		{"one of two wrong", "Repr-Digest: " + field("sha-256", s256[:]) + "," + field("sha-512", make([]byte, 64)), 400},
		{"one that is too short", "Content-Digest: sha-256=:AAAA:", 400},
		{"one without colons", "Content-Digest: sha-256=AAAA", 400},
	} {
		path := fmt.Sprintf("demo/%d", i)
		if got := b.do("PUT", "/v1/files/"+path, reader(data), c.header); got.StatusCode != c.status {
			t.Errorf("%s: got %d, want %d: %s", c.sentence, got.StatusCode, c.status, got.body)
		}
		if got := b.do("GET", "/v1/files/"+path, nil).StatusCode; (got == 200) != (c.status == 201) {
			t.Errorf("%s: the name answers %d afterwards", c.sentence, got)
		}
	}
}

func TestPathsThatAreRefused(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	for _, c := range []struct{ sentence, path string }{
		{"two dots", "demo/a/../b"},
		{"a dot", "demo/./b"},
		{"an empty component", "demo//b"},
		{"a namespace alone", "demo"},
		{"a slash at the end", "demo/a/"},
		{"a namespace in capitals", "DEMO/a"},
		{"a reserved namespace", "metrics/a"},
		{"an encoded slash", "demo/a%2Fb"},
		{"a control character", "demo/a%07b"},
		{"a zero byte", "demo/a%00b"},
		{"no UTF-8", "demo/%ff%fe"},
		{"a component too long", "demo/" + strings.Repeat("a", 256)},
		{"10,000 components", "demo/" + strings.Repeat("a/", 10_000) + "a"},
	} {
		a := b.do("PUT", "/v1/files/"+c.path, strings.NewReader("x"))
		if a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: got %d, want 400: %s", c.sentence, a.StatusCode, a.body)
			continue
		}
		var p struct{ Detail string }
		if a.decode(t, &p); p.Detail == "" {
			t.Errorf("%s: the answer names no rule: %s", c.sentence, a.body)
		}
	}
	if n := len(b.net.Meta.Begun()); n != 0 {
		t.Errorf("%d uploads were begun for paths that are refused", n)
	}
}

func TestBodiesThatAreRefused(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *Config) { c.MaxUpload = 4 << 20 })
	if a := b.do("PUT", "/v1/files/demo/a", reader(content(4<<20+1))); a.StatusCode != 413 || a.kind(t) != "too-large" {
		t.Errorf("too large, announced: %d %s", a.StatusCode, a.body)
	}
	if a := b.do("PUT", "/v1/files/demo/a", io.MultiReader(reader(content(4<<20+1)))); a.StatusCode != 413 {
		t.Errorf("too large, chunked: %d %s", a.StatusCode, a.body)
	}
	b.want(http.StatusBadRequest, "PUT", "/v1/files/demo/a", strings.NewReader("x"), "Content-Range: bytes 0-0/2")
	b.want(http.StatusUnsupportedMediaType, "PUT", "/v1/files/demo/a", strings.NewReader("x"), "Content-Encoding: gzip")
	b.want(http.StatusBadRequest, "PUT", "/v1/files/demo/a", strings.NewReader("x"), "Content-Type: nonsense/;;")
	b.want(http.StatusMethodNotAllowed, "PATCH", "/v1/files/demo/a", strings.NewReader("x"))

	// A body that ends too early: the connection breaks, nothing is published.
	r, w := io.Pipe()
	go func() {
		w.Write(content(2 << 20))
		w.CloseWithError(io.ErrUnexpectedEOF)
	}()
	if a, err := b.try("PUT", "/v1/files/demo/a", r); err == nil && a.StatusCode < 400 {
		t.Errorf("truncated: got %d", a.StatusCode)
	}
	b.want(http.StatusNotFound, "GET", "/v1/files/demo/a", nil)
	if n := len(b.net.Meta.Published()); n != 0 {
		t.Errorf("%d names were published, want none", n)
	}
	b.want(http.StatusCreated, "PUT", "/v1/files/demo/a", io.MultiReader(reader(content(4<<20))))
}

func TestABodyThatDoesNotMove(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *Config) { c.IdleTimeout = 50 * time.Millisecond })
	r, w := io.Pipe()
	defer w.Close()
	go func() { _, _ = w.Write([]byte("one byte, and then nothing")) }()
	a, err := b.try("PUT", "/v1/files/demo/slow", r)
	if err != nil {
		t.Fatal(err)
	}
	if a.StatusCode != http.StatusRequestTimeout || a.kind(t) != "idle" {
		t.Errorf("got %d %s, want 408 idle", a.StatusCode, a.body)
	}
	b.want(http.StatusNotFound, "GET", "/v1/files/demo/slow", nil)
	if n := b.origin.Counters().Uploads.Load(); n != 0 {
		t.Errorf("%d uploads are still under way", n)
	}
}

func TestWhatAKeyMayDo(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	b.want(http.StatusCreated, "PUT", "/v1/files/demo/a", strings.NewReader("x"))
	reader := b.key(apikey.Key{Scopes: []apikey.Scope{apikey.Read}, Namespaces: []string{"demo"}})
	writer := b.key(apikey.Key{Scopes: []apikey.Scope{apikey.Write}, Namespaces: []string{"demo"}})
	for _, c := range []struct {
		sentence, token, method, path string
		status                        int
	}{
		{"nobody reads", "", "GET", "/v1/files/demo/a", 401},
		{"nobody writes", "", "PUT", "/v1/files/demo/a", 401},
		{"nobody lists", "", "GET", "/v1/list/demo", 401},
		{"nobody uploads", "", "POST", "/v1/uploads", 401},
		{"nobody makes a bundle", "", "POST", "/v1/bundles", 401},
		{"a forged key", writer[:len(writer)-1] + "_", "PUT", "/v1/files/demo/a", 401},
		{"a reader reads", reader, "GET", "/v1/files/demo/a", 200},
		{"a reader lists", reader, "GET", "/v1/list/demo/", 200},
		{"a reader lists all", reader, "GET", "/v1/list/", 403},
		{"a reader lists what only begins like its own", reader, "GET", "/v1/list/dem", 403},
		{"a reader writes", reader, "PUT", "/v1/files/demo/a", 403},
		{"a reader removes", reader, "DELETE", "/v1/files/demo/a", 403},
		{"a writer reads", writer, "GET", "/v1/files/demo/a", 403},
		{"a writer removes", writer, "DELETE", "/v1/files/demo/a", 403},
		{"a writer elsewhere", writer, "PUT", "/v1/files/other/a", 403},
		{"a writer", writer, "PUT", "/v1/files/demo/b", 201},
	} {
		a := b.do(c.method, c.path, strings.NewReader("y"), "Authorization: Bearer "+c.token)
		if a.StatusCode != c.status {
			t.Errorf("%s: got %d, want %d: %s", c.sentence, a.StatusCode, c.status, a.body)
		}
		if a.StatusCode == 401 && !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s: 401 without WWW-Authenticate", c.sentence)
		}
	}
}
