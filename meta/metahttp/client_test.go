package metahttp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/meta"
	rpc "github.com/stratos-mesh/stratos/meta/metapb/metapbconnect"
)

// closed is the URL of a port on which nobody listens any more.
func closed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

// broken answers every request with a status, and counts.
func broken(t *testing.T, status int) (string, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return server.URL, &n
}

func TestClientGoesToTheNextNode(t *testing.T) {
	t.Parallel()
	f, good := serve(t)
	gateway, asked := broken(t, http.StatusBadGateway)
	client := as(t, "router", closed(t), gateway, good)
	for range 2 {
		if _, err := client.Resolve(t.Context(), "abc/x"); err != nil {
			t.Fatal(err)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("the broken node was asked %d times, want once: the client stays with the one that answers", asked.Load())
	}
	f.fail(meta.ErrNotFound)
	if _, err := client.Resolve(t.Context(), "abc/x"); !errors.Is(err, meta.ErrNotFound) || asked.Load() != 1 {
		t.Errorf("%v after %d calls: a node's decision is final", err, asked.Load())
	}
}

func TestClientComesBackToANodeThatWasDown(t *testing.T) {
	t.Parallel()
	f := &fake{}
	handler := NewHandler(HandlerConfig{Meta: f, WhoIs: whoIs})
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	if _, err := as(t, "router", server.URL).Resolve(t.Context(), "abc/x"); err != nil {
		t.Errorf("after %d calls: %v", n.Load(), err)
	}
}

func TestClientSendsATicketRequestOnce(t *testing.T) {
	t.Parallel()
	gateway, asked := broken(t, http.StatusBadGateway)
	_, good := serve(t)
	if _, err := as(t, "router", gateway, good).Issue(t.Context(), make([]meta.TicketRequest, 2)); !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v, want %v", err, ErrUnreachable)
	}
	if asked.Load() != 1 {
		t.Errorf("sent %d times", asked.Load())
	}
	if _, err := as(t, "router", closed(t), good).Issue(t.Context(), make([]meta.TicketRequest, 2)); err != nil {
		t.Errorf("one that never was sent goes to the next node: %v", err)
	}
}

