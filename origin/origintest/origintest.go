// Package origintest is a network in one process for tests: a meta node that
// keeps names in maps and checks every signature, and edges that are real
// handlers over stores in memory.
//
// The meta node here trusts nobody: a publication is refused unless each edge
// that it calls durable really has every block under root and manifest.
package origintest

import (
	"crypto/ed25519"
	"net/http"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

// ChainID of the network.
const ChainID = "origintest"

// Net is a running network.
type Net struct {
	Meta  *Meta
	Edges []*Edge
	// HTTP reaches the edges.
	HTTP *http.Client
}

// Start starts a network with edges numbered from 1; it ends with the test.
func Start(t testing.TB, edges int) *Net {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	n := &Net{HTTP: &http.Client{Transport: transport}}
	n.Meta = &Meta{
		net: n, key: private, public: public, Replicas: 3, GrantLife: 24 * time.Hour,
		names: map[meta.Name]meta.Record{}, deleted: map[meta.Name]bool{}, ended: map[meta.Name]int{}, owners: map[string]string{}, signed: map[meta.Name]time.Time{},
	}
	for i := range edges {
		n.Edges = append(n.Edges, startEdge(t, n, meta.EdgeID(i+1)))
	}
	return n
}

// Edge returns the edge of a number.
func (n *Net) Edge(id meta.EdgeID) *Edge { return n.Edges[id-1] }
