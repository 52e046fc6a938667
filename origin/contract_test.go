package origin

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/metahttp"
	"github.com/stratos-mesh/stratos/origin/apikey"
)

// step is one request of a row and what must come back.
type step struct {
	method, path string
	body         any // string, []byte or io.Reader
	headers      []string
	status       int
	kind         string            // of a problem
	want         map[string]string // fields of the answer; "*" is anything but nothing
}

// row is a row of docs/http-api/origin.md. Steps run one after the other; %L is
// the Location of the last answer that had one.
type row struct {
	id     string
	config func(*Config)
	before func(b *bench)
	steps  []step
}

func put(path, body string) step {
	return step{method: "PUT", path: "/v1/files/" + path, body: body, status: 201}
}

func post(length, name string) step {
	return step{method: "POST", path: "/v1/uploads", headers: []string{tus, "Upload-Length: " + length, metadata("name", name)}, status: 201}
}

func patch(at, body string, headers ...string) step {
	return step{
		method: "PATCH", path: "%L", body: body, status: 204,
		headers: append(headers, tus, "Content-Type: application/offset+octet-stream", "Upload-Offset: "+at),
	}
}

func (s step) gives(status int, kind string) step { s.status, s.kind = status, kind; return s }
func (s step) with(headers ...string) step {
	s.headers = append(slices.Clone(s.headers), headers...)
	return s
}

func (s step) has(name, value string) step {
	want := map[string]string{name: value}
	for n, v := range s.want {
		want[n] = v
	}
	s.want = want
	return s
}

func ask(method, path string, status int) step {
	return step{method: method, path: path, status: status}
}

const some = "*"

// newBundle makes a bundle whose Location is %L.
var newBundle = step{method: "POST", path: "/v1/bundles", body: `{"name":"demo/site"}`, status: 201}