func TestClientGivesUp(t *testing.T) {
	t.Parallel()
	gateway, asked := broken(t, http.StatusBadGateway)
	if _, err := as(t, "router", gateway).Resolve(t.Context(), "abc/x"); !errors.Is(err, ErrUnreachable) || asked.Load() != rounds {
		t.Errorf("%v after %d calls, want %v after %d", err, asked.Load(), ErrUnreachable, rounds)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := as(t, "router", gateway).Resolve(ctx, "abc/x"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if _, err := NewClient(ClientConfig{}).Resolve(t.Context(), "abc/x"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("without URLs: %v, want %v", err, ErrUnreachable)
	}
}

func TestClientLeavesANodeThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	t.Cleanup(func() { close(stop); silent.Close() })
	_, good := serve(t)
	client := NewClient(ClientConfig{
		URLs: []string{silent.URL, good}, Signer: nodeauth.NewSigner(testKey("router")), Timeout: 300 * time.Millisecond,
	})
	if _, err := client.Resolve(t.Context(), "abc/x"); err != nil {
		t.Error(err)
	}
}

func TestClientConfig(t *testing.T) {
	t.Parallel()
	signer := nodeauth.NewSigner(testKey("x"))
	for name, test := range map[string]struct {
		config ClientConfig
		want   string
	}{
		"one URL":         {ClientConfig{URLs: []string{"https://m.example/"}, Signer: signer}, ""},
		"no URL":          {ClientConfig{Signer: signer}, "no URL of a meta node"},
		"a host alone":    {ClientConfig{URLs: []string{"m.example:80"}, Signer: signer}, "want a URL such as"},
		"another scheme":  {ClientConfig{URLs: []string{"ftp://m.example"}, Signer: signer}, "want a URL such as"},
		"a query":         {ClientConfig{URLs: []string{"http://m.example/?x"}, Signer: signer}, "want a URL such as"},
		"nobody to sign":  {ClientConfig{URLs: []string{"http://m.example"}}, "need a key"},
		"an address of 6": {ClientConfig{URLs: []string{"http://[::1]:8080"}, Signer: signer}, ""},
	} {
		err := test.config.Validate()
		if (err == nil) != (test.want == "") || (err != nil && !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func TestClientRefusesWhatNoNodeTakes(t *testing.T) {
	t.Parallel()
	f, url := serve(t)
	for name, call := range map[string]func(*Client) error{
		"a path that is not UTF-8":   func(c *Client) error { _, err := c.Resolve(t.Context(), "abc/\xff"); return err },
		"a prefix that is not UTF-8": func(c *Client) error { _, err := c.List(t.Context(), "\xff", "", 0); return err },
		"a cursor that is not UTF-8": func(c *Client) error { _, err := c.List(t.Context(), "", "\xff", 0); return err },
		"a limit beyond 1,000":       func(c *Client) error { _, err := c.List(t.Context(), "", "", 1001); return err },
		"a limit below 0":            func(c *Client) error { _, err := c.List(t.Context(), "", "", -1); return err },
		"a name that is not UTF-8":   func(c *Client) error { _, err := c.Begin(t.Context(), meta.Upload{Name: "\xff"}); return err },
		"too many tickets": func(c *Client) error {
			_, err := c.Issue(t.Context(), make([]meta.TicketRequest, MaxBatch+1))
			return err
		},
	} {
		if err := call(as(t, "router", url)); !errors.Is(err, meta.ErrInvalid) {
			t.Errorf("%s: %v, want %v", name, err, meta.ErrInvalid)
		}
	}
	if f.last() != nil {
		t.Errorf("reached the meta node: %v", f.last())
	}
}

// post sends a signed request with a body of its own making.
func post(t *testing.T, url, caller, path, contentType string, body io.Reader) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	client := http.Client{Transport: nodeauth.NewSigner(testKey(caller)).Transport(nil)}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	return answer
}

func TestHandlerRefusesBadRequests(t *testing.T) {
	t.Parallel()
	f, url := serve(t)
	for name, test := range map[string]struct {
		caller, path string
		body         io.Reader
		want         int
	}{
		"a path that is no call":       {"router", "/stratos.meta.v1.Index/Nothing", strings.NewReader("{}"), 404},
		"another path":                 {"router", "/", strings.NewReader("{}"), 404},
		"garbage for a message":        {"router", rpc.IndexResolveProcedure, strings.NewReader("{"), 400},
		"a root of 3 bytes":            {"router", rpc.IndexLocateProcedure, strings.NewReader(`{"root":"AAAA"}`), 400},
		"an upload id of 3 bytes":      {"origin", rpc.PublisherBeginProcedure, strings.NewReader(`{"upload":"AAAA"}`), 400},
		"a grant for a publication":    {"origin", rpc.PublisherPublishProcedure, strings.NewReader(`{"publication":"AAAA"}`), 400},
		"a kind that is not known":     {"origin", rpc.PublisherBeginProcedure, strings.NewReader(`{"kind":7,"upload":"AAAAAAAAAAAAAAAAAAAAAA=="}`), 400},
		"a class beyond a byte":        {"router", rpc.IssuerIssueProcedure, strings.NewReader(`{"requests":[{"class":256}]}`), 400},
		"an address of 3 bytes":        {"router", rpc.IssuerIssueProcedure, strings.NewReader(`{"requests":[{"client":"AAAA"}]}`), 400},
		"255 buckets":                  {"edge1", rpc.NodesDigestProcedure, strings.NewReader(`{"edge":1,"buckets":[1]}`), 400},
		"an edge that is nowhere":      {"operator", rpc.OperatorAdmitProcedure, strings.NewReader(`{"kind":1,"key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","edge":{"lat":"NaN"}}`), 400},
		"a key of 3 bytes":             {"operator", rpc.OperatorAdmitProcedure, strings.NewReader(`{"kind":1,"key":"AAAA"}`), 400},
		"an edge speaking for another": {"edge1", rpc.NodesBeatProcedure, strings.NewReader(`{"edge":2}`), 403},
		"an edge speaking for none":    {"edge1", rpc.NodesBeatProcedure, strings.NewReader(`{}`), 403},
		"a revocation of a wrong root": {"operator", rpc.OperatorRevokeProcedure, strings.NewReader(`{"root":"AAAA"}`), 400},
		"a ban of what is no CID":      {"operator", rpc.OperatorRevokeProcedure, strings.NewReader(`{"ban":true,"objects":["AAAA"]}`), 400},
		"a ban of an empty CID":        {"operator", rpc.OperatorRevokeProcedure, strings.NewReader(`{"ban":true,"objects":[""]}`), 400},
		"a ban of too many objects":    {"operator", rpc.OperatorRevokeProcedure, strings.NewReader(`{"ban":true,"objects":["` + strings.Repeat(`","`, meta.MaxRevokedObjects) + `"]}`), 400},
		"an unban of no root":          {"operator", rpc.OperatorUnbanProcedure, strings.NewReader(`{}`), 400},
	} {
		if answer := post(t, url, test.caller, test.path, "application/json", test.body); answer.StatusCode != test.want {
			text, _ := io.ReadAll(answer.Body)
			t.Errorf("%s: %s %s, want %d", name, answer.Status, text, test.want)
		}
	}
	if f.last() != nil {
		t.Errorf("reached the meta node: %v", f.last())
	}
}

func TestHandlerRefusesUnsignedAndChangedRequests(t *testing.T) {
	t.Parallel()
	f, url := serve(t)
	body := []byte(`{"path":"abc/x"}`)
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, url+rpc.IndexResolveProcedure, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	send := func(want int, what string) {
		t.Helper()
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s: %s, want %d", what, answer.Status, want)
		}
	}
	send(401, "without a signature")
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err := nodeauth.NewSigner(testKey("router")).Sign(r); err != nil {
		t.Fatal(err)
	}
	body[10] = 'X'
	send(401, "with another body")
	if f.last() != nil {
		t.Errorf("reached the meta node: %v", f.last())
	}
	body[10] = 'a'
	send(401, "with a nonce that was used")
}

func TestHandlerBoundsABody(t *testing.T) {
	t.Parallel()
	f, url := serve(t)
	for path, test := range map[string]struct {
		caller string
		limit  int64
	}{
		rpc.NodesReportProcedure:   {"edge1", MaxRequest},
		rpc.IndexResolveProcedure:  {"router", 2 << 20},
		rpc.OperatorAdmitProcedure: {"stranger", 64 << 10},
	} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, url+path, io.LimitReader(zeros{}, test.limit+1))
		r.Header.Set("Content-Type", "application/proto")
		r.Header.Set("Content-Digest", nodeauth.FormatDigest([32]byte{}))
		if err := nodeauth.NewSigner(testKey(test.caller)).Sign(r); err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			continue // the server hung up, which is as good
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusTooManyRequests { // resource_exhausted
			t.Errorf("%s with a body beyond its limit: %s", path, answer.Status)
		}
	}
	if f.last() != nil {
		t.Errorf("reached the meta node: %v", f.last())
	}
}

