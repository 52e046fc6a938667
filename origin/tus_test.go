package origin

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/origin/apikey"
	"github.com/stratos-mesh/stratos/sds"
)

const tus = "Tus-Resumable: 1.0.0"

// metadata is an Upload-Metadata field.
func metadata(pairs ...string) string {
	var out []string
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, pairs[i]+" "+base64.StdEncoding.EncodeToString([]byte(pairs[i+1])))
	}
	return "Upload-Metadata: " + strings.Join(out, ",")
}

// create makes an upload and returns its URL.
func (b *bench) create(size int, headers ...string) string {
	b.t.Helper()
	a := b.want(http.StatusCreated, "POST", "/v1/uploads", nil, append(headers, tus, "Upload-Length: "+strconv.Itoa(size))...)
	return a.Header.Get("Location")
}

func (b *bench) patch(url string, offset int, data []byte, headers ...string) answer {
	b.t.Helper()
	return b.do("PATCH", url, reader(data), append(headers, tus, "Content-Type: application/offset+octet-stream", "Upload-Offset: "+strconv.Itoa(offset))...)
}

// offset asks where an upload goes on.
func (b *bench) offset(url string) int {
	b.t.Helper()
	a := b.want(http.StatusOK, "HEAD", url, nil, tus)
	n, err := strconv.Atoi(a.Header.Get("Upload-Offset"))
	if err != nil {
		b.t.Fatalf("HEAD %s: Upload-Offset %q", url, a.Header.Get("Upload-Offset"))
	}
	return n
}

func sum1(p []byte) string {
	s := sha1.Sum(p)
	return "Upload-Checksum: sha1 " + base64.StdEncoding.EncodeToString(s[:])
}

func sum256(p []byte) string {
	s := sha256.Sum256(p)
	return "Upload-Checksum: sha256 " + base64.StdEncoding.EncodeToString(s[:])
}

func TestAnUploadInPieces(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	data := content(5<<20 + 123)
	url := b.create(len(data), metadata("name", "demo/film.mp4", "filetype", "video/mp4"))
	at := 0
	for _, n := range []int{1, 100, 1 << 20, 0, 3 << 20, len(data)} {
		end := min(at+n, len(data))
		a := b.patch(url, at, data[at:end])
		if a.StatusCode != http.StatusNoContent || a.Header.Get("Upload-Offset") != strconv.Itoa(end) {
			t.Fatalf("PATCH at %d: %d %s", at, a.StatusCode, a.body)
		}
		if expires, err := http.ParseTime(a.Header.Get("Upload-Expires")); err != nil || time.Until(expires) < 23*time.Hour {
			t.Errorf("Upload-Expires: %q", a.Header.Get("Upload-Expires"))
		}
		if at = end; b.offset(url) != at {
			t.Fatalf("HEAD: got %d, want %d", b.offset(url), at)
		}
		b.restart()
		url = b.server.URL + tusBase + url[strings.LastIndex(url, "/")+1:]
	}
	a := b.want(http.StatusOK, "HEAD", url, nil, tus)
	var result Result
	b.want(http.StatusOK, "GET", url+"/result", nil).decode(t, &result)
	if a.Header.Get("Stratos-Root") != result.Root.String() || result.Name != "demo/film.mp4" || result.Type != "video/mp4" || result.URL != a.Header.Get("Stratos-URL") {
		t.Errorf("result %+v, HEAD %v", result, a.Header)
	}
	if !bytes.Equal(b.read("demo/film.mp4"), data) {
		t.Error("read back something else")
	}
	built, err := sds.Import(t.Context(), reader(data), func(_ context.Context, _ sds.CID, _ []byte) error { return nil })
	if err != nil || built.Root != result.Root {
		t.Errorf("root in pieces: got %s, want %s as in one", result.Root, built.Root)
	}
	if a := b.patch(url, len(data), nil); a.StatusCode != http.StatusNoContent {
		t.Errorf("PATCH of nothing to a finished upload: %d", a.StatusCode)
	}
}

func TestUploadsThatAreMadeAtOnce(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	data := content(1<<20 + 5)
	a := b.want(http.StatusCreated, "POST", "/v1/uploads", reader(data), tus, "Upload-Length: "+strconv.Itoa(len(data)),
		"Content-Type: application/offset+octet-stream", metadata("name", "demo/at-once"), sum256(data))
	if a.Header.Get("Upload-Offset") != strconv.Itoa(len(data)) || a.Header.Get("Stratos-Root") == "" {
		t.Errorf("creation with upload: %v", a.Header)
	}
	if !bytes.Equal(b.read("demo/at-once"), data) {
		t.Error("read back something else")
	}
	b.create(0, metadata("name", "demo/empty"))
	if got := b.read("demo/empty"); len(got) != 0 {
		t.Errorf("an empty upload has %d bytes", len(got))
	}
}

