package edge

import (
	"encoding/json"
	"net/http"
	"runtime/debug"

	"github.com/stratos-mesh/stratos/edge/outside"
	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/internal/nodeauth"
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

func (n *node) wellKnown(w http.ResponseWriter, r *http.Request) {
	network := n.peers.Now()
	id := outside.Identity{
		Role: "edge", ID: uint32(network.ID()), Key: nodeauth.KeyID(n.signer.Key()),
		ChainID: network.ChainID, Version: version(),
	}
	if nonce := r.URL.Query().Get("nonce"); nonce != "" {
		if err := id.Prove(n.app.Load().key, nonce); err != nil {
			httperr.Write(w, r, httperr.New(http.StatusBadRequest, "malformed", err.Error()))
			return
		}
	}
	answer(w, r, http.StatusOK, id)
}

// version is this build's, from what the Go toolchain recorded.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "devel"
	}
	return info.Main.Version
}
