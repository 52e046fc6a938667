package slicehttp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/mem"
	"github.com/stratos-mesh/stratos/sds/slicehttp"
	"github.com/stratos-mesh/stratos/sds/storetest"
)

// shelf is a small store for these tests.
type shelf struct {
	mu     sync.Mutex // guards blocks
	blocks map[sds.CID][]byte
}

func newShelf(blocks ...[]byte) *shelf {
	s := &shelf{blocks: map[sds.CID][]byte{}}
	for _, block := range blocks {
		s.blocks[sds.Sum(sds.Raw, block)] = block
	}
	return s
}

func (s *shelf) Get(_ context.Context, cid sds.CID) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if block, ok := s.blocks[cid]; ok {
		return block, nil
	}
	return nil, fmt.Errorf("shelf: %s: %w", cid, sds.ErrNotFound)
}

func (s *shelf) Put(_ context.Context, cid sds.CID, block []byte, _ sds.Class) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks[cid] = bytes.Clone(block)
	return nil
}

func (s *shelf) Has(ctx context.Context, cid sds.CID) (bool, error) {
	_, err := s.Get(ctx, cid)
	return err == nil, nil
}

func (s *shelf) Delete(context.Context, sds.CID) error { return nil }

// serve starts a handler and returns a client of it.
func serve(t testing.TB, config slicehttp.Config) *slicehttp.Client {
	t.Helper()
	server := httptest.NewServer(slicehttp.Handler(config))
	t.Cleanup(server.Close)
	return &slicehttp.Client{Base: server.URL, HTTP: server.Client()}
}

// answer is a server that gives every request the same answer.
func answer(t *testing.T, f http.HandlerFunc) *slicehttp.Client {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return &slicehttp.Client{Base: server.URL, HTTP: server.Client()}
}

func TestABlockArrivesAsItWas(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 1000, sds.SliceSize, sds.MaxBlockSize} {
		block := bytes.Repeat([]byte{7}, size)
		client := serve(t, slicehttp.Config{Store: newShelf(block)})
		cid := sds.Sum(sds.Raw, block)
		got, err := client.Get(t.Context(), cid)
		if err != nil || !bytes.Equal(got, block) {
			t.Fatalf("%d bytes: got %d, %v", size, len(got), err)
		}
		if n, err := client.Size(t.Context(), cid); n != int64(size) || err != nil {
			t.Fatalf("Size: got %d, %v, want %d", n, err, size)
		}
		if has, err := client.Has(t.Context(), cid); !has || err != nil {
			t.Fatalf("Has: got %v, %v, want true", has, err)
		}
	}
}

