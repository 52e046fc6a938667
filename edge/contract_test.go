package edge

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/edge/serve"
	"github.com/stratos-mesh/stratos/edge/state"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/receipt"
	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/car"
)

// stage is what the rows of the contract are played on.
type stage struct {
	*world
	e      *testEdge // holds everything but cold
	bundle *published
	object *published
	// in and of are URLs: a path in the bundle, and the object.
	ticket, of string
	router     *httptest.Server
}

func (s *stage) in(path string) string { return "/t/" + s.ticket + "/acme/site/" + path }

func newStage(t *testing.T) *stage {
	w := newWorld(t, 2)
	s := &stage{world: w, e: w.edges[0]}
	s.router = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusOK) }))
	t.Cleanup(s.router.Close)
	w.meta.change(func(n *meta.Network) { n.Routers = []string{s.router.URL} })
	w.settle()
	s.bundle = w.publish("acme/site", map[string][]byte{
		"a.mp4": content(1, 5000), "long.mp4": content(2, 3<<20+7), "empty.bin": {}, "index.html": []byte("<p>home"),
		"sub/index.html": []byte("<p>sub"), "data/x.json": []byte("{}"), "pic.svg": []byte("<svg/>"), "blob": []byte("?"),
		"pic.png": []byte("png"),
	}, s.e)
	s.object = w.publish("acme/one.mp4", map[string][]byte{"": content(3, 100_000)}, s.e)
	s.ticket = w.ticket(s.bundle, nil, s.e)
	s.of = "/acme/one.mp4?t=" + w.ticket(s.object, nil, s.e)
	return s
}

