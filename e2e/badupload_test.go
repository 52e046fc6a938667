package e2e

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestBadUploadsPublishNothing(t *testing.T) {
	n := start(t, "--edges", "2")
	data := content(160, 3<<20)
	other := sha256.Sum256([]byte("other"))
	digest := "sha-256=:" + base64.StdEncoding.EncodeToString(other[:]) + ":"
	for name, c := range map[string]struct {
		header []string
		want   []int
	}{
		"a digest of other bytes":    {[]string{"Content-Digest", digest}, []int{400}},
		"another digest of others":   {[]string{"Repr-Digest", digest}, []int{400}},
		"a digest that is none":      {[]string{"Content-Digest", "sha-256=:AAAA:"}, []int{400}},
		"a part of something":        {[]string{"Content-Range", "bytes 0-5/10"}, []int{400}},
		"a coding":                   {[]string{"Content-Encoding", "gzip"}, []int{415}},
		"a key that nobody has made": {[]string{"Authorization", "Bearer forged"}, []int{401}},
		"a condition that fails":     {[]string{"If-Match", `"bafkqaaa"`}, []int{400, 412}},
	} {
		t.Run(name, func(t *testing.T) {
			req := n.request(http.MethodPut, n.Origin+"/v1/files/bad-upload/a.bin")
			req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
			req.Header.Set("Authorization", "Bearer "+n.APIKey)
			for i := 0; i < len(c.header); i += 2 {
				req.Header.Set(c.header[i], c.header[i+1])
			}
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			isProblem(t, resp, c.want...)
		})
	}
	t.Run("bytes that never come", func(t *testing.T) {
		conn := n.put(t, "bad-upload/a.bin", int64(len(data)))
		conn.Write(data[:2<<20])
		conn.Close()
	})
	t.Run("more than anybody may send", func(t *testing.T) {
		resp, _ := n.raw(t, n.Origin+"/v1/files/bad-upload/a.bin", "Authorization: Bearer "+n.APIKey)
		isProblem(t, resp, 404)
		conn := n.put(t, "bad-upload/a.bin", 1<<62)
		defer conn.Close()
		answer := make([]byte, 12)
		if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "HTTP/1.1 413" {
			t.Errorf("%q, %v: want 413 before the body", answer, err)
		}
	})
	t.Run("tus", func(t *testing.T) {
		location := n.create("bad-upload/tus.bin", len(data))
		sum := sha1.Sum([]byte("other"))
		patch := func(at int, body []byte, header ...string) *http.Response {
			return n.tus(http.MethodPatch, location, bytes.NewReader(body), append([]string{
				"Upload-Offset", fmt.Sprint(at), "Content-Type", "application/offset+octet-stream",
			}, header...)...)
		}
		isProblem(t, patch(0, data[:1<<20], "Upload-Checksum", "sha1 "+base64.StdEncoding.EncodeToString(sum[:])), 460)
		isProblem(t, patch(0, data[:1<<20], "Upload-Checksum", "md9 AAAA"), 400)
		isProblem(t, patch(5, data[:1<<20]), 409)
		isProblem(t, patch(0, append(data[:len(data):len(data)], 1)), 400, 413)
		isProblem(t, n.tus(http.MethodPatch, location+"x", bytes.NewReader(data), "Upload-Offset", "0", "Content-Type", "application/offset+octet-stream"), 404)
		resp := n.tus(http.MethodHead, location, nil)
		if at := resp.Header.Get("Upload-Offset"); at != "0" {
			t.Errorf("offset %q after nothing but mistakes, want 0", at)
		}
		if resp := n.patch(location, 0, data); resp.StatusCode != http.StatusNoContent {
			t.Errorf("the upload without a mistake: %s", resp.Status)
		}
	})
	if out := n.stratos("ls", "bad-upload"); strings.Contains(out, "a.bin") {
		t.Errorf("something was published:\n%s", out)
	}
	if got := n.fetch("bad-upload/tus.bin", 5*time.Second); !bytes.Equal(got, data) {
		t.Error("the good upload reads back with other bytes")
	}
	n.checkMemory()
}

// put begins an upload by hand, up to its body.
func (n *network) put(t *testing.T, name string, length int64) net.Conn {
	t.Helper()
	host := strings.TrimPrefix(n.Origin, "http://")
	conn, err := net.DialTimeout("tcp", host, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "PUT /v1/files/%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n",
		name, host, n.APIKey, length); err != nil {
		t.Fatal(err)
	}
	return conn
}