func TestChecksumsOfPatches(t *testing.T) {
	t.Parallel()
	for _, partial := range []bool{false, true} {
		b := start(t, nil)
		data := content(3 << 20)
		half := 2<<20 + 7
		headers := []string{metadata("name", "demo/sum")}
		if partial {
			headers = []string{"Upload-Concat: partial"}
		}
		url := b.create(len(data), headers...)
		for _, c := range []struct {
			sentence, header string
			body             []byte
			status           int
		}{
			{"an unknown algorithm", "Upload-Checksum: crc32 AAAA", data[:half], 400},
			{"no base64", "Upload-Checksum: sha1 ????", data[:half], 400},
			{"a wrong sha1", sum1(data), data[:half], 460},
			{"a wrong sha256", sum256(data), data[:half], 460},
		} {
			a := b.patch(url, 0, c.body, c.header)
			if a.StatusCode != c.status {
				t.Errorf("partial %v: %s: got %d, want %d: %s", partial, c.sentence, a.StatusCode, c.status, a.body)
			}
			if got := b.offset(url); got != 0 {
				t.Errorf("partial %v: %s: the offset is %d, want 0", partial, c.sentence, got)
			}
		}
		if a := b.patch(url, 0, data[:half], sum1(data[:half])); a.StatusCode != http.StatusNoContent {
			t.Fatalf("the right sha1: %d %s", a.StatusCode, a.body)
		}
		if a := b.patch(url, half, data[:len(data)-half], sum256(data[half:])); a.StatusCode != 460 {
			t.Errorf("other bytes than announced: %d", a.StatusCode)
		}
		if a := b.patch(url, half, data[half:], sum256(data[half:])); a.StatusCode != http.StatusNoContent {
			t.Fatalf("the right sha256: %d %s", a.StatusCode, a.body)
		}
		if partial {
			a := b.want(http.StatusCreated, "POST", "/v1/uploads", nil, tus, "Upload-Concat: final;"+url, metadata("name", "demo/sum"))
			if a.Header.Get("Stratos-Root") == "" {
				t.Errorf("final: %v", a.Header)
			}
		}
		if !bytes.Equal(b.read("demo/sum"), data) {
			t.Errorf("partial %v: read back something else", partial)
		}
	}
}

func TestPartsBecomeOneFile(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	data := content(6<<20 + 1)
	cuts := []int{0, 1<<20 + 100, 1<<20 + 100, 5 << 20, len(data)}
	var urls []string
	for i := range len(cuts) - 1 {
		part := data[cuts[i]:cuts[i+1]]
		url := b.create(len(part), "Upload-Concat: partial")
		if a := b.patch(url, 0, part); len(part) > 0 && a.StatusCode != http.StatusNoContent {
			t.Fatalf("part %d: %d %s", i, a.StatusCode, a.body)
		}
		urls = append(urls, url)
	}
	unfinished := b.create(10, "Upload-Concat: partial")
	b.want(http.StatusBadRequest, "POST", "/v1/uploads", nil, tus, "Upload-Concat: final;"+urls[0]+" "+unfinished, metadata("name", "demo/joined"))
	b.restart()
	for i := range urls {
		urls[i] = tusBase + urls[i][strings.LastIndex(urls[i], "/")+1:]
	}
	a := b.want(http.StatusCreated, "POST", "/v1/uploads", nil, tus, "Upload-Concat: final;"+strings.Join(urls, " "), metadata("name", "demo/joined"))
	if !bytes.Equal(b.read("demo/joined"), data) {
		t.Error("read back something else")
	}
	head := b.want(http.StatusOK, "HEAD", a.Header.Get("Location"), nil, tus)
	if got := head.Header.Get("Upload-Concat"); !strings.HasPrefix(got, "final;") {
		t.Errorf("Upload-Concat of the final upload: %q", got)
	}
	if got := head.Header.Get("Upload-Length"); got != strconv.Itoa(len(data)) {
		t.Errorf("Upload-Length of the final upload: got %s, want %d", got, len(data))
	}
	if a := b.patch(head.Request.URL.String(), 0, []byte("x")); a.StatusCode != http.StatusForbidden {
		t.Errorf("PATCH of a final upload: got %d, want 403", a.StatusCode)
	}
}