// rows of the contract by their names in docs/http-api/edge.md.
func rows() map[string]func(*testing.T, *stage) {
	return map[string]func(*testing.T, *stage){
		"get": func(t *testing.T, s *stage) {
			r, body := s.e.get(t, s.in("long.mp4"))
			want(t, r, 200, "Content-Type", "video/mp4", "Content-Length", fmt.Sprint(3<<20+7))
			same(t, body, s.bundle.files["long.mp4"])
		},
		"get-object": func(t *testing.T, s *stage) {
			r, body := s.e.get(t, s.of)
			want(t, r, 200, "Content-Type", "video/mp4")
			same(t, body, s.object.files[""])
		},
		"head": func(t *testing.T, s *stage) {
			get, _ := s.e.get(t, s.in("a.mp4"))
			r, body := s.e.do(t, http.MethodHead, s.in("a.mp4"))
			want(t, r, 200)
			same(t, body, nil)
			for name := range get.Header {
				if name != "Date" && r.Header.Get(name) != get.Header.Get(name) {
					t.Errorf("%s: %q, want %q", name, r.Header.Get(name), get.Header.Get(name))
				}
			}
		},
		"empty": func(t *testing.T, s *stage) {
			r, _ := s.e.get(t, s.in("empty.bin"))
			want(t, r, 200, "Content-Length", "0")
		},
		"options": func(t *testing.T, s *stage) {
			r, _ := s.e.do(t, http.MethodOptions, s.in("a.mp4"), "Origin", "https://x.example", "Access-Control-Request-Method", "GET")
			want(t, r, 204, "Allow", "GET, HEAD, OPTIONS", "Access-Control-Allow-Methods", "GET, HEAD, OPTIONS", "Access-Control-Allow-Origin", "*")
		},
		"method": func(t *testing.T, s *stage) {
			for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
				r, _ := s.e.do(t, method, s.in("a.mp4"))
				want(t, r, 405, "Allow", "GET, HEAD, OPTIONS")
			}
		},
		"etag": func(t *testing.T, s *stage) {
			r, _ := s.e.get(t, s.in("a.mp4"))
			want(t, r, 200, "ETag", `"`+sds.Sum(sds.Raw, s.bundle.files["a.mp4"]).String()+`"`)
			r, _ = s.e.get(t, s.of)
			want(t, r, 200, "ETag", `"`+s.object.record.Root.String()+`"`)
		},
		"immutable": func(t *testing.T, s *stage) {
			r, _ := s.e.get(t, s.in("a.mp4"))
			want(t, r, 200, "Cache-Control", "public, max-age=31536000, immutable", "No-Vary-Search", "")
		},
		"growing-playlist": func(t *testing.T, s *stage) {
			film := s.grow(1, map[string][]byte{"p.m3u8": []byte("#EXTM3U\n1"), "1.m4s": content(1, 900)}, "acme")
			r, body := s.e.get(t, film+"p.m3u8")
			want(t, r, 200, "Cache-Control", "public, max-age=1", "Content-Type", "application/vnd.apple.mpegurl")
			s.grow(2, map[string][]byte{"p.m3u8": []byte("#EXTM3U\nforged"), "1.m4s": content(1, 900)}, "stranger")
			s.eventually("the edge asks for the next state", func() bool {
				s.e.get(t, film+"p.m3u8")
				return s.e.catalog.Refused.Load() > 0
			})
			if r, now := s.e.get(t, film+"p.m3u8"); r.StatusCode != 200 || !bytes.Equal(now, body) {
				t.Errorf("after a forged state: %d %q, want %q", r.StatusCode, now, body)
			}
		},
		"growing-segment": func(t *testing.T, s *stage) {
			film := s.grow(1, map[string][]byte{"p.m3u8": []byte("#EXTM3U\n1"), "1.m4s": content(1, 900)}, "acme")
			r, _ := s.e.get(t, film+"1.m4s")
			want(t, r, 200, "Cache-Control", "public, max-age=31536000, immutable")
			r, _ = s.e.get(t, film+"2.m4s")
			want(t, r, 404, "Cache-Control", "no-store")
			s.grow(2, map[string][]byte{"p.m3u8": []byte("#EXTM3U\n2"), "1.m4s": content(1, 900), "2.m4s": content(2, 900)}, "acme")
			s.eventually("the next state shows", func() bool {
				r, _ := s.e.get(t, film+"2.m4s")
				return r.StatusCode == 200
			})
		},
		"minute": func(t *testing.T, s *stage) {
			r, _ := s.e.get(t, s.of)
			want(t, r, 200, "Cache-Control", "public, max-age=60", "No-Vary-Search", `params=("t" "CMCD")`)
		},
		"repr-digest": func(t *testing.T, s *stage) {
			sum := sha256.Sum256(s.bundle.files["long.mp4"])
			digest := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
			r, _ := s.e.get(t, s.in("long.mp4"))
			want(t, r, 200, "Repr-Digest", digest)
			r, _ = s.e.get(t, s.in("long.mp4"), "Range", "bytes=5-9")
			want(t, r, 206, "Repr-Digest", digest)
		},
		"cors": func(t *testing.T, s *stage) {
			for path, status := range map[string]int{s.in("a.mp4"): 200, s.of: 200, s.in("none"): 404, "/acme/site/a.mp4": 307, "/acme/site/a.mp4?r=1": 503} {
				r, _ := s.e.get(t, path, "Origin", "https://x.example")
				want(t, r, status, "Access-Control-Allow-Origin", "*", "Timing-Allow-Origin", "*",
					"Cross-Origin-Resource-Policy", "cross-origin", "Vary", "", "Set-Cookie", "")
				if !strings.Contains(r.Header.Get("Access-Control-Expose-Headers"), "Repr-Digest") {
					t.Errorf("%s: expose headers %q", path, r.Header.Get("Access-Control-Expose-Headers"))
				}
			}
		},
		"nosniff": func(t *testing.T, s *stage) {
			for _, path := range []string{s.in("a.mp4"), s.in("none"), "/acme/site/a.mp4"} {
				r, _ := s.e.get(t, path)
				want(t, r, r.StatusCode, "X-Content-Type-Options", "nosniff")
			}
		},
		"sandbox": func(t *testing.T, s *stage) {
			for _, path := range []string{"index.html", "pic.svg", "blob"} {
				r, _ := s.e.get(t, s.in(path))
				want(t, r, 200, "Content-Security-Policy", "sandbox")
			}
		},
		"no-sandbox": func(t *testing.T, s *stage) {
			for _, path := range []string{"a.mp4", "pic.png", "data/x.json"} {
				r, _ := s.e.get(t, s.in(path))
				want(t, r, 200, "Content-Security-Policy", "")
			}
		},
		"cache-status": func(t *testing.T, s *stage) {
			r, _ := s.e.get(t, s.in("a.mp4"))
			want(t, r, 200, "Cache-Status", "stratos; hit")
			r, _ = s.edges[1].get(t, "/t/"+s.world.ticket(s.bundle, nil, s.edges[1])+"/acme/site/a.mp4")
			want(t, r, 200, "Cache-Status", "stratos; fwd=uri-miss; stored")
		},
		"server-timing": func(t *testing.T, s *stage) {
			r, _ := s.e.get(t, s.in("a.mp4"))
			want(t, r, 200, "Server-Timing", "edge;desc=hit")
			r, _ = s.edges[1].get(t, "/t/"+s.world.ticket(s.bundle, nil, s.edges[1])+"/acme/site/pic.png")
			if got := r.Header.Get("Server-Timing"); !regexp.MustCompile(`^edge;desc=miss, fill;dur=\d+\.\d$`).MatchString(got) {
				t.Errorf("Server-Timing %q", got)
			}
		},
		"service-worker": func(t *testing.T, s *stage) {
			r, _ := s.e.get(t, s.in("a.mp4"), "Service-Worker", "script")
			want(t, r, 403)
		},
		"cmcd": func(t *testing.T, s *stage) {
			r, body := s.e.get(t, s.in("a.mp4")+"?CMCD=br%3D3200%2Cot%3Dv")
			want(t, r, 200)
			same(t, body, s.bundle.files["a.mp4"])
			r, _ = s.e.get(t, strings.Replace(s.of, "?t=", "?CMCD=br%3D1&t=", 1))
			want(t, r, 200)
		},
		"nodes": func(t *testing.T, s *stage) {
			for path, size := range map[string]int{"": 0, "long.mp4": 3<<20 + 7, "sub": 0, "sub/": 0, "a.mp4": 0} {
				r, body := s.e.get(t, s.in(path)+"?format=nodes")
				if r.StatusCode != 200 || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/vnd.ipld.car") {
					t.Fatalf("%q: %s %s", path, r.Status, r.Header)
				}
				nodes := blocksOf(t, body)
				for cid := range nodes {
					if cid.Codec == sds.Raw {
						t.Errorf("%q: there is content in it", path)
					}
				}
				if _, err := sds.Outline(t.Context(), nodes, s.bundle.record.Root); path == "" && err != nil {
					t.Errorf("the bundle cannot be listed: %v", err)
				}
				if entry, err := sds.Resolve(t.Context(), nodes, s.bundle.record.Root, path); size > 0 && (err != nil || entry.Size != int64(size)) {
					t.Errorf("%q: %+v, %v", path, entry, err)
				}
			}
			if _, body := s.e.get(t, s.of+"&format=nodes"); len(blocksOf(t, body)) != 0 {
				t.Error("an object of one slice has no nodes")
			}
		},
		"nodes-missing": func(t *testing.T, s *stage) {
			for _, path := range []string{"nowhere", "a.mp4/below", "sub/nowhere"} {
				r, _ := s.e.get(t, s.in(path)+"?format=nodes")
				want(t, r, 404)
			}
		},
		"range-first": ranged("bytes=0-99", 0, 100),
		"range-open":  ranged("bytes=4000-", 4000, 5000),
		"range-last":  ranged("bytes=-10", 4990, 5000),
		"range-slices": func(t *testing.T, s *stage) {
			r, body := s.e.get(t, s.in("long.mp4"), "Range", "bytes=1048570-2097160")
			want(t, r, 206, "Content-Range", "bytes 1048570-2097160/3145735", "Content-Length", "1048591")
			same(t, body, s.bundle.files["long.mp4"][1048570:2097161])
		},
		"range-beyond-end": ranged("bytes=4999-100000", 4999, 5000),
		"range-several": func(t *testing.T, s *stage) {
			r, body := s.e.get(t, s.in("a.mp4"), "Range", "bytes=0-1,5-6, -3")
			want(t, r, 206, "Content-Length", fmt.Sprint(len(body)))
			kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
			if err != nil || kind != "multipart/byteranges" {
				t.Fatalf("type %q, %v", kind, err)
			}
			parts := multipart.NewReader(bytes.NewReader(body), params["boundary"])
			a := s.bundle.files["a.mp4"]
			for _, w := range []struct {
				header string
				bytes  []byte
			}{{"bytes 0-1/5000", a[:2]}, {"bytes 5-6/5000", a[5:7]}, {"bytes 4997-4999/5000", a[4997:]}} {
				part, err := parts.NextPart()
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(part)
				if err != nil || part.Header.Get("Content-Range") != w.header || part.Header.Get("Content-Type") != "video/mp4" {
					t.Errorf("part %v, %v", part.Header, err)
				}
				same(t, got, w.bytes)
			}
		},
		"range-unsatisfiable": func(t *testing.T, s *stage) {
			for _, field := range []string{"bytes=5000-", "bytes=6000-7000", "bytes=-0"} {
				r, _ := s.e.get(t, s.in("a.mp4"), "Range", field)
				want(t, r, 416, "Content-Range", "bytes */5000", "Cache-Control", "no-store")
			}
		},
		"range-malformed": func(t *testing.T, s *stage) {
			for _, field := range []string{"bytes=x", "bytes", "lines=0-1", "bytes=2-1", "bytes=--1", "bytes=+1-2", "bytes=0-1;2"} {
				r, body := s.e.get(t, s.in("a.mp4"), "Range", field)
				want(t, r, 200)
				same(t, body, s.bundle.files["a.mp4"])
			}
			r, _ := s.e.get(t, s.in("a.mp4"), "Range", "bytes=0-1", "Range", "bytes=2-3")
			want(t, r, 200)
		},
		"range-absurd": func(t *testing.T, s *stage) {
			for _, field := range []string{"bytes=" + strings.Repeat("0-0,", 40) + "1-1", "bytes=0-4999,0-4999"} {
				r, _ := s.e.get(t, s.in("a.mp4"), "Range", field)
				want(t, r, 200, "Content-Length", "5000")
			}
		},
		"range-huge": func(t *testing.T, s *stage) {
			r, _ := s.e.get(t, s.in("a.mp4"), "Range", "bytes=0-99999999999999999999999999")
			want(t, r, 206, "Content-Length", "5000")
			r, _ = s.e.get(t, s.in("a.mp4"), "Range", "bytes=99999999999999999999999999-")
			want(t, r, 416)
		},
		"if-range-match": func(t *testing.T, s *stage) {
			r, _ := s.e.get(t, s.in("a.mp4"))
			r, _ = s.e.get(t, s.in("a.mp4"), "Range", "bytes=0-0", "If-Range", r.Header.Get("ETag"))
			want(t, r, 206)
		},
		"if-range-other": func(t *testing.T, s *stage) {
			for _, condition := range []string{`"other"`, "Sun, 06 Nov 1994 08:49:37 GMT", `W/"x"`} {
				r, _ := s.e.get(t, s.in("a.mp4"), "Range", "bytes=0-0", "If-Range", condition)
				want(t, r, 200, "Content-Length", "5000")
			}
		},
		"if-none-match": func(t *testing.T, s *stage) {
			r, _ := s.e.get(t, s.in("a.mp4"))
			etag := r.Header.Get("ETag")
			for _, field := range []string{etag, "W/" + etag, `"a,b", ` + etag, "*"} {
				r, body := s.e.get(t, s.in("a.mp4"), "If-None-Match", field)
				want(t, r, 304, "ETag", etag, "Cache-Control", "public, max-age=31536000, immutable", "Content-Length", "")
				same(t, body, nil)
			}
		},
		"if-none-match-other": func(t *testing.T, s *stage) {
			r, _ := s.e.get(t, s.in("a.mp4"), "If-None-Match", `"other", broken, "`)
			want(t, r, 200)
		},
		"if-match": func(t *testing.T, s *stage) {
			r, _ := s.e.get(t, s.in("a.mp4"))
			for _, field := range []string{r.Header.Get("ETag"), "*"} {
				r, _ := s.e.get(t, s.in("a.mp4"), "If-Match", field)
				want(t, r, 200)
			}
		},
		"if-match-other": func(t *testing.T, s *stage) {
			r, _ := s.e.get(t, s.in("a.mp4"))
			for _, field := range []string{`"other"`, "W/" + r.Header.Get("ETag")} {
				r, _ := s.e.get(t, s.in("a.mp4"), "If-Match", field)
				want(t, r, 412)
			}
		},
		"index": func(t *testing.T, s *stage) {
			for path, page := range map[string]string{"": "<p>home", "sub/": "<p>sub"} {
				r, body := s.e.get(t, s.in(path))
				want(t, r, 200, "Content-Type", "text/html; charset=utf-8")
				same(t, body, []byte(page))
			}
		},
		"directory": func(t *testing.T, s *stage) {
			r, _ := s.e.get(t, s.in("sub")+"?CMCD=x")
			want(t, r, 308, "Location", "./sub/?CMCD=x")
			r, _ = s.e.get(t, strings.TrimSuffix(s.in(""), "/"))
			want(t, r, 308, "Location", "./site/")
		},
		"missing":           status404("none.mp4", "a.mp4/x", "sub/none/", "index.html/"),
		"missing-directory": status404("data", "data/"),
		"foreign-name": func(t *testing.T, s *stage) {
			r, _ := s.e.get(t, "/t/"+s.ticket+"/stranger/lies/a.mp4")
			want(t, r, 404, "Cache-Control", "no-store")
			s.meta.cut(true)
			r, _ = s.e.get(t, "/t/"+s.ticket+"/stranger/lies/a.mp4")
			want(t, r, 503, "Retry-After", "2")
			r, _ = s.e.get(t, s.in("a.mp4"))
			want(t, r, 200)
		},
		"encoded-slash": func(t *testing.T, s *stage) {
			for _, path := range []string{s.in("sub%2Findex.html"), "/acme/x%2fy?t=" + s.ticket, "/acme/x%2Fy"} {
				r, _ := s.e.get(t, path)
				want(t, r, 400)
			}
		},
		"dots": func(t *testing.T, s *stage) {
			for _, path := range []string{"../secret", "%2e%2e/secret", "sub/./x", "sub//x"} {
				if status := raw(t, s.e, s.in(path)); status != 400 {
					t.Errorf("%s: status %d, want 400", path, status)
				}
			}
			// The end of the path is an object of the ticket's root, the rest no name.
			good := s.in("a.mp4")
			for _, path := range []string{strings.Replace(good, "/acme/", "/acme//", 1), strings.Replace(good, "/acme/", "/acme/../", 1)} {
				if status := raw(t, s.e, path); status != 400 {
					t.Errorf("%s: status %d, want 400", path[len(path)-24:], status)
				}
			}
		},
		"control": func(t *testing.T, s *stage) {
			for _, path := range []string{"a%00b", "a%0Ab", "a%7Fb", "%ff"} {
				r, _ := s.e.get(t, s.in(path))
				want(t, r, 400)
			}
		},
		"components": func(t *testing.T, s *stage) {
			for _, path := range []string{s.in(strings.Repeat("a/", 10_000) + "b"), "/acme/" + strings.Repeat("a/", 10_000) + "b"} {
				r, _ := s.e.get(t, path)
				want(t, r, 400)
			}
		},
		"reserved": func(t *testing.T, s *stage) {
			for _, path := range []string{"/metrics/x", "/api/x", "/", "/favicon.ico", "/ab/c", "/acme", "/t/", "/t/x/Upper/x", "/slices"} {
				r, _ := s.e.get(t, path)
				want(t, r, 404)
			}
		},
		"ticket-none": func(t *testing.T, s *stage) {
			for path, location := range map[string]string{
				"/acme/site/a.mp4":         "/acme/site/a.mp4?r=1",
				"/acme/site/a%20b?CMCD=x":  "/acme/site/a%20b?r=1",
				"/t//acme/site/a.mp4":      "/acme/site/a.mp4?r=1",
				"/acme/one.mp4?t=&CMCD=br": "/acme/one.mp4?r=1",
			} {
				r, _ := s.e.get(t, path)
				want(t, r, 307, "Location", s.router.URL+location, "Cache-Control", "no-store")
			}
		},
		"ticket-forged": func(t *testing.T, s *stage) {
			flipped := []byte(s.ticket)
			flipped[len(flipped)-3] ^= 1
			other := s.world.ticket(s.bundle, nil, s.e)
			parsed, err := receipt.ParseTicket(other)
			if err != nil {
				t.Fatal(err)
			}
			_, stranger, err := ed25519.GenerateKey(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			parsed.Sign(stranger, testChain)
			wrongChain, _ := receipt.ParseTicket(other)
			wrongChain.Sign(s.meta.key, "another-chain")
			for _, text := range []string{string(flipped), parsed.Text(), wrongChain.Text(), "x", strings.Repeat("A", 5000), "%00"} {
				redirected(t, s, text)
			}
			redirected(t, s, s.world.ticket(s.bundle, func(t *receipt.Ticket) {
				t.ID = receipt.NewTicketID(time.Now().Add(time.Hour), 99, [6]byte{1})
			}, s.e))
		},
		"ticket-expired": func(t *testing.T, s *stage) {
			redirected(t, s, s.world.ticket(s.bundle, func(t *receipt.Ticket) {
				t.ID = receipt.NewTicketID(time.Now().Add(-time.Second), testAuthority, [6]byte{1})
			}, s.e))
			redirected(t, s, s.world.ticket(s.bundle, func(t *receipt.Ticket) {
				t.ID = receipt.NewTicketID(time.Now().Add(48*time.Hour), testAuthority, [6]byte{2})
			}, s.e))
		},
		"ticket-elsewhere": func(t *testing.T, s *stage) {
			redirected(t, s, s.world.ticket(s.bundle, nil, s.edges[1]))
		},
		"ticket-class": func(t *testing.T, s *stage) {
			redirected(t, s, s.world.ticket(s.bundle, func(t *receipt.Ticket) { t.Class = receipt.ClassM }, s.e))
		},
		"ticket-unknown-root": func(t *testing.T, s *stage) {
			text := s.world.ticket(s.bundle, func(t *receipt.Ticket) { t.Bind[0] ^= 1 }, s.e)
			r, _ := s.e.get(t, "/t/"+text+"/acme/site/a.mp4")
			want(t, r, 404)
		},
		"ticket-loop": func(t *testing.T, s *stage) {
			for _, path := range []string{"/acme/site/a.mp4?r=1", "/t/x/acme/site/a.mp4?r=1", "/acme/one.mp4?t=x&r=1"} {
				r, _ := s.e.get(t, path)
				want(t, r, 503, "Retry-After", "2", "Cache-Control", "no-store")
			}
		},
		"ticket-no-router": func(t *testing.T, s *stage) {
			w := newWorld(t, 0)
			e := w.addEdge(EdgeConfig{ServeUnticketed: 8000})
			p := w.publish("acme/held", map[string][]byte{"a.mp4": content(1, 5000)}, e)
			if r, _ := e.get(t, "/acme/held/a.mp4"); r.StatusCode != 503 {
				t.Errorf("not assigned: status %d, want 503", r.StatusCode)
			}
			w.replicate(t, e, p)
			w.meta.mu.Lock()
			w.meta.down = true
			w.meta.mu.Unlock()
			r, body := e.get(t, "/acme/held/a.mp4")
			want(t, r, 200)
			same(t, body, p.files["a.mp4"])
			r, _ = e.get(t, "/acme/held/a.mp4")
			want(t, r, 503, "Retry-After", "2") // the budget of 8,000 bytes is spent
			e.unticketed.Store(serve.NewBudget(0, nil))
			r, _ = e.get(t, "/acme/held/a.mp4")
			want(t, r, 503)
		},
		"revoked": func(t *testing.T, s *stage) {
			p := s.publish("acme/gone", map[string][]byte{"a.mp4": content(9, 5000)}, s.e)
			path := "/t/" + s.world.ticket(p, nil, s.e) + "/acme/gone/a.mp4"
			r, _ := s.e.get(t, path)
			want(t, r, 200)
			s.revoke(t, meta.Revocation{Root: p.record.Root})
			r, _ = s.e.get(t, path)
			want(t, r, 410, "Cache-Control", "no-store")
			s.revoke(t, meta.Revocation{Root: p.record.Root, Kind: meta.Lifted})
			r, _ = s.e.get(t, path)
			want(t, r, 200)
		},
		"banned": func(t *testing.T, s *stage) {
			film := content(10, 200_000)
			first := s.publish("acme/film", map[string][]byte{"f.mp4": film}, s.e)
			again := s.publish("other/wrap", map[string][]byte{"deep/g.mp4": film, "ok.txt": []byte("ok")}, s.e)
			s.revoke(t, meta.Revocation{Kind: meta.ByNetwork, Root: first.record.Root, Objects: []sds.CID{sds.Sum(sds.Raw, film)}})
			r, _ := s.e.get(t, "/t/"+s.world.ticket(first, nil, s.e)+"/acme/film/f.mp4")
			want(t, r, 451)
			text := s.world.ticket(again, nil, s.e)
			r, _ = s.e.get(t, "/t/"+text+"/other/wrap/deep/g.mp4")
			want(t, r, 451, "Cache-Control", "no-store")
			r, _ = s.e.get(t, "/t/"+text+"/other/wrap/ok.txt")
			want(t, r, 200)
			s.revoke(t, meta.Revocation{Kind: meta.Unbanned, Root: first.record.Root, Objects: []sds.CID{sds.Sum(sds.Raw, film)}})
			r, _ = s.e.get(t, "/t/"+text+"/other/wrap/deep/g.mp4")
			want(t, r, 200)
			r, _ = s.e.get(t, "/t/"+s.world.ticket(first, nil, s.e)+"/acme/film/f.mp4")
			want(t, r, 200)
		},
		"shared": func(t *testing.T, s *stage) {
			icon := content(11, 3000)
			first := s.publish("acme/icon.png", map[string][]byte{"": icon}, s.e)
			other := s.publish("other/site", map[string][]byte{"icon.png": icon}, s.e)
			s.revoke(t, meta.Revocation{Root: first.record.Root})
			r, _ := s.e.get(t, "/acme/icon.png?t="+s.world.ticket(first, nil, s.e))
			want(t, r, 410)
			r, body := s.e.get(t, "/t/"+s.world.ticket(other, nil, s.e)+"/other/site/icon.png")
			want(t, r, 200)
			same(t, body, icon)
		},
		"problem": func(t *testing.T, s *stage) {
			r, body := s.e.get(t, s.in("none"))
			want(t, r, 404, "Content-Type", "application/problem+json", "Cache-Control", "no-store")
			var problem struct {
				Status    int    `json:"status"`
				RequestID string `json:"request_id"`
			}
			if err := json.Unmarshal(body, &problem); err != nil || problem.Status != 404 || problem.RequestID != r.Header.Get("X-Request-Id") || problem.RequestID == "" {
				t.Errorf("%s: %v", body, err)
			}
		},
	}
}

