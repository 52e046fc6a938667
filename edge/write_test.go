package edge

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/edge/write"
	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/sds/slicehttp"
)

// origin is a node that may write under a grant.
func (w *world) origin(t *testing.T) *nodeauth.Signer {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w.meta.change(func(n *meta.Network) { n.Origins = append(n.Origins, public) })
	w.settle()
	return nodeauth.NewSigner(key)
}

// grant for all edges of the world; edit may spoil it before it is signed.
func (w *world) grant(edit func(*meta.Grant)) *meta.Grant {
	g := &meta.Grant{Authority: testAuthority, MaxBytes: 100 << 20, Until: time.Now().Add(time.Hour).Truncate(time.Second)}
	rand.Read(g.Upload[:])
	rand.Read(g.Unit[:])
	for _, e := range w.edges {
		g.Edges = append(g.Edges, e.id)
	}
	if edit != nil {
		edit(g)
	}
	g.Sign(w.meta.key, testChain)
	return g
}

// put writes a block to an edge and returns status and answer.
func (e *testEdge) put(t *testing.T, signer *nodeauth.Signer, grant *meta.Grant, hops string, cid sds.CID, block []byte) (int, []meta.EdgeID) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPut, e.server.URL+"/slices/"+cid.String(), bytes.NewReader(block))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Digest", slicehttp.ContentDigest(cid))
	if grant != nil {
		r.Header.Set(write.GrantField, base64.RawURLEncoding.EncodeToString(grant.Encode()))
	}
	if hops != "" {
		r.Header.Set(write.HopsField, hops)
	}
	if signer != nil {
		if err := signer.Sign(r); err != nil {
			t.Fatal(err)
		}
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer write.Answer
	if response.StatusCode == 200 {
		if err := json.Unmarshal(body, &answer); err != nil {
			t.Fatal(err)
		}
	}
	return response.StatusCode, answer.Durable
}

func TestASliceUnderAGrantGoesDownTheChain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	origin, grant := w.origin(t), w.grant(nil)
	block := content(1, 1<<20)
	cid := sds.Sum(sds.Raw, block)
	status, durable := w.edges[0].put(t, origin, grant, "2,3", cid, block)
	if status != 200 || !slices.Equal(durable, []meta.EdgeID{1, 2, 3}) {
		t.Fatalf("status %d, durable on %v", status, durable)
	}
	for _, e := range w.edges {
		if got, err := e.disk.Get(t.Context(), cid); err != nil || !bytes.Equal(got, block) {
			t.Errorf("edge %d: %v", e.id, err)
		}
		pinned, _ := e.disk.Usage()
		if pinned.Blocks != 1 || e.leases.Len() != 1 {
			t.Errorf("edge %d: %d blocks pinned, %d leases", e.id, pinned.Blocks, e.leases.Len())
		}
	}
}

func TestADeadEdgeDoesNotCutOffTheRestOfTheChain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	origin, grant := w.origin(t), w.grant(nil)
	w.edges[1].server.CloseClientConnections()
	w.edges[1].answer(func(rw http.ResponseWriter, r *http.Request) { rw.WriteHeader(503) })
	block := content(1, 300_000)
	status, durable := w.edges[0].put(t, origin, grant, "2,3", sds.Sum(sds.Raw, block), block)
	if status != 200 || !slices.Equal(durable, []meta.EdgeID{1, 3}) {
		t.Fatalf("status %d, durable on %v, want 1 and 3", status, durable)
	}
}

func TestAWriteIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	origin := w.origin(t)
	block := content(1, 100_000)
	cid := sds.Sum(sds.Raw, block)
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	forged := w.grant(nil)
	forged.MaxBytes++
	banned := content(2, 100_000)
	w.revoke(t, meta.Revocation{Kind: meta.ByNetwork, Objects: []sds.CID{sds.Sum(sds.Raw, banned)}, Root: sds.Sum(sds.DagPB, []byte("wrap"))})
	for name, c := range map[string]struct {
		signer *nodeauth.Signer
		grant  *meta.Grant
		hops   string
		cid    sds.CID
		block  []byte
		status int
	}{
		"without a grant":                 {origin, nil, "", cid, block, 403},
		"under a forged grant":            {origin, forged, "", cid, block, 403},
		"under another authority":         {origin, w.grant(func(g *meta.Grant) { g.Authority = 9 }), "", cid, block, 403},
		"under a grant for other edges":   {origin, w.grant(func(g *meta.Grant) { g.Edges = []meta.EdgeID{2} }), "", cid, block, 403},
		"under a grant that has ended":    {origin, w.grant(func(g *meta.Grant) { g.Until = time.Now().Add(-time.Second) }), "", cid, block, 403},
		"beyond the grant's bytes":        {origin, w.grant(func(g *meta.Grant) { g.MaxBytes = 99_999 }), "", cid, block, 403},
		"to a hop outside the grant":      {origin, w.grant(nil), "7", cid, block, 403},
		"to a hop twice":                  {origin, w.grant(nil), "2,2", cid, block, 403},
		"with hops that are no numbers":   {origin, w.grant(nil), "x", cid, block, 400},
		"without a signature":             {nil, w.grant(nil), "", cid, block, 401},
		"by a stranger":                   {nodeauth.NewSigner(stranger), w.grant(nil), "", cid, block, 401},
		"of bytes that are not the CID's": {origin, w.grant(nil), "", cid, content(3, 100_000), 401}, // the signature covers their digest
		"that is too large":               {origin, w.grant(nil), "", sds.Sum(sds.Raw, make([]byte, 3<<20)), make([]byte, 3<<20), 413},
		"that is banned":                  {origin, w.grant(nil), "", sds.Sum(sds.Raw, banned), banned, 451},
	} {
		t.Run(name, func(t *testing.T) {
			status, _ := w.edges[0].put(t, c.signer, c.grant, c.hops, c.cid, c.block)
			if status != c.status {
				t.Errorf("status %d, want %d", status, c.status)
			}
		})
	}
	if pinned, _ := w.edges[0].disk.Usage(); pinned.Blocks != 0 {
		t.Errorf("%d blocks were stored", pinned.Blocks)
	}
}

func TestAnUploadKeepsToItsBudgetOverManySlices(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	origin := w.origin(t)
	grant := w.grant(func(g *meta.Grant) { g.MaxBytes = 250_000 })
	for i, status := range []int{200, 200, 403} {
		block := content(i, 100_000)
		if got, _ := w.edges[0].put(t, origin, grant, "", sds.Sum(sds.Raw, block), block); got != status {
			t.Errorf("slice %d: status %d, want %d", i, got, status)
		}
	}
	block := content(0, 100_000)
	if got, _ := w.edges[0].put(t, origin, grant, "", sds.Sum(sds.Raw, block), block); got != 200 {
		t.Errorf("the same slice again: status %d, want 200", got)
	}
}
