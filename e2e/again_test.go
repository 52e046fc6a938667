package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestUpOnAUsedFolderResumesTheNetwork(t *testing.T) {
	n := start(t, "--edges", "3")
	want := content(100, 2<<20+3)
	n.stratos("put", folderFile(t, "a.bin", want), "again/a.bin")
	first := *n.Network
	first.Edges = slices.Clone(n.Edges)

	n.up() // all of it runs: nothing changes, not even a pid
	if diff := cmp.Diff(first, *n.Network); diff != "" {
		t.Errorf("up on a running network changed it (-before +after):\n%s", diff)
	}

	n.stratos("down")
	if left := processesBelow(t, n.dir); len(left) > 0 {
		t.Errorf("down left processes: %v", left)
	}
	n.stratos("down") // again is harmless

	n.up()
	for i := range n.Edges {
		if n.Edges[i].PID == first.Edges[i].PID || n.Edges[i].PID == 0 {
			t.Errorf("edge %d has pid %d, before %d", i+1, n.Edges[i].PID, first.Edges[i].PID)
		}
		first.Edges[i].PID = n.Edges[i].PID
	}
	if diff := cmp.Diff(first, *n.Network); diff != "" {
		t.Errorf("the resumed network is another one (-before +after):\n%s", diff)
	}
	if got := n.fetch("again/a.bin", 5*time.Second); !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, want %d, or others", len(got), len(want))
	}
	if out, errOut, err := n.try("up", "--detach", "--edges", "4"); err == nil || !strings.Contains(errOut, "3 edges") {
		t.Errorf("up with another number of edges: %v, %q %q; want it refused with the number there is", err, out, errOut)
	}
}

func TestNetworkJSONHasItsPublishedShape(t *testing.T) {
	n := start(t, "--edges", "2")
	text, err := os.ReadFile(filepath.Join(n.dir, "network.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	edge := map[string]any{
		"id": "number", "url": "http://", "tls_url": "https://", "region": "string", "operator": "string",
		"lat": "number", "lon": "number", "pid": "number", "dir": "/",
	}
	want := map[string]any{
		"version": "number", "router": "http://", "origin": "http://", "meta": []any{"http://"}, "edges": []any{edge, edge},
		"ca": "/", "chain": nil, "api_key": "string",
	}
	if diff := cmp.Diff(want, shape(got)); diff != "" {
		t.Errorf("network.json (-want +got):\n%s", diff)
	}
	for i, e := range n.Edges {
		for _, address := range []string{e.URL, e.TLSURL} {
			if host := fmt.Sprintf("://127.0.0.%d:", i+2); !strings.Contains(address, host) {
				t.Errorf("edge %d is at %s, want %s", i+1, address, host)
			}
		}
		if _, err := os.Stat(e.Dir); err != nil {
			t.Error(err)
		}
	}
	if port := func(i int) string { return n.Edges[i].URL[strings.LastIndexByte(n.Edges[i].URL, ':'):] }; port(0) != port(1) {
		t.Errorf("edges are on ports %s and %s, want one", port(0), port(1))
	}
	if info, err := os.Stat(filepath.Join(n.dir, "network.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v: it holds a key and must be the owner's alone", info.Mode(), err)
	}
}

// shape replaces the leaves of JSON by their kind; addresses by how they begin.
func shape(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = shape(v[k])
		}
		return v
	case []any:
		for i := range v {
			v[i] = shape(v[i])
		}
		return v
	case float64:
		return "number"
	case string:
		for _, begin := range []string{"http://", "https://", "/"} {
			if strings.HasPrefix(v, begin) {
				return begin
			}
		}
		return "string"
	}
	return v
}

// processesBelow lists the processes that work in a folder.
func processesBelow(t *testing.T, dir string) (out []string) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if cwd, err := os.Readlink(link); err == nil && strings.HasPrefix(cwd, dir) {
			out = append(out, link+" → "+cwd)
		}
	}
	return out
}
