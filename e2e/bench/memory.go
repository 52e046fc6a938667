package main

import (
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(new(memory))
	httpcaddyfile.RegisterHandlerDirective("bench_memory", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		m := new(memory)
		h.Next()
		if !h.NextArg() {
			return nil, h.ArgErr()
		}
		m.Root = h.Val()
		if h.NextArg() {
			m.SameHead = h.Val() == "same_head"
		}
		return m, nil
	})
	httpcaddyfile.RegisterDirectiveOrder("bench_memory", httpcaddyfile.Before, "respond")
}

// memory writes files from memory and does nothing else: the ceiling for a Caddy
// handler.
type memory struct {
	Root string `json:"root"`
	// SameHead writes the fields of an edge's answer and finds a file by the end
	// of its path, as it stands behind a ticket: what is left to lose is what
	// tickets and metering cost.
	SameHead bool `json:"same_head,omitempty"`

	files map[string][]byte
}

// CaddyModule names the module.
func (*memory) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.bench_memory", New: func() caddy.Module { return new(memory) }}
}

// Provision reads the files.
func (m *memory) Provision(caddy.Context) error {
	entries, err := os.ReadDir(m.Root)
	if err != nil {
		return err
	}
	m.files = map[string][]byte{}
	for _, e := range entries {
		if m.files["/"+e.Name()], err = os.ReadFile(path.Join(m.Root, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	name := r.URL.Path
	if m.SameHead {
		name = name[strings.LastIndexByte(name, '/'):]
	}
	body, ok := m.files[name]
	if !ok {
		return next.ServeHTTP(w, r)
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if m.SameHead {
		h.Set("Accept-Ranges", "bytes")
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Expose-Headers", "Accept-Ranges, Cache-Status, Content-Length, Content-Range, ETag, Repr-Digest, Retry-After, Server-Timing, X-Request-Id")
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("Cache-Status", "stratos; hit")
		h.Set("Content-Security-Policy", "sandbox")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		h.Set("ETag", `"bafkreicpjkfhhjlnfospf7if6awnxwx2t542flfg4rsndyx5xeqtpfovs4"`)
		h.Set("Repr-Digest", "sha-256=:T0qKc6VtK6Ty/QXwLNva+p95oqym5GTR4v25ITeV1Zc=:")
		h.Set("Server-Timing", "edge;desc=hit")
		h.Set("Timing-Allow-Origin", "*")
		h.Set("X-Content-Type-Options", "nosniff")
	}
	_, err := w.Write(body)
	return err
}
