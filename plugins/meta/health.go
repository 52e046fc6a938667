package caddymeta

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

// isCall tells the paths of calls to a meta node.
func isCall(path string) bool { return strings.HasPrefix(path, "/stratos.meta.v1.") }

// healthz says that the process answers.
func healthz(w http.ResponseWriter) error {
	return answer(w, http.StatusOK, map[string]any{"status": "ok", "role": "meta"})
}

// readiness is the answer of /readyz: whether calls may be sent here, and why
// not. A halted repair is shown; calls work none the less.
type readiness struct {
	Ready         bool     `json:"ready"`
	Role          string   `json:"role"`
	Reasons       []string `json:"reasons,omitempty"`
	ChainID       string   `json:"chain_id,omitempty"`
	JournalHeight uint64   `json:"journal_height"`
	LiveEdges     int      `json:"live_edges"`
	RepairHalted  bool     `json:"repair_halted"`
	RepairReason  string   `json:"repair_reason,omitempty"`
}

func readyz(w http.ResponseWriter, r *http.Request, p *hold) error {
	out := readiness{Role: "meta"}
	running := p.running.Load()
	if running == nil {
		out.Reasons = []string{"the meta node is not open yet"}
		return answer(w, http.StatusServiceUnavailable, out)
	}
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
	defer cancel()
	status, err := running.Status(ctx)
	if err != nil {
		out.Reasons = []string{"the view store does not answer"} // its error may tell addresses
		return answer(w, http.StatusServiceUnavailable, out)
	}
	out.Ready, out.ChainID, out.JournalHeight = true, status.ChainID, status.JournalHeight
	out.RepairHalted, out.RepairReason = status.RepairHalted, status.RepairReason
	for _, e := range status.Edges {
		if e.State == meta.Live {
			out.LiveEdges++
		}
	}
	return answer(w, http.StatusOK, out)
}

func answer(w http.ResponseWriter, status int, body any) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(body)
}
