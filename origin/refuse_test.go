package origin

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestARefusalDoesNotWaitForTheBody(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	// As under a server that wraps bodies to watch over slow ones.
	wrapping := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = struct{ io.ReadCloser }{r.Body}
		b.origin.ServeHTTP(w, r)
	}))
	defer wrapping.Close()
	for name, c := range map[string]struct {
		key    string
		length int64
		want   int
	}{
		"a key that nobody made":      {"forged", 5 << 20, http.StatusUnauthorized},
		"more than anybody may bring": {b.token, 1 << 60, http.StatusRequestEntityTooLarge},
	} {
		conn, err := net.Dial("tcp", wrapping.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "PUT /v1/files/demo/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", c.key, c.length)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v, before a byte of the body", name, err)
			continue
		}
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s: %s, want %d", name, resp.Status, c.want)
		}
	}
	// A client that sends all before it reads gets its answer too.
	for range 10 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, wrapping.URL+"/v1/files/demo/a", bytes.NewReader(content(8<<20)))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatalf("8 MiB that are refused: %v", err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("8 MiB without a key: %s, want 401", resp.Status)
		}
	}
}