func TestTheAnswersOfTheHandler(t *testing.T) {
	t.Parallel()
	block := []byte("a block")
	cid := sds.Sum(sds.Raw, block)
	none := sds.Sum(sds.Raw, []byte("none"))
	handler := slicehttp.Handler(slicehttp.Config{Store: newShelf(block)})
	tag := `"` + cid.String() + `"`
	for _, c := range []struct {
		name, method, path, match string
		status                    int
		header                    map[string]string
		body                      string
	}{
		{"a block", "GET", "/slices/" + cid.String(), "", 200, map[string]string{
			"Content-Type": "application/vnd.ipld.raw", "Content-Length": "7", "Etag": tag,
			"Content-Digest": slicehttp.ContentDigest(cid),
			"Cache-Control":  "private, max-age=31536000, immutable",
		}, "a block"},
		{"its head", "HEAD", "/slices/" + cid.String(), "", 200, map[string]string{"Content-Length": "7", "Etag": tag}, ""},
		{"a block that the peer has", "GET", "/slices/" + cid.String(), `"x", W/` + tag, 304, map[string]string{"Etag": tag}, ""},
		{"a block that neither has", "GET", "/slices/" + none.String(), `*`, 404, map[string]string{"Cache-Control": "no-store", "Etag": ""}, "*"},
		{"a block that is not there", "GET", "/slices/" + none.String(), "", 404, map[string]string{"Cache-Control": "no-store"}, "*"},
		{"the head of one that is not there", "HEAD", "/slices/" + none.String(), "", 404, nil, ""},
		{"no CID", "GET", "/slices/hello", "", 400, nil, "*"},
		{"another kind of CID", "GET", "/slices/QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG", "", 400, nil, "*"},
		{"nothing after the prefix", "GET", "/slices/", "", 400, nil, "*"},
		{"another path", "GET", "/other/" + cid.String(), "", 400, nil, "*"},
		{"PUT without a taker", "PUT", "/slices/" + cid.String(), "", 405, map[string]string{"Allow": "GET, HEAD"}, "*"},
		{"DELETE", "DELETE", "/slices/" + cid.String(), "", 405, map[string]string{"Allow": "GET, HEAD"}, "*"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(c.method, c.path, nil)
			if c.match != "" {
				r.Header.Set("If-None-Match", c.match)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != c.status {
				t.Fatalf("status: got %d %s, want %d", w.Code, w.Body, c.status)
			}
			for name, want := range c.header {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			if got := w.Body.String(); c.body != "*" && c.method != "HEAD" && got != c.body {
				t.Errorf("body: got %q, want %q", got, c.body)
			}
		})
	}
}

func TestWhatAClientMakesOfAnswers(t *testing.T) {
	t.Parallel()
	cid := sds.Sum(sds.Raw, []byte("a block"))
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   error
	}{
		{"other bytes", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "another block") }, sds.ErrCorrupt},
		{"no bytes", func(http.ResponseWriter, *http.Request) {}, sds.ErrCorrupt},
		{"too many bytes, announced", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "3000000")
		}, sds.ErrTooLarge},
		{"too many bytes, without a length", func(w http.ResponseWriter, _ *http.Request) {
			for range 100 {
				if _, err := w.Write(make([]byte, 100000)); err != nil {
					return
				}
			}
		}, sds.ErrTooLarge},
		{"an end before the end", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "7")
			io.WriteString(w, "a bl")
		}, io.ErrUnexpectedEOF},
		{"not found", status(404), sds.ErrNotFound},
		{"gone", status(410), sds.ErrNotFound},
		{"banned", status(451), sds.ErrNotFound},
		{"unauthorised", status(401), slicehttp.ErrRefused},
		{"forbidden", status(403), slicehttp.ErrRefused},
		{"full", status(507), sds.ErrFull},
		{"malformed", status(400), sds.ErrMalformed},
		{"too large", status(413), sds.ErrTooLarge},
		{"unsupported", status(405), errors.ErrUnsupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := answer(t, c.answer)
			if _, err := client.Get(t.Context(), cid); !errors.Is(err, c.want) {
				t.Fatalf("Get: got %v, want %v", err, c.want)
			}
		})
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func TestOtherAnswersAreAStatusErrorWithWhatTheySay(t *testing.T) {
	t.Parallel()
	client := answer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(503)
		io.WriteString(w, strings.Repeat("busy ", 1000))
	})
	_, err := client.Get(t.Context(), sds.Sum(sds.Raw, nil))
	var e *slicehttp.StatusError
	if !errors.As(err, &e) || e.Status != 503 || e.RetryAfter != 7*time.Second || len(e.Detail) > 300 {
		t.Fatalf("Get: got %#v, want a StatusError 503 with 7 s and a short detail", err)
	}
	if errors.Is(err, sds.ErrNotFound) {
		t.Fatal("503 is taken for not found")
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	block := []byte("a block")
	other := httptest.NewServer(slicehttp.Handler(slicehttp.Config{Store: newShelf(block)}))
	t.Cleanup(other.Close)
	client := answer(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
	})
	var e *slicehttp.StatusError
	if _, err := client.Get(t.Context(), sds.Sum(sds.Raw, block)); !errors.As(err, &e) || e.Status != 307 {
		t.Fatalf("Get: got %v, want the 307 as an error", err)
	}
}

func TestSignAndVerifyAreAskedOnceForEachRequest(t *testing.T) {
	t.Parallel()
	block := []byte("a block")
	cid := sds.Sum(sds.Raw, block)
	client := serve(t, slicehttp.Config{Store: newShelf(block), Verify: func(r *http.Request) error {
		if r.Header.Get("Signature") != "mine" {
			return errors.New("no signature")
		}
		return nil
	}})
	if _, err := client.Get(t.Context(), cid); !errors.Is(err, slicehttp.ErrRefused) {
		t.Fatalf("unsigned: got %v, want ErrRefused", err)
	}
	signed := 0
	client.Sign = func(r *http.Request) error {
		signed++
		r.Header.Set("Signature", "mine")
		return nil
	}
	if _, err := client.Get(t.Context(), cid); err != nil || signed != 1 {
		t.Fatalf("signed: got %v after %d signatures", err, signed)
	}
	client.Sign = func(*http.Request) error { return errors.New("no key") }
	if _, err := client.Get(t.Context(), cid); err == nil {
		t.Fatal("a request went out unsigned")
	}
}

func TestErrorsGoToTheHook(t *testing.T) {
	t.Parallel()
	client := serve(t, slicehttp.Config{Store: newShelf(), Error: func(w http.ResponseWriter, _ *http.Request, err error) {
		if errors.Is(err, sds.ErrNotFound) {
			w.WriteHeader(451)
		}
	}})
	var e *slicehttp.StatusError
	if _, err := client.Get(t.Context(), sds.Sum(sds.Raw, nil)); !errors.As(err, &e) || e.Status != 451 {
		t.Fatalf("Get: got %v, want the hook's 451", err)
	}
}