func TestUploadsThatAreRefused(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *Config) { c.MaxUpload, c.PartsLimit = 10<<20, 5<<20 })
	other := b.key(apikey.Key{Scopes: []apikey.Scope{apikey.Write}, Namespaces: []string{"other"}})
	url := b.create(10, metadata("name", "demo/a"))
	for _, c := range []struct {
		sentence string
		status   int
		method   string
		path     string
		headers  []string
	}{
		{"no version", 412, "POST", "/v1/uploads", []string{"Upload-Length: 1", metadata("name", "demo/b")}},
		{"no length", 400, "POST", "/v1/uploads", []string{tus, metadata("name", "demo/b")}},
		{"deferred length", 501, "POST", "/v1/uploads", []string{tus, "Upload-Defer-Length: 1", metadata("name", "demo/b")}},
		{"no name", 400, "POST", "/v1/uploads", []string{tus, "Upload-Length: 1"}},
		{"a bad name", 400, "POST", "/v1/uploads", []string{tus, "Upload-Length: 1", metadata("name", "demo/../b")}},
		{"too large", 413, "POST", "/v1/uploads", []string{tus, "Upload-Length: 10485761", metadata("name", "demo/b")}},
		{"a part too large for this origin", 507, "POST", "/v1/uploads", []string{tus, "Upload-Length: 5242881", "Upload-Concat: partial"}},
		{"a bundle that is not there", 404, "POST", "/v1/uploads", []string{tus, "Upload-Length: 1", metadata("bundle", "x", "path", "a")}},
		{"parts that are not there", 404, "POST", "/v1/uploads", []string{tus, "Upload-Concat: final;/v1/uploads/x", metadata("name", "demo/b")}},
		{"another's namespace", 403, "POST", "/v1/uploads", []string{tus, "Upload-Length: 1", metadata("name", "demo/b"), "Authorization: Bearer " + other}},
		{"another's upload", 404, "HEAD", url, []string{tus, "Authorization: Bearer " + other}},
		{"another removes it", 404, "DELETE", url, []string{tus, "Authorization: Bearer " + other}},
		{"nobody's", 401, "HEAD", url, []string{tus, "Authorization: none"}},
		{"an upload that never was", 404, "HEAD", "/v1/uploads/" + strings.Repeat("0", 32), []string{tus}},
		{"an id that is none", 404, "HEAD", "/v1/uploads/..", []string{tus}},
		{"a wrong offset", 409, "PATCH", url, []string{tus, "Upload-Offset: 5", "Content-Type: application/offset+octet-stream"}},
		{"a wrong type", 400, "PATCH", url, []string{tus, "Upload-Offset: 0"}},
		{"downloading", 405, "GET", url, []string{tus}},
		{"a result before its time", 409, "GET", url + "/result", nil},
		{"listing", 405, "GET", "/v1/uploads", nil},
	} {
		a := b.do(c.method, c.path, nil, c.headers...)
		if a.StatusCode != c.status {
			t.Errorf("%s: got %d, want %d: %s", c.sentence, a.StatusCode, c.status, a.body)
		}
		if c.method != "HEAD" {
			a.kind(t)
		}
	}
	if a := b.patch(url, 0, make([]byte, 11)); a.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("more bytes than announced: got %d, want 413", a.StatusCode)
	}
	b.want(http.StatusNoContent, "DELETE", url, nil, tus)
	b.want(http.StatusNotFound, "HEAD", url, nil, tus)
	a := b.want(http.StatusOK, "OPTIONS", "/v1/uploads", nil, "Origin: https://page.example")
	if got := a.Header.Get("Tus-Extension"); got != "creation,creation-with-upload,termination,concatenation,checksum,expiration" {
		t.Errorf("Tus-Extension: %q", got)
	}
	if a.Header.Get("Tus-Checksum-Algorithm") != "sha1,sha256" || a.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("OPTIONS: %v", a.Header)
	}
}