func ranged(field string, from, to int) func(*testing.T, *stage) {
	return func(t *testing.T, s *stage) {
		r, body := s.e.get(t, s.in("a.mp4"), "Range", field)
		want(t, r, 206, "Content-Range", fmt.Sprintf("bytes %d-%d/5000", from, to-1), "Content-Length", fmt.Sprint(to-from), "Accept-Ranges", "bytes")
		same(t, body, s.bundle.files["a.mp4"][from:to])
	}
}

func status404(paths ...string) func(*testing.T, *stage) {
	return func(t *testing.T, s *stage) {
		for _, path := range paths {
			r, _ := s.e.get(t, s.in(path))
			if r.StatusCode != 404 {
				t.Errorf("%s: status %d, want 404", path, r.StatusCode)
			}
		}
	}
}

func redirected(t *testing.T, s *stage, text string) {
	t.Helper()
	r, _ := s.e.get(t, "/t/"+text+"/acme/site/a.mp4")
	want(t, r, 307, "Location", s.router.URL+"/acme/site/a.mp4?r=1", "Cache-Control", "no-store")
	r, _ = s.e.get(t, "/acme/one.mp4?t="+text)
	want(t, r, 307, "Location", s.router.URL+"/acme/one.mp4?r=1")
}

// want checks status and header fields; "" is a field that must be missing.
func want(t *testing.T, r *http.Response, status int, fields ...string) {
	t.Helper()
	path := r.Request.URL.Path
	if r.StatusCode != status {
		t.Errorf("%s …%.40s: status %d, want %d", r.Request.Method, path[max(0, len(path)-40):], r.StatusCode, status)
	}
	for i := 0; i < len(fields); i += 2 {
		if got := r.Header.Get(fields[i]); got != fields[i+1] {
			t.Errorf("%s: %q, want %q", fields[i], got, fields[i+1])
		}
	}
}