func rows() []row {
	file, dir := func(path, body string) step {
		return step{method: "PUT", path: "%L/files/" + path, body: body, status: 201}
	}, func(path string) step { return ask("PUT", "%L/dirs/"+path, 204) }
	small := func(c *Config) { c.MaxUpload, c.PartsLimit, c.MaxBundleFiles, c.MaxOpen = 10, 10, 2, 1 }
	before := []row{
		{id: "F1", steps: []step{put("demo/a", "hello").has("ETag", `"bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"`).has("Content-Type", "application/json")}},
		{id: "F2", steps: []step{put("demo/a", "1"), put("demo/a", "2").gives(200, "")}},
		{id: "F3", steps: []step{
			put("demo/a.png", "x").with("Content-Type: text/x-mine"), ask("GET", "/v1/files/demo/a.png?content=1", 200).has("Content-Type", "text/x-mine"),
			put("demo/b.png", "x").with("Content-Type: application/x-www-form-urlencoded"), ask("GET", "/v1/files/demo/b.png?content=1", 200).has("Content-Type", "image/png"),
		}},
		{id: "F4", steps: []step{
			put("demo/a", "hello").with("Content-Digest: sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:"),
			put("demo/b", "hallo").with("Repr-Digest: sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:").gives(400, "digest-mismatch"), ask("HEAD", "/v1/files/demo/b", 404),
		}},
		{id: "F5", steps: []step{put("demo/a", "hello").with("Content-Digest: sha-256=hello").gives(400, "bad-digest")}},
		{id: "F6", steps: []step{put("demo/a", "1").with("If-None-Match: *"), put("demo/a", "2").with("If-None-Match: *").gives(412, "if-none-match")}},
		{id: "F7", steps: []step{
			put("demo/a", "1").with(`If-Match: "other"`).gives(412, "if-match"), put("demo/a", "hello"),
			put("demo/a", "2").with(`If-Match: "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"`).gives(200, ""),
		}},
		{id: "F8", config: small, steps: []step{
			put("demo/a", "12345678901").gives(413, "too-large"),
			{method: "PUT", path: "/v1/files/demo/a", body: io.MultiReader(strings.NewReader("12345678901")), status: 413, kind: "too-large"},
		}},
		{id: "F9", before: func(b *bench) {
			r, w := io.Pipe()
			go func() {
				w.Write([]byte("half"))
				w.CloseWithError(io.ErrUnexpectedEOF)
			}()
			_, _ = b.try("PUT", "/v1/files/demo/a", r)
		}, steps: []step{ask("GET", "/v1/files/demo/a", 404)}},
		{id: "F10", steps: []step{put("demo/a", "x").with("Content-Range: bytes 0-0/1").gives(400, "content-range"), put("demo/a", "x").with("Content-Encoding: br").gives(415, "content-encoding")}},
		{id: "F11", before: func(b *bench) { b.net.Meta.Claim("taken") }, steps: []step{put("demo/a", "x"), put("demo/a/b", "x").gives(409, "conflict"), put("taken/a", "x").gives(403, "forbidden")}},
		{id: "F12", steps: []step{put("demo/a/../b", "x").gives(400, "invalid"), put("demo/a%2Fb", "x").gives(400, "bad-path"), put("api/a", "x").gives(400, "invalid")}},
		{id: "F13", steps: []step{
			put("demo/a", "x"), ask("GET", "/v1/files/demo/a", 200).has("ETag", some), ask("HEAD", "/v1/files/demo/a", 200).has("ETag", some),
			newBundle, file("b/c.txt", "y"), ask("POST", "%L/publish", 200), ask("GET", "/v1/files/demo/site/b/c.txt", 200).has("ETag", some),
		}},
		{id: "F14", steps: []step{
			put("demo/a", "hello"), ask("GET", "/v1/files/demo/a?content=1", 200).has("Repr-Digest", "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:"),
			ask("GET", "/v1/files/demo/a?content=1", 206).with("Range: bytes=1-2").has("Content-Range", "bytes 1-2/5"),
			ask("GET", "/v1/files/demo/a?content=1", 304).with(`If-None-Match: "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"`),
		}},
		{id: "F15", steps: []step{newBundle, file("a", "x"), ask("POST", "%L/publish", 200), ask("GET", "/v1/files/demo/site?content=1", 400)}},
		{id: "F16", steps: []step{ask("GET", "/v1/files/demo/a", 404), put("demo/a", "x"), ask("DELETE", "/v1/files/demo/a", 204), ask("GET", "/v1/files/demo/a", 410)}},
		{id: "F17", steps: []step{put("demo/a", "x"), ask("DELETE", "/v1/files/demo/a", 204), ask("DELETE", "/v1/files/demo/never", 404)}},
		{id: "F18", steps: []step{put("demo/a", "x"), ask("DELETE", "/v1/files/demo/a?now=1", 204), ask("DELETE", "/v1/files/demo/a?now=soon", 400)}},
		{id: "F19", steps: []step{put("demo/a", "x"), ask("POST", "/v1/files/demo/a?move-to=demo/b", 200).has("ETag", some), ask("GET", "/v1/files/demo/b", 200)}},
		{id: "F20", steps: []step{put("demo/a", "x"), ask("POST", "/v1/files/demo/a", 400).gives(400, "move-to"), ask("POST", "/v1/files/demo/a?move-to=other/a", 400).gives(400, "move-to")}},
		{id: "F21", steps: []step{put("demo/a", "x"), put("demo/b", "x"), ask("POST", "/v1/files/demo/a?move-to=demo/b", 409).gives(409, "conflict")}},
		{id: "F22", steps: []step{ask("PATCH", "/v1/files/demo/a", 405).gives(405, "method-not-allowed").has("Allow", "GET, HEAD, PUT, POST, DELETE")}},
		{id: "F23"}, // TestABodyThatDoesNotMove

		{id: "L1", steps: []step{put("demo/a", "x"), ask("GET", "/v1/list/demo", 200), ask("GET", "/v1/list/demo/a", 200)}},
		{id: "L2", steps: []step{put("demo/a", "x"), put("demo/b", "x"), ask("GET", "/v1/list/demo?limit=1&cursor=demo/a", 200)}},
		{id: "L3", steps: []step{ask("GET", "/v1/list/demo?limit=1001", 400).gives(400, "query")}},
		{id: "L4", steps: []step{ask("GET", "/v1/list", 200), ask("GET", "/v1/list/dem", 200)}},

		{id: "T1", steps: []step{ask("OPTIONS", "/v1/uploads", 200).has("Tus-Version", "1.0.0").has("Tus-Max-Size", some).has("Tus-Checksum-Algorithm", "sha1,sha256").
			has("Tus-Extension", "creation,creation-with-upload,termination,concatenation,checksum,expiration")}},
		{id: "T2", steps: []step{post("5", "demo/a").has("Location", some).has("Upload-Expires", some)}},
		{id: "T3", steps: []step{{
			method: "POST", path: "/v1/uploads", body: "hel", status: 201, want: map[string]string{"Upload-Offset": "3"},
			headers: []string{tus, "Upload-Length: 5", metadata("name", "demo/a"), "Content-Type: application/offset+octet-stream"},
		}}},
		{id: "T4", steps: []step{post("5", "demo/a"), patch("0", "hel").has("Upload-Offset", "3").has("Upload-Expires", some)}},
		{id: "T5", steps: []step{post("5", "demo/a"), patch("1", "hel").gives(409, "mismatched-offset")}},
		{id: "T6"}, // TestABodyThatBreaksOffIsKeptAsFarAsItCame
		{id: "T7", steps: []step{post("5", "demo/a"), patch("0", "hallo", sum1([]byte("hello"))).gives(460, "checksum-mismatch"), ask("HEAD", "%L", 200).with(tus).has("Upload-Offset", "0")}},
		{id: "T8", steps: []step{post("5", "demo/a"), patch("0", "hello", "Upload-Checksum: md5 AAAA").gives(400, "checksum-algorithm")}},
		{id: "T9", steps: []step{post("5", "demo/a b"), patch("0", "hello").has("Stratos-Name", "demo/a%20b").has("Stratos-Root", some).has("Stratos-URL", "http://router.test/demo/a%20b")}},
		{
			id: "T10", before: func(b *bench) { b.net.Meta.FailPublish(meta.ErrNoEdges) },
			steps: []step{post("5", "demo/a"), patch("0", "hello").gives(503, "unavailable").has("Retry-After", some), ask("HEAD", "%L", 503).with(tus)},
		},
		{id: "T11", steps: []step{
			post("5", "demo/a"), ask("HEAD", "%L", 200).with(tus).has("Upload-Offset", "0").has("Upload-Length", "5").has("Upload-Expires", some),
			patch("0", "hello"), ask("HEAD", "%L", 200).with(tus).has("Upload-Offset", "5").has("Stratos-Root", some),
		}},
		{id: "T12", steps: []step{post("5", "demo/a"), ask("GET", "%L/result", 409).gives(409, "incomplete"), patch("0", "hello"), ask("GET", "%L/result", 200).has("ETag", some)}},
		{id: "T13", config: small, steps: []step{
			ask("POST", "/v1/uploads", 201).with(tus, "Upload-Concat: partial", "Upload-Length: 9"), patch("0", "123456789"),
			ask("POST", "/v1/uploads", 507).with(tus, "Upload-Concat: partial", "Upload-Length: 2").gives(507, "parts"),
		}},
		{id: "T14"}, // TestPartsBecomeOneFile
		{id: "T15", steps: []step{
			ask("POST", "/v1/uploads", 201).with(tus, "Upload-Concat: partial", "Upload-Length: 9"),
			ask("POST", "/v1/uploads", 400).with(tus, "Upload-Concat: final;%L", metadata("name", "demo/a")).gives(400, "upload-not-finished"),
		}},
		{id: "T16", steps: []step{post("5", "demo/a"), ask("DELETE", "%L", 204).with(tus), ask("HEAD", "%L", 404).with(tus)}},
		{id: "T17"}, // TestUploadsExpire
		{id: "T18"}, // TestUploadsThatAreRefused
		{id: "T19", steps: []step{ask("POST", "/v1/uploads", 501).with(tus, "Upload-Defer-Length: 1", metadata("name", "demo/a")).gives(501, "not-implemented")}},

		{id: "B1", steps: []step{newBundle.has("Location", some)}},
		{id: "B2", steps: []step{newBundle, {method: "POST", path: "/v1/bundles", body: `{"name":"demo/site","resume":true}`, status: 200}}},
		{id: "B3", steps: []step{newBundle, file("a/b", "x")}},
		{id: "B4", config: small, steps: []step{
			newBundle, file("a", "12345678901").gives(413, "too-large"), file("a/../b", "x").gives(400, "bad-path"),
			file("a", "x").with("Content-Digest: sha-256=hello").gives(400, "bad-digest"),
		}},
		{id: "B5", steps: []step{newBundle, file("a", "x"), file("a", "y")}},
		{id: "B6", steps: []step{newBundle, file("a/b", "x"), file("a", "x").gives(409, "conflict"), file("a/b/c", "x").gives(409, "conflict"), dir("a/b").gives(409, "conflict")}},
		{id: "B7", steps: []step{newBundle, dir("a/b"), dir("a/b")}},
		{id: "B8", steps: []step{newBundle, file("a", "x"), ask("GET", "%L?limit=1", 200), ask("GET", "%L?limit=10001", 400).gives(400, "query")}},
		{id: "B9", steps: []step{newBundle, file("a", "x"), ask("POST", "%L/publish", 200).has("Stratos-Root", some), ask("POST", "%L/publish", 200)}},
		{id: "B10", steps: []step{newBundle, file("a", "x"), ask("POST", "%L/publish", 200), file("b", "x").gives(409, "published")}},
		{id: "B11", steps: []step{newBundle, file("a", "x"), ask("POST", "%L/publish", 200), ask("DELETE", "%L", 204), ask("GET", "/v1/files/demo/site/a", 200)}},
		{id: "B12", steps: []step{ask("GET", "/v1/bundles/none", 404).gives(404, "no-bundle")}},
		{id: "B13", config: small, steps: []step{newBundle, file("a", "x"), file("b", "x"), file("c", "x").gives(413, "too-many-files")}},
		{id: "B14", steps: []step{
			{method: "POST", path: "/v1/bundles", body: `{"name":"demo/film","hls":true}`, status: 201},
			file("v/1.ts", "segment"), file("v/list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n1.ts\n#EXT-X-ENDLIST\n"),
			ask("POST", "%L/publish", 422).gives(422, "hls"),
			file("main.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv/list.m3u8\n"), ask("POST", "%L/publish", 200).has("Stratos-Root", some),
		}},
	}
	after := []row{
		{id: "K1", steps: []step{ask("GET", "/v1/files/demo/a", 401).with("Authorization: Basic eDp5").gives(401, "no-key").has("WWW-Authenticate", `Bearer realm="stratos"`)}},
		{id: "K2", steps: []step{ask("GET", "/v1/files/demo/a", 401).with("Authorization: Bearer stk_x_y").gives(401, "unknown-key").has("WWW-Authenticate", some)}},
		{id: "K3", before: limited(apikey.Key{Scopes: []apikey.Scope{apikey.Read}}), steps: []step{put("demo/a", "x").gives(403, "scope")}},
		{id: "K4", before: limited(apikey.Key{Scopes: []apikey.Scope{apikey.Write}, Namespaces: []string{"other"}}), steps: []step{put("demo/a", "x").gives(403, "namespace")}},
		{id: "K5", before: limited(apikey.Key{MaxBytes: 5}), steps: []step{put("demo/a", "12345"), put("demo/b", "6").gives(413, "quota")}},
		{id: "K6"}, // TestUploadsAtATimeOfAKey
		{id: "K7", config: small, steps: []step{post("5", "demo/a"), post("5", "demo/b").gives(429, "open-uploads").has("Retry-After", some)}},
		{id: "K8", before: limited(apikey.Key{RequestsPerMinute: 7}), steps: []step{ask("GET", "/v1/list/demo", 200).has("RateLimit-Policy", `"requests";q=7;w=60`).has("RateLimit", `"requests";r=6;t=60`)}},
		{id: "K9", before: limited(apikey.Key{RequestsPerMinute: 1}), steps: []step{ask("GET", "/v1/list/demo", 200), ask("GET", "/v1/list/demo", 429).gives(429, "rate").has("Retry-After", "60")}},

		{id: "E1", steps: []step{ask("GET", "/healthz", 200).with("Authorization: none")}},
		{id: "E2", steps: []step{
			ask("OPTIONS", "/v1/files/demo/a", 204).with("Authorization: none").has("Access-Control-Allow-Methods", some).has("Access-Control-Allow-Headers", some),
			ask("OPTIONS", "/v1/uploads/x", 200).with("Authorization: none").has("Access-Control-Allow-Methods", some),
		}},
		{id: "E3", steps: []step{
			put("demo/a", "x").has("Access-Control-Allow-Origin", "*").has("X-Content-Type-Options", "nosniff").has("Cache-Control", "no-store"),
			ask("GET", "/v1/files/demo/none", 404).has("Access-Control-Allow-Origin", "*").has("Cache-Control", "no-store"),
			post("5", "demo/b").has("Access-Control-Allow-Origin", "*").has("Access-Control-Expose-Headers", some),
		}},
		{id: "E4", before: func(b *bench) { b.net.Meta.Fail(meta.ErrNoEdges) }, steps: []step{put("demo/a", "x").gives(503, "no-edges").has("Retry-After", some)}},
		{id: "E5", before: func(b *bench) { b.net.Meta.Fail(metahttp.ErrUnreachable) }, steps: []step{
			put("demo/a", "x").gives(503, "meta-away").has("Retry-After", some),
			post("5", "demo/a"), patch("0", "hello").gives(503, "meta-away"),
		}},
		{id: "E6", steps: []step{ask("GET", "/v1/else", 404).gives(404, "not-found"), ask("GET", "/", 404).gives(404, "not-found")}},
	}
	return slices.Concat(before, assetRows(), after)
}

