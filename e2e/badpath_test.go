package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestAbsurdPathsAndRangesAreRefusedClearly(t *testing.T) {
	n := start(t, "--edges", "2")
	want := content(130, 2<<20+1)
	n.stratos("put", folder(t, map[string][]byte{"a.bin": want}), "bad/folder")
	n.stratos("put", folderFile(t, "a.bin", want), "bad/a.bin")
	bundle, object := n.ticketed("bad/folder/a.bin", "198.18.0.9"), n.ticketed("bad/a.bin", "198.18.0.9")

	for name, path := range map[string]string{
		"a parent folder":         "bad/../secret",
		"an encoded parent":       "bad/%2e%2e/secret",
		"a parent of everything":  "../../../../etc/passwd",
		"an encoded slash":        "bad/folder%2Fa.bin",
		"a control character":     "bad/folder/a%00.bin",
		"a line feed":             "bad/folder/a%0ab",
		"an escape":               "bad/folder/%1b[31m",
		"no UTF-8":                "bad/folder/%ff%fe",
		"an empty component":      "bad//a.bin",
		"10,000 components":       "bad" + strings.Repeat("/a", 10_000),
		"a long component":        "bad/folder/" + strings.Repeat("a", 5000),
		"a namespace of no shape": "BAD_NAME/a.bin",
	} {
		for door, target := range map[string]string{
			"router": n.Router + "/" + path, "edge without a ticket": n.Edges[0].URL + "/" + path,
			"edge with a ticket": strings.TrimSuffix(bundle, "bad/folder/a.bin") + path,
			"origin":             n.Origin + "/v1/files/" + path, "route": n.Router + "/v1/route/" + path,
		} {
			t.Run(name+" at "+door, func(t *testing.T) {
				resp, _ := n.raw(t, target, "Authorization: Bearer "+n.APIKey)
				if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge { // by the server, before it is read
					isProblem(t, resp, 400, 404)
				}
			})
		}
	}
	for name, value := range map[string]string{
		"1,000 ranges":            "bytes=" + strings.Repeat("0-0,", 999) + "1-1",
		"overlapping":             "bytes=0-,0-,0-,0-,0-,0-",
		"numbers of 40 digits":    "bytes=" + strings.Repeat("9", 40) + "-" + strings.Repeat("9", 40),
		"an end of 40 digits":     "bytes=0-" + strings.Repeat("9", 40),
		"a suffix of 40 digits":   "bytes=-" + strings.Repeat("9", 40),
		"backwards":               "bytes=5-2",
		"beyond the end":          fmt.Sprintf("bytes=%d-", len(want)),
		"a suffix of nothing":     "bytes=-0",
		"negative":                "bytes=--5",
		"no number":               "bytes=a-b",
		"another unit":            "lines=1-2",
		"64 KB of commas":         "bytes=" + strings.Repeat(",", 64_000),
		"a comma at a time apart": "bytes=" + strings.Repeat("0-0, ,", 100),
	} {
		for _, target := range []string{bundle, object} {
			t.Run("range: "+name, func(t *testing.T) {
				resp, size := n.raw(t, target, "Range: "+value)
				switch resp.StatusCode {
				case http.StatusRequestHeaderFieldsTooLarge:
				case http.StatusRequestedRangeNotSatisfiable:
					isProblem(t, resp, resp.StatusCode)
				case http.StatusOK, http.StatusPartialContent:
					if size > int64(len(want))+4096 {
						t.Errorf("%d bytes for an object of %d", size, len(want))
					}
				default:
					t.Errorf("%s, want 200, 206, 416 or 431", resp.Status)
				}
			})
		}
	}
	n.checkMemory()
}

// raw sends a request target as it is, which a client library would clean, and
// returns the answer with the size of its body.
func (n *network) raw(t *testing.T, target string, headers ...string) (*http.Response, int64) {
	t.Helper()
	scheme, rest, _ := strings.Cut(target, "://")
	host, path, _ := strings.Cut(rest, "/")
	if scheme != "http" {
		t.Fatalf("raw %s", target)
	}
	conn, err := net.DialTimeout("tcp", host, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	text := "GET /" + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n" + strings.Join(headers, "\r\n") + "\r\n\r\n"
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodGet, URL: &url.URL{}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	size, err := io.Copy(io.Discard, resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, size
}

// isProblem holds an answer to RFC 9457 and to what all errors promise.
func isProblem(t *testing.T, resp *http.Response, statuses ...int) {
	t.Helper()
	good := false
	for _, s := range statuses {
		good = good || resp.StatusCode == s
	}
	if !good || resp.Header.Get("Content-Type") != "application/problem+json" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s, %q, %q; want one of %v as application/problem+json, no-store",
			resp.Status, resp.Header.Get("Content-Type"), resp.Header.Get("Cache-Control"), statuses)
	}
}
