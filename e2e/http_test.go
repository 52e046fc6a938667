package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/quic-go/quic-go/http3"
)

func TestEveryHTTPVersionServesWholeObjectsAndRanges(t *testing.T) {
	n := start(t, "--edges", "3")
	want := content(110, 5<<20+11)
	n.stratos("put", folderFile(t, "film.bin", want), "http/film.bin")
	address := n.overTLS(n.ticketed("http/film.bin", "198.18.0.9"))
	trust := n.trust()

	h3 := &http3.Transport{TLSClientConfig: trust.Clone()}
	defer h3.Close()
	h2 := &http.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: true}
	h1 := &http.Transport{TLSClientConfig: trust.Clone(), TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	for _, c := range []struct {
		name      string
		transport http.RoundTripper
		major     int
	}{{"HTTP/1.1", h1, 1}, {"HTTP/2", h2, 2}, {"HTTP/3", h3, 3}} {
		t.Run(c.name, func(t *testing.T) {
			client := &http.Client{Transport: c.transport}
			resp, body := get(t, client, address, "")
			if resp.StatusCode != http.StatusOK || resp.ProtoMajor != c.major || !bytes.Equal(body, want) {
				t.Errorf("%s by HTTP/%d with %d bytes, want 200 with %d", resp.Status, resp.ProtoMajor, len(body), len(want))
			}
			edge, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			if alt := resp.Header.Get("Alt-Svc"); c.major < 3 && !strings.Contains(alt, `h3=":`+edge.Port()+`"`) {
				t.Errorf("Alt-Svc %q does not offer HTTP/3 on port %s", alt, edge.Port())
			}
			const from, to = 1<<20 - 5, 3<<20 + 9
			resp, body = get(t, client, address, fmt.Sprintf("bytes=%d-%d", from, to))
			if resp.StatusCode != http.StatusPartialContent || !bytes.Equal(body, want[from:to+1]) {
				t.Errorf("range: %s with %d bytes, want 206 with %d", resp.Status, len(body), to+1-from)
			}
			if got := resp.Header.Get("Content-Range"); got != fmt.Sprintf("bytes %d-%d/%d", from, to, len(want)) {
				t.Errorf("Content-Range %q", got)
			}
			resp, body = get(t, client, address, fmt.Sprintf("bytes=%d-", len(want)))
			if resp.StatusCode != http.StatusRequestedRangeNotSatisfiable || resp.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("range behind the end: %s %q", resp.Status, body)
			}
		})
	}
}

// overTLS is the same URL at the edge's TLS address.
func (n *network) overTLS(address string) string {
	n.t.Helper()
	for _, e := range n.Edges {
		if rest, ok := strings.CutPrefix(address, e.URL+"/"); ok {
			return e.TLSURL + "/" + rest
		}
	}
	n.t.Fatalf("no edge is at %s", address)
	return ""
}

// trust has the network's authority alone.
func (n *network) trust() *tls.Config {
	n.t.Helper()
	text, err := os.ReadFile(n.CA)
	if err != nil {
		n.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		n.t.Fatalf("%s holds no certificate", n.CA)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}
}

func get(t *testing.T, client *http.Client, address, ranges string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ranges != "" {
		req.Header.Set("Range", ranges)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}