// limited makes the row's requests with such a key, which may do everything
// everywhere unless the key says otherwise.
func limited(spec apikey.Key) func(*bench) {
	return func(b *bench) {
		if spec.Scopes == nil {
			spec.Scopes = []apikey.Scope{apikey.Admin}
		}
		if spec.Namespaces == nil {
			spec.Namespaces = []string{"*"}
		}
		b.token = b.key(spec)
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	for _, r := range rows() {
		t.Run(r.id, func(t *testing.T) {
			t.Parallel()
			now := time.Now() // stands still, so that times in answers are known
			b := start(t, func(c *Config) {
				c.Now = func() time.Time { return now }
				if r.config != nil {
					r.config(c)
				}
			})
			if r.before != nil {
				r.before(b)
			}
			location := ""
			for _, s := range r.steps {
				if next := b.step(s, location); next != "" {
					location = next
				}
			}
		})
	}
}

// step sends one request and compares.
func (b *bench) step(s step, location string) string {
	b.t.Helper()
	var body io.Reader
	switch v := s.body.(type) {
	case string:
		body = strings.NewReader(v)
	case io.Reader:
		body = v
	}
	path := strings.ReplaceAll(s.path, "%L", location)
	headers := slices.Clone(s.headers)
	for i := range headers {
		headers[i] = strings.ReplaceAll(headers[i], "%L", location)
	}
	a := b.want(s.status, s.method, path, body, headers...)
	if s.kind != "" && s.method != http.MethodHead {
		if got := a.kind(b.t); got != s.kind {
			b.t.Errorf("%s %s: type of the problem: got %q, want %q", s.method, path, got, s.kind)
		}
	}
	for name, want := range s.want {
		if got := a.Header.Get(name); got != want && (want != some || got == "") {
			b.t.Errorf("%s %s: %s: got %q, want %q", s.method, path, name, got, want)
		}
	}
	return a.Header.Get("Location")
}

func TestEveryRowOfTheDocumentHasATest(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/http-api/origin.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented, tested []string
	for _, m := range regexp.MustCompile(`(?m)^\| ([A-Z]\d+) \|`).FindAllSubmatch(text, -1) {
		documented = append(documented, string(m[1]))
	}
	for _, r := range rows() {
		tested = append(tested, r.id)
	}
	if diff := cmp.Diff(documented, tested); diff != "" {
		t.Errorf("rows (-document +tests):\n%s", diff)
	}
}
