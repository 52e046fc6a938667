package edge

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/meta"
)

// admin adds routes to Caddy's admin API:
//
//	GET  /stratos/status   what this edge holds, serves and knows
//	POST /stratos/drain    take no new sessions; {"draining":false} takes them again
type admin struct{}

// CaddyModule returns the module's name.
func (*admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.stratos", New: func() caddy.Module { return new(admin) }}
}

// Routes of the admin API.
func (*admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: "/stratos/status", Handler: caddy.AdminHandlerFunc(adminStatus)},
		{Pattern: "/stratos/drain", Handler: caddy.AdminHandlerFunc(adminDrain)},
	}
}

// nodes lists the edges that run in this process.
func nodes() []*node {
	var out []*node
	pool.Range(func(_, value any) bool {
		if n, ok := value.(*node); ok {
			out = append(out, n)
		}
		return true
	})
	return out
}

// status of one edge, for people and for `stratos status`.
type status struct {
	ID            meta.EdgeID  `json:"id"`
	Key           string       `json:"key"`
	Version       string       `json:"version"`
	Ready         bool         `json:"ready"`
	Reasons       []string     `json:"reasons"`
	Draining      bool         `json:"draining"`
	UptimeSeconds int64        `json:"uptime_seconds"`
	LastBeat      *time.Time   `json:"last_beat"`
	Network       uint64       `json:"network_version"`
	Revocation    uint64       `json:"revocation"`
	Sessions      int64        `json:"sessions"`
	Uploads       int          `json:"uploads"`
	Units         []unitStatus `json:"units"`
	Pinned        usage        `json:"pinned"`
	Cached        usage        `json:"cached"`
	Memory        usage        `json:"memory"`
	Load          meta.Load    `json:"load"`
}

type usage struct {
	Bytes  int64 `json:"bytes"`
	Blocks int64 `json:"blocks"`
	Limit  int64 `json:"limit"`
}

type unitStatus struct {
	Name     meta.Name `json:"name"`
	Root     string    `json:"root"`
	Size     int64     `json:"size"`
	Complete bool      `json:"complete"`
	Share    uint16    `json:"share_permille"`
}

// maxUnits that a status lists; there may be a hundred thousand.
const maxUnits = 1000

func (n *node) status() status {
	pinned, cached := n.disk.Usage()
	memory := n.fill.Memory().Stats()
	network := n.peers.Now()
	s := status{
		ID: network.ID(), Key: nodeauth.KeyID(n.signer.Key()), Version: version(),
		Reasons: n.unready(), Draining: n.isDraining(), UptimeSeconds: int64(time.Since(n.begun).Seconds()),
		Network: network.Version, Revocation: n.revocations.Number(), Sessions: n.sessions.Len(),
		Uploads: n.leases.Len(), Units: []unitStatus{},
		Pinned: usage(pinned), Cached: usage(cached),
		Memory: usage{Bytes: memory.Bytes, Blocks: memory.Blocks, Limit: memory.Limit}, Load: n.load.peek(),
	}
	s.Ready = len(s.Reasons) == 0
	if at := n.agent.LastBeat(); !at.IsZero() {
		s.LastBeat = &at
	}
	for _, u := range n.keeper.Units() {
		if len(s.Units) == maxUnits {
			break
		}
		s.Units = append(s.Units, unitStatus{
			Name: u.Record.Name, Root: u.Record.Root.String(), Size: u.Record.Size, Complete: u.Complete, Share: u.Share,
		})
	}
	return s
}

func adminStatus(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Message: "GET only"}
	}
	list := []status{}
	for _, n := range nodes() {
		list = append(list, n.status())
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(map[string]any{"edges": list})
}

func adminDrain(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Message: "POST only"}
	}
	order := struct {
		Draining bool `json:"draining"`
	}{Draining: true}
	if r.ContentLength != 0 {
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1024))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&order); err != nil {
			return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
		}
	}
	for _, n := range nodes() {
		n.draining.Store(order.Draining)
		n.agent.Soon()
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

var _ caddy.AdminRouter = (*admin)(nil)
