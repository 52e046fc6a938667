package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
)

// edgeStatus is part of what an edge tells its operator at /stratos/status.
type edgeStatus struct {
	Revocation, Sessions uint64
	Units                []struct {
		Name     string
		Complete bool
	}
	Pinned struct{ Bytes, Blocks int64 }
	Cached struct{ Bytes, Blocks int64 }
}

// edge asks an edge's admin API what it holds.
func (n *network) edge(i int) edgeStatus {
	n.t.Helper()
	resp, err := n.admin(i, "/stratos/status")
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	var all struct{ Edges []edgeStatus }
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil || len(all.Edges) != 1 {
		n.t.Fatalf("edge %d: status %s: %v, %d edges", i+1, resp.Status, err, len(all.Edges))
	}
	return all.Edges[0]
}

// admin asks an edge on its unix socket. The socket is reached through /proc
// because a path may be longer than the 108 bytes of a socket name.
func (n *network) admin(i int, path string) (*http.Response, error) {
	n.t.Helper()
	pid := n.role(fmt.Sprintf("edge-%d", i+1)).PID()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", fmt.Sprintf("/proc/%d/cwd/admin.sock", pid))
		},
	}}
	return client.Get("http://127.0.0.1" + path)
}

// pinnedBlocks of every edge.
func (n *network) pinnedBlocks() string {
	n.t.Helper()
	var out []int64
	for i := range n.Edges {
		out = append(out, n.edge(i).Pinned.Blocks)
	}
	return fmt.Sprint(out)
}
