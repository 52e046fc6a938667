package origin

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/origin/apikey"
	"github.com/stratos-mesh/stratos/origin/origintest"
)

// bench is an origin in a network of five edges, with a key that may do all.
type bench struct {
	t      testing.TB
	net    *origintest.Net
	origin *Origin
	server *httptest.Server
	config Config
	keys   string
	token  string
	now    time.Time
}

func start(t testing.TB, change func(*Config)) *bench {
	t.Helper()
	b := &bench{t: t, net: origintest.Start(t, 5), now: time.Now()}
	b.keys = filepath.Join(t.TempDir(), "keys.json")
	b.token = b.key(apikey.Key{Scopes: []apikey.Scope{apikey.Admin}, Namespaces: []string{"*"}})
	keys, err := apikey.Open(b.keys)
	if err != nil {
		t.Fatal(err)
	}
	b.config = Config{Dir: t.TempDir(), Meta: b.net.Meta, Keys: keys, HTTP: b.net.HTTP, Replicas: 3}
	if change != nil {
		change(&b.config)
	}
	b.open()
	t.Cleanup(b.stop)
	return b
}

func (b *bench) open() {
	b.t.Helper()
	o, err := New(b.config)
	if err != nil {
		b.t.Fatal(err)
	}
	b.origin, b.server = o, httptest.NewServer(o)
}

func (b *bench) stop() {
	b.server.Close()
	b.origin.Close()
}

// restart ends the origin and starts another on the same folder.
func (b *bench) restart() {
	b.t.Helper()
	b.stop()
	b.open()
}

func (b *bench) key(spec apikey.Key) string {
	b.t.Helper()
	token, err := apikey.Create(b.keys, spec)
	if err != nil {
		b.t.Fatal(err)
	}
	return token
}

// answer is a response that was read whole.
type answer struct {
	*http.Response
	body []byte
}

func (a answer) decode(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("%s: %v", a.body, err)
	}
}

// do sends a request with the bench's key, unless headers bring another. Headers
// are "Name: value".
func (b *bench) do(method, path string, body io.Reader, headers ...string) answer {
	b.t.Helper()
	a, err := b.try(method, path, body, headers...)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (b *bench) try(method, path string, body io.Reader, headers ...string) (answer, error) {
	b.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = b.server.URL + path
	}
	r, err := http.NewRequest(method, path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+b.token)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	resp, err := b.server.Client().Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp, text}, err
}

// want does, and fails the test at another status.
func (b *bench) want(status int, method, path string, body io.Reader, headers ...string) answer {
	b.t.Helper()
	a := b.do(method, path, body, headers...)
	if a.StatusCode != status {
		b.t.Fatalf("%s %s: got %d, want %d: %s", method, path, a.StatusCode, status, a.body)
	}
	return a
}

// content is n bytes that do not repeat from slice to slice.
func content(n int) []byte {
	out := make([]byte, 0, n+sha256.Size)
	block := sha256.Sum256(fmt.Appendf(nil, "%d", n))
	for len(out) < n {
		for range 64 {
			out = append(out, block[:]...)
		}
		block = sha256.Sum256(block[:])
	}
	return out[:n]
}

func reader(p []byte) io.Reader { return bytes.NewReader(p) }

// read fetches a name's bytes through the origin.
func (b *bench) read(path string) []byte {
	b.t.Helper()
	return b.want(http.StatusOK, "GET", "/v1/files/"+path+"?content=1", nil).body
}

// kind is the type of a problem.
func (a answer) kind(t testing.TB) string {
	t.Helper()
	var p struct{ Type string }
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type of an error: got %q, want application/problem+json: %s", got, a.body)
	}
	a.decode(t, &p)
	return strings.TrimPrefix(p.Type, "urn:stratos:problem:")
}
