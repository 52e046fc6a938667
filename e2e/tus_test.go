package e2e

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"
)

func TestWhatOriginAcknowledgedSurvivesKill9(t *testing.T) {
	n := start(t, "--edges", "3")
	want := content(95, 13<<20+7)
	location := n.create("resume/acked.bin", len(want))
	at := 0
	for _, size := range []int{5 << 20, 100, 3<<20 + 1} {
		resp := n.patch(location, at, want[at:at+size])
		if resp.StatusCode != http.StatusNoContent {
			t.Fatalf("patch at %d: %s", at, resp.Status)
		}
		at += size
		n.kill("origin")
		n.up()
		resp = n.tus(http.MethodHead, location, nil)
		if got := resp.Header.Get("Upload-Offset"); got != strconv.Itoa(at) {
			t.Fatalf("offset %q after kill -9, %d bytes were acknowledged", got, at)
		}
	}
	if resp := n.patch(location, at, want[at:]); resp.StatusCode != http.StatusNoContent {
		t.Fatalf("the last patch: %s", resp.Status)
	}
	// Published is acknowledged too.
	n.kill("origin", "meta-1")
	n.up()
	if got := n.fetch("resume/acked.bin", 10*time.Second); !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, want %d, or others", len(got), len(want))
	}
}

func TestAnUploadBegunWithAnEdgeMissingEndsWithAllReplicas(t *testing.T) {
	n := start(t, "--edges", "3")
	n.kill("edge-3")
	eventually(t, 20*time.Second, "edge 3 is missed", func() error {
		if s := n.status().Edges[2].State; s != "down" {
			return fmt.Errorf("it is %s", s)
		}
		return nil
	})
	want := content(96, 9<<20+7)
	location := n.create("resume/late.bin", len(want))
	half := len(want) / 2
	if resp := n.patch(location, 0, want[:half]); resp.StatusCode != http.StatusNoContent {
		t.Fatalf("the first half: %s", resp.Status)
	}
	n.up()
	if resp := n.patch(location, half, want[half:]); resp.StatusCode != http.StatusNoContent {
		t.Fatalf("the second half: %s", resp.Status)
	}
	if got := n.fetch("resume/late.bin", 10*time.Second); !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, want %d, or others", len(got), len(want))
	}
	n.replicated(20*time.Second, 3)
}

// create opens an upload and returns its URL.
func (n *network) create(name string, size int) string {
	n.t.Helper()
	resp := n.tus(http.MethodPost, n.Origin+"/v1/uploads", nil, "Upload-Length", strconv.Itoa(size),
		"Upload-Metadata", "name "+base64.StdEncoding.EncodeToString([]byte(name)))
	location, err := resp.Request.URL.Parse(resp.Header.Get("Location"))
	if err != nil || resp.StatusCode != http.StatusCreated {
		n.t.Fatalf("create: %s, %v", resp.Status, err)
	}
	return location.String()
}

func (n *network) patch(location string, at int, data []byte) *http.Response {
	n.t.Helper()
	return n.tus(http.MethodPatch, location, bytes.NewReader(data),
		"Upload-Offset", strconv.Itoa(at), "Content-Type", "application/offset+octet-stream")
}

// tus sends one request of the protocol with origin's key.
func (n *network) tus(method, address string, body io.Reader, header ...string) *http.Response {
	n.t.Helper()
	req, err := http.NewRequestWithContext(n.t.Context(), method, address, body)
	if err != nil {
		n.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+n.APIKey)
	req.Header.Set("Tus-Resumable", "1.0.0")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		n.t.Logf("%s %s: %s: %s", method, address, resp.Status, text)
	}
	return resp
}