func same(t *testing.T, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes, want %d, or others", len(got), len(want))
	}
}

// raw sends a path that Go's client would clean.
func raw(t *testing.T, e *testEdge, path string) int {
	t.Helper()
	conn, err := net.Dial("tcp", e.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path); err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode
}

// revoke puts a revocation in force on every edge.
func (w *world) revoke(t *testing.T, r meta.Revocation) {
	t.Helper()
	w.meta.mu.Lock()
	r.Number, r.Authority, r.Time = uint64(len(w.meta.revocations)+1), testAuthority, time.Now()
	if r.Kind == 0 {
		r.Kind = meta.ByOwner
	}
	r.Sign(w.meta.key, testChain)
	w.meta.revocations = append(w.meta.revocations, r)
	w.meta.mu.Unlock()
	w.eventually("the revocation is in force and reported", func() bool {
		w.meta.mu.Lock()
		defer w.meta.mu.Unlock()
		for _, e := range w.edges {
			if w.meta.beats[e.id].Revocation < r.Number {
				return false
			}
		}
		return true
	})
}

// blocks are those of an archive.
type blocks map[sds.CID][]byte

func (b blocks) Get(_ context.Context, cid sds.CID) ([]byte, error) {
	if block, ok := b[cid]; ok {
		return block, nil
	}
	return nil, sds.ErrNotFound
}