func TestPutCarriesTheDigestBeforeItIsSigned(t *testing.T) {
	t.Parallel()
	block := bytes.Repeat([]byte("slice"), 1000)
	cid := sds.Sum(sds.Raw, block)
	client := serve(t, slicehttp.Config{Store: newShelf(), Put: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(r.Body)
		if err != nil || !bytes.Equal(got, block) || r.ContentLength != int64(len(block)) {
			t.Errorf("PUT: got %d bytes of %d announced, %v", len(got), r.ContentLength, err)
		}
		if r.Header.Get("Content-Digest") != slicehttp.ContentDigest(cid) || r.Header.Get("Stratos-Hops") != "2,3" {
			t.Errorf("PUT: got header %v", r.Header)
		}
		io.WriteString(w, `{"durable":[1,2,3]}`)
	})})
	client.Sign = func(r *http.Request) error {
		if r.Header.Get("Content-Digest") == "" {
			t.Error("no Content-Digest when the request is signed")
		}
		return nil
	}
	got, err := client.PutTo(t.Context(), cid, block, http.Header{"Stratos-Hops": {"2,3"}})
	if err != nil || string(got) != `{"durable":[1,2,3]}` {
		t.Fatalf("PutTo: got %q, %v", got, err)
	}
	if err := client.Delete(t.Context(), cid); !errors.Is(err, errors.ErrUnsupported) {
		t.Fatalf("Delete: got %v, want ErrUnsupported", err)
	}
}

func TestPutToANodeThatTakesNoneIsUnsupported(t *testing.T) {
	t.Parallel()
	client := serve(t, slicehttp.Config{Store: newShelf()})
	block := []byte("a block")
	if err := client.Put(t.Context(), sds.Sum(sds.Raw, block), block, sds.Pinned); !errors.Is(err, errors.ErrUnsupported) {
		t.Fatalf("Put: got %v, want ErrUnsupported", err)
	}
}

func TestAnEndlessAnswerToPutIsCutOff(t *testing.T) {
	t.Parallel()
	client := answer(t, func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 10000)); err != nil {
				return
			}
		}
	})
	if _, err := client.PutTo(t.Context(), sds.Sum(sds.Raw, nil), nil, nil); !errors.Is(err, sds.ErrTooLarge) {
		t.Fatalf("PutTo: got %v, want ErrTooLarge", err)
	}
}

func TestTheContextEndsARequest(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	client := answer(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(release) })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client.Get(ctx, sds.Sum(sds.Raw, nil)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Get: got %v, want DeadlineExceeded", err)
	}
	client.Timeout = 50 * time.Millisecond
	if _, err := client.Get(t.Context(), sds.Sum(sds.Raw, nil)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Get with Timeout: got %v, want DeadlineExceeded", err)
	}
}

// pair is a client whose node receives what it is sent, and forgets through the
// back door what a client may not delete.
type pair struct {
	*slicehttp.Client
	node sds.Store
}

func (p pair) Delete(ctx context.Context, cid sds.CID) error { return p.node.Delete(ctx, cid) }

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) sds.Store {
		node := mem.New()
		client := serve(t, slicehttp.Config{Store: node, Put: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			cid, err := sds.Parse(strings.TrimPrefix(r.URL.Path, slicehttp.Prefix))
			if err == nil {
				_, err = sds.Receive(r.Context(), node, cid, r.Body, sds.Pinned)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
			}
		})})
		return pair{client, node}
	})
}

func BenchmarkGetSlice(b *testing.B) {
	block := bytes.Repeat([]byte{1}, sds.SliceSize)
	client := serve(b, slicehttp.Config{Store: newShelf(block)})
	cid := sds.Sum(sds.Raw, block)
	b.SetBytes(sds.SliceSize)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Get(b.Context(), cid); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzHandler(f *testing.F) {
	block := []byte("a block")
	store := newShelf(block)
	handler := slicehttp.Handler(slicehttp.Config{Store: store})
	f.Add(sds.Sum(sds.Raw, block).String(), "")
	f.Add("bafk", `"x", W/"y`)
	f.Fuzz(func(t *testing.T, name, match string) {
		r := httptest.NewRequest(http.MethodGet, "/slices/", nil)
		r.URL.Path += name
		r.Header.Set("If-None-Match", match)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code == http.StatusOK && w.Body.String() != string(block) {
			t.Fatalf("%q: 200 with %q", name, w.Body)
		}
		if w.Code >= 500 {
			t.Fatalf("%q: %d", name, w.Code)
		}
	})
}

// answers is a transport that gives one answer.
type answers struct {
	status int
	length int64
	body   []byte
}

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: a.status, ContentLength: a.length, Header: http.Header{"Retry-After": {string(a.body)}},
		Body: io.NopCloser(bytes.NewReader(a.body)), Request: r,
	}, nil
}

func FuzzClient(f *testing.F) {
	want := []byte("a block")
	f.Add(200, int64(7), want)
	f.Add(200, int64(-1), want)
	f.Add(200, int64(1), []byte("a block and more"))
	f.Add(503, int64(0), []byte("7"))
	f.Fuzz(func(t *testing.T, status int, length int64, body []byte) {
		client := slicehttp.Client{Base: "http://node", HTTP: &http.Client{Transport: answers{status, length, body}}}
		got, err := client.Get(t.Context(), sds.Sum(sds.Raw, want))
		if err == nil && !bytes.Equal(got, want) {
			t.Fatalf("got %q", got)
		}
		var e *slicehttp.StatusError
		if errors.As(err, &e) && (len(e.Detail) > 300 || e.RetryAfter < 0) {
			t.Fatalf("got %#v", e)
		}
	})
}
