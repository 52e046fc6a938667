package edge

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/meta"
)

// healthz: the process is alive.
func (n *node) healthz(w http.ResponseWriter, r *http.Request) {
	answer(w, r, http.StatusOK, map[string]any{"status": "ok"})
}

// readyz: the edge takes new sessions; if not, why not.
func (n *node) readyz(w http.ResponseWriter, r *http.Request) {
	reasons := n.unready()
	status := http.StatusOK
	if len(reasons) > 0 {
		status = http.StatusServiceUnavailable
	}
	answer(w, r, status, map[string]any{"ready": len(reasons) == 0, "reasons": reasons})
}

func (n *node) unready() []string {
	reasons := []string{}
	if n.isDraining() {
		reasons = append(reasons, "draining: no new sessions are taken")
	}
	if n.peers.Now().ID() == 0 {
		reasons = append(reasons, "not admitted: no meta node has named this edge's key yet")
	}
	return reasons
}

func answer(w http.ResponseWriter, r *http.Request, status int, body any) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		httperr.Write(w, r, httperr.New(http.StatusMethodNotAllowed, "method", "GET or HEAD"))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		_ = json.NewEncoder(w).Encode(body) // nobody is left to tell
	}
}

const wellKnown = "/.well-known/stratos"

// identity is the answer at /.well-known/stratos: who this node is, and with a
// nonce the proof that it holds the key.
type identity struct {
	Role      string `json:"role"`
	ID        uint32 `json:"id"`
	Key       string `json:"key"`
	ChainID   string `json:"chain_id"`
	Version   string `json:"version"`
	Nonce     string `json:"nonce,omitempty"`
	Signature string `json:"signature,omitempty"`
}

// maxNonce bounds what a stranger may have signed.
const maxNonce = 64

func proof(chainID, nonce string) []byte {
	return []byte("stratos/well-known/v1\x00" + chainID + "\x00" + nonce)
}

func (n *node) wellKnown(w http.ResponseWriter, r *http.Request) {
	network := n.peers.Now()
	id := identity{
		Role: "edge", ID: uint32(network.ID()), Key: nodeauth.KeyID(n.signer.Key()),
		ChainID: network.ChainID, Version: version(),
	}
	if nonce := r.URL.Query().Get("nonce"); nonce != "" {
		if len(nonce) > maxNonce || strings.Trim(nonce, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			httperr.Write(w, r, httperr.New(http.StatusBadRequest, "malformed", "a nonce is at most 64 characters of base64url"))
			return
		}
		id.Nonce = nonce
		id.Signature = base64.RawURLEncoding.EncodeToString(ed25519.Sign(n.app.Load().key, proof(network.ChainID, nonce)))
	}
	answer(w, r, http.StatusOK, id)
}

const dialTimeout = 10 * time.Second

// dial looks at another edge from outside: its endpoints answer, with a
// certificate that is trusted here, and prove the edge's key.
func (n *node) dial(ctx context.Context, target *meta.Edge) error {
	bases := []string{}
	for _, base := range []string{target.TLSURL, target.URL} {
		if base != "" {
			bases = append(bases, base)
		}
	}
	if len(bases) == 0 {
		return fmt.Errorf("edge %d has no endpoint", target.ID)
	}
	for _, base := range bases {
		if err := n.dialOne(ctx, base, target); err != nil {
			return fmt.Errorf("dial edge %d at %s: %w", target.ID, base, err)
		}
	}
	return nil
}

func (n *node) dialOne(ctx context.Context, base string, target *meta.Edge) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	nonce := newNonce()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+wellKnown+"?nonce="+url.QueryEscape(nonce), nil)
	if err != nil {
		return err
	}
	response, err := n.app.Load().client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("it answered %s", response.Status)
	}
	var id identity
	if err := json.NewDecoder(http.MaxBytesReader(nil, response.Body, 16<<10)).Decode(&id); err != nil {
		return fmt.Errorf("its identity: %w", err)
	}
	signature, err := base64.RawURLEncoding.DecodeString(id.Signature)
	if err != nil || id.Nonce != nonce || !ed25519.Verify(target.Key, proof(n.peers.Now().ChainID, nonce), signature) {
		return fmt.Errorf("somebody else answers there: key %s, want %s", id.Key, nodeauth.KeyID(target.Key))
	}
	return nil
}

// version is this build's, from what the Go toolchain recorded.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "devel"
	}
	return info.Main.Version
}