func TestABodyThatBreaksOffIsKeptAsFarAsItCame(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	data := content(4 << 20)
	url := b.create(len(data), metadata("name", "demo/broken"))
	r, w := io.Pipe()
	go func() {
		w.Write(data[:3<<20])
		w.CloseWithError(io.ErrUnexpectedEOF)
	}()
	if a, err := b.try("PATCH", url, r, tus, "Content-Type: application/offset+octet-stream", "Upload-Offset: 0"); err == nil && a.StatusCode < 400 {
		t.Errorf("a broken PATCH answers %d", a.StatusCode)
	}
	// The PATCH may still be on its way to its lock when the client has gone.
	at := b.offset(url)
	for tries := 0; at == 0 && tries < 1000; tries++ {
		at = b.offset(url)
	}
	if at == 0 || at > 3<<20 {
		t.Errorf("kept %d bytes, want some of %d", at, 3<<20)
	}
	if a := b.patch(url, at, data[at:]); a.StatusCode != http.StatusNoContent {
		t.Fatalf("going on: %d %s", a.StatusCode, a.body)
	}
	if !bytes.Equal(b.read("demo/broken"), data) {
		t.Error("read back something else")
	}
}

func TestAClientThatComesBackNeedNotWaitForItsDeadConnection(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	data := content(2 << 20)
	url := b.create(len(data), metadata("name", "demo/back"))
	r, w := io.Pipe()
	defer w.Close()
	done := make(chan answer, 1)
	go func() {
		a, _ := b.try("PATCH", url, r, tus, "Content-Type: application/offset+octet-stream", "Upload-Offset: 0")
		done <- a
	}()
	_, _ = w.Write(data[:1<<20]) // and then the line is dead, which nobody tells the origin
	at := b.offset(url)
	for tries := 0; at == 0 && tries < 1000; tries++ {
		at = b.offset(url)
	}
	if a := b.patch(url, at, data[at:]); a.StatusCode != http.StatusNoContent {
		t.Fatalf("going on at %d: %d %s", at, a.StatusCode, a.body)
	}
	if a := <-done; a.Response != nil && a.StatusCode < 400 {
		t.Errorf("the dead PATCH answers %d", a.StatusCode)
	}
	if !bytes.Equal(b.read("demo/back"), data) {
		t.Error("read back something else")
	}
}

func TestUploadsExpire(t *testing.T) {
	t.Parallel()
	now := time.Now()
	b := start(t, func(c *Config) { c.Now = func() time.Time { return now } })
	url := b.create(10, metadata("name", "demo/late"))
	part := b.create(10, "Upload-Concat: partial")
	b.patch(part, 0, []byte("12345"))
	now = now.Add(23 * time.Hour)
	b.origin.Sweep()
	if a := b.patch(url, 0, []byte("1")); a.StatusCode != http.StatusNoContent {
		t.Fatalf("after 23 hours: %d %s", a.StatusCode, a.body)
	}
	now = now.Add(2 * time.Hour)
	b.want(http.StatusGone, "HEAD", part, nil, tus)
	b.origin.Sweep()
	b.want(http.StatusNotFound, "HEAD", part, nil, tus)
	b.want(http.StatusOK, "HEAD", url, nil, tus) // touched two hours ago
	now = now.Add(23 * time.Hour)
	b.origin.Sweep()
	left, err := os.ReadDir(filepath.Join(b.config.Dir, "uploads"))
	if err != nil || len(left) != 0 {
		t.Errorf("left on disk: %v %v", left, err)
	}
	if open := b.origin.Counters().OpenUploads.Load(); open != 0 {
		t.Errorf("%d uploads are still counted as open", open)
	}
}

func TestAnUploadWhoseNameCannotMoveIsNotDone(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	data := content(2<<20 + 1)
	url := b.create(len(data), metadata("name", "demo/unlucky"))
	if a := b.patch(url, 0, data[:1<<20]); a.StatusCode != http.StatusNoContent {
		t.Fatal(a.StatusCode)
	}
	b.net.Meta.FailPublish(fmt.Errorf("the meta node is away"))
	a := b.patch(url, 1<<20, data[1<<20:])
	if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		t.Errorf("the last PATCH: got %d %v, want 503 and Retry-After", a.StatusCode, a.Header)
	}
	if a := b.do("HEAD", url, nil, tus); a.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("HEAD: got %d, want 503", a.StatusCode)
	}
	b.restart() // finishes what was complete
	url = b.server.URL + tusBase + url[strings.LastIndex(url, "/")+1:]
	b.net.Meta.FailPublish(nil)
	if got := b.offset(url); got != len(data) {
		t.Errorf("HEAD afterwards: got %d, want %d", got, len(data))
	}
	if !bytes.Equal(b.read("demo/unlucky"), data) {
		t.Error("read back something else")
	}
}
