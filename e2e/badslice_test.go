package e2e

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/internal/devnet"
	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

func TestSlicesAreForNodesAndWritesForGrantsOnly(t *testing.T) {
	n := start(t, "--edges", "2")
	data := content(150, 1<<20)
	n.stratos("put", folderFile(t, "slice.bin", data), "slices-e2e/slice.bin")
	kept := sds.CID{Codec: sds.Raw, Digest: sha256.Sum256(data)}
	fresh := content(151, 1<<20)
	wanted := sds.CID{Codec: sds.Raw, Digest: sha256.Sum256(fresh)}

	stranger := n.key(filepath.Join(t.TempDir(), "key"))
	origin, authority := n.key(filepath.Join(n.role("origin").Dir, "node.key")), n.key(filepath.Join(n.role("meta-1").Dir, "node.key"))
	grant := func(sign ed25519.PrivateKey, change func(*meta.Grant)) string {
		g := &meta.Grant{
			Authority: 1, Upload: [16]byte{1}, Unit: meta.UnitKey{1}, Edges: []meta.EdgeID{meta.EdgeID(n.Edges[0].ID)},
			MaxBytes: 10 << 20, Until: time.Now().Add(time.Hour).UTC().Truncate(time.Second),
		}
		if change != nil {
			change(g)
		}
		g.Sign(sign, devnet.ChainID)
		return base64.RawURLEncoding.EncodeToString(g.Encode())
	}
	good := grant(authority, nil)
	for _, c := range []struct {
		name, method string
		path         string
		body         []byte
		key          ed25519.PrivateKey // nil signs nothing
		grant        string
		want         []int
	}{
		{"reading without a signature", "GET", kept.String(), nil, nil, "", []int{401}},
		{"reading with a stranger's", "GET", kept.String(), nil, stranger, "", []int{401, 403}},
		{"reading what is no CID", "GET", "../../../../etc/passwd", nil, origin, "", []int{400, 404}},
		{"reading a CID of another hash", "GET", "bafk2bzaceaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", nil, origin, "", []int{400}},
		{"reading a megabyte of name", "GET", strings.Repeat("b", 10_000), nil, origin, "", []int{400, 404}},
		{"writing without a signature", "PUT", wanted.String(), fresh, nil, good, []int{401}},
		{"writing with a stranger's", "PUT", wanted.String(), fresh, stranger, good, []int{401, 403}},
		{"writing without a grant", "PUT", wanted.String(), fresh, origin, "", []int{400, 401, 403}},
		{"a grant that is noise", "PUT", wanted.String(), fresh, origin, "AAAA", []int{400, 403}},
		{"a grant that a stranger signed", "PUT", wanted.String(), fresh, origin, grant(stranger, nil), []int{403}},
		{"a grant that origin signed itself", "PUT", wanted.String(), fresh, origin, grant(origin, nil), []int{403}},
		{"a grant that is over", "PUT", wanted.String(), fresh, origin, grant(authority, func(g *meta.Grant) { g.Until = g.Until.Add(-2 * time.Hour) }), []int{403}},
		{"a grant for another edge", "PUT", wanted.String(), fresh, origin, grant(authority, func(g *meta.Grant) { g.Edges[0] = 99 }), []int{403}},
		{"a grant for fewer bytes", "PUT", wanted.String(), fresh, origin, grant(authority, func(g *meta.Grant) { g.Upload[0], g.MaxBytes = 2, 1000 }), []int{403, 413}},
		{"other bytes than the name says", "PUT", wanted.String(), data, origin, good, []int{400, 422}},
		{"more than a block may have", "PUT", wanted.String(), content(1, 5<<20), origin, good, []int{400, 413, 422}},
		{"nothing", "PUT", wanted.String(), nil, origin, good, []int{400, 411, 422}},
		{"deleting", "DELETE", kept.String(), nil, origin, good, []int{405}},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), c.method, n.Edges[0].URL+"/slices/"+c.path, bytes.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if c.grant != "" {
				req.Header.Set("Stratos-Grant", c.grant)
			}
			if c.key != nil {
				if err := nodeauth.NewSigner(c.key).Sign(req); err != nil {
					t.Fatal(err)
				}
			}
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			isProblem(t, resp, c.want...)
		})
	}
	req := n.request(http.MethodGet, n.Edges[0].URL+"/slices/"+wanted.String())
	if err := nodeauth.NewSigner(origin).Sign(req); err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000)); resp.StatusCode != http.StatusNotFound {
		t.Errorf("after all refusals the slice is there: %s %.200s", resp.Status, text)
	}
	n.checkMemory()
}

// key reads a node's key, or makes one.
func (n *network) key(path string) ed25519.PrivateKey {
	n.t.Helper()
	key, err := nodeauth.LoadOrCreate(path)
	if err != nil {
		n.t.Fatal(err)
	}
	return key
}