func TestCallsOverHTTP2(t *testing.T) {
	t.Parallel()
	f := &fake{}
	server := httptest.NewUnstartedServer(NewHandler(HandlerConfig{Meta: f, WhoIs: whoIs}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	client := NewClient(ClientConfig{URLs: []string{server.URL}, Signer: nodeauth.NewSigner(testKey("edge1")), HTTP: server.Client()})
	for range 3 {
		if _, err := client.Beat(t.Context(), 1, testBeat()); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, []any{"Beat", meta.EdgeID(1), testBeat()}, f.last())
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestHandlerBoundsWhatABodyUnpacksTo(t *testing.T) {
	t.Parallel()
	f, url := serve(t)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := io.CopyN(w, zeros{}, MaxRequest+1); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, url+rpc.NodesReportProcedure, &packed)
	r.Header.Set("Content-Type", "application/proto")
	r.Header.Set("Content-Encoding", "gzip")
	if err := nodeauth.NewSigner(testKey("edge1")).Sign(r); err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusTooManyRequests || f.last() != nil { // resource_exhausted
		t.Errorf("%s, asked %v", answer.Status, f.last())
	}
}

// BenchmarkIssue is a batch of tickets over loopback, signed by the caller and
// checked by the handler; signing the tickets themselves is not in it.
func BenchmarkIssue(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			tickets := make([]meta.Issued, n)
			for i := range tickets {
				tickets[i] = testIssued()[0]
			}
			server := httptest.NewServer(NewHandler(HandlerConfig{Meta: batch{tickets: tickets}, WhoIs: whoIs}))
			defer server.Close()
			client := as(b, "router", server.URL)
			requests := make([]meta.TicketRequest, n)
			for b.Loop() {
				if _, err := client.Issue(b.Context(), requests); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "tickets/s")
		})
	}
}

// batch answers with tickets that are ready.
type batch struct {
	meta.Meta
	tickets []meta.Issued
}

func (b batch) Issue(context.Context, []meta.TicketRequest) ([]meta.Issued, error) {
	return b.tickets, nil
}