func blocksOf(t *testing.T, body []byte) blocks {
	t.Helper()
	r, err := car.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	out := blocks{}
	for {
		cid, block, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out[cid] = block
	}
}

// replicate has an edge make a replica, as work from the meta node.
func (w *world) replicate(t *testing.T, e *testEdge, p *published) {
	t.Helper()
	w.meta.give(e.id, meta.Work{Number: w.next.Add(1), Kind: meta.Replicate, Unit: p.record.Units[0], Record: p.record, Sources: p.holders})
	w.eventually("the replica is complete", func() bool {
		w.meta.mu.Lock()
		defer w.meta.mu.Unlock()
		return w.meta.holdings[e.id][p.record.Root].State == meta.Complete && e.completed(p.record)
	})
}

// completed tells whether the edge has all of a record under its own name.
func (e *testEdge) completed(r meta.Record) bool {
	return slices.ContainsFunc(e.keeper.Units(), func(u state.Unit) bool { return u.Record.Name == r.Name && u.Complete })
}

func TestContract(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/http-api/edge.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := rows()
	_, tables, _ := strings.Cut(string(text), "\n## ")
	for _, match := range regexp.MustCompile(`(?m)^\| ([a-z0-9-]+) \|`).FindAllStringSubmatch(tables, -1) {
		name := match[1]
		if name == "row" {
			continue
		}
		test, ok := tests[name]
		if !ok {
			t.Errorf("row %q has no test", name)
			continue
		}
		delete(tests, name)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newStage(t))
		})
	}
	for name := range tests {
		t.Errorf("test %q has no row", name)
	}
}
