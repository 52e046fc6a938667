package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestARevokedRootIsRefusedOnAllEdgesWithin15Seconds(t *testing.T) {
	n := start(t, "--edges", "5")
	secret, other := content(70, 48<<20), content(71, 3<<20)
	n.stratos("put", folderFile(t, "secret.bin", secret), "revoke/secret.bin")
	n.stratos("put", folder(t, map[string][]byte{"in/film.bin": secret}), "revoke/bundle")
	n.stratos("put", folder(t, map[string][]byte{"part.bin": secret[:4<<20], "other.bin": other}), "revoke/other")

	// A ticket from each region, and a slow download that runs under one of them.
	var direct []string
	for i := range n.Edges {
		direct = append(direct, n.ticketed("revoke/secret.bin", fmt.Sprintf("198.18.%d.9", i)))
	}
	for _, address := range direct {
		if status := getStatus(t, address); status != http.StatusOK {
			t.Fatalf("%s: %d before the removal", address, status)
		}
	}
	slow := map[string]*http.Response{}
	for what, address := range map[string]string{"an object": direct[0], "a file in a bundle": n.ticketed("revoke/bundle/in/film.bin", "198.18.0.9")} {
		resp, err := slowClient().Get(address)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.CopyN(io.Discard, resp.Body, 1<<20); err != nil {
			t.Fatal(err)
		}
		slow[what] = resp
		direct = append(direct, address)
	}

	n.stratos("rm", "--now", "revoke/bundle")
	n.stratos("rm", "--now", "revoke/secret.bin")
	removed := time.Now()
	for _, address := range append(direct, n.Router+"/revoke/secret.bin") {
		eventually(t, time.Until(removed.Add(15*time.Second)), address+" is refused", func() error {
			if status := getStatus(t, address); status != http.StatusGone {
				return fmt.Errorf("status %d, want 410", status)
			}
			return nil
		})
	}
	t.Logf("refused on all edges %s after the removal", time.Since(removed).Round(time.Millisecond))

	// What sockets hold may still arrive; the end of the file may not.
	for what, resp := range slow {
		rest, err := io.Copy(io.Discard, resp.Body)
		if !errors.Is(err, io.ErrUnexpectedEOF) || rest+1<<20 >= int64(len(secret)) {
			t.Errorf("the slow download of %s got %d bytes and ended with %v, want it broken off", what, rest+1<<20, err)
		}
	}
	for i := range n.Edges {
		from := fmt.Sprintf("198.18.%d.9", i)
		for path, want := range map[string][]byte{"part.bin": secret[:4<<20], "other.bin": other} {
			if got := n.fetchFrom("revoke/other/"+path, from, 5*time.Second); !bytes.Equal(got, want) {
				t.Errorf("%s from %s: got %d bytes, want %d, or others", path, from, len(got), len(want))
			}
		}
	}
}

// slowClient has sockets with small buffers: what it does not read stays with
// the server.
func slowClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if tcp, ok := conn.(*net.TCPConn); ok {
			err = tcp.SetReadBuffer(64 << 10)
		}
		return conn, err
	}}}
}

// ticketed asks the router for an edge's URL and follows no further.
func (n *network) ticketed(path, address string) string {
	n.t.Helper()
	req, err := http.NewRequestWithContext(n.t.Context(), http.MethodGet, n.Router+"/"+path, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", address)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		n.t.Fatal(err)
	}
	resp.Body.Close()
	location := resp.Header.Get("Location")
	if resp.StatusCode != http.StatusTemporaryRedirect || !strings.HasPrefix(location, "http://127.0.0.") {
		n.t.Fatalf("%s: %s to %q, want 307 to an edge", path, resp.Status, location)
	}
	return location
}

// getStatus reads the first bytes of an answer, following redirects.
func getStatus(t *testing.T, address string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Range", "bytes=0-9")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16)); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == http.StatusPartialContent {
		return http.StatusOK
	}
	return resp.StatusCode
}
