package main

import (
	"net/http"
	"os"
	"path"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(new(memory))
	httpcaddyfile.RegisterHandlerDirective("bench_memory", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		m := new(memory)
		h.Next()
		if !h.Args(&m.Root) {
			return nil, h.ArgErr()
		}
		return m, nil
	})
	httpcaddyfile.RegisterDirectiveOrder("bench_memory", httpcaddyfile.Before, "respond")
}

// memory writes files from memory and does nothing else: the ceiling for a Caddy
// handler.
type memory struct {
	Root  string `json:"root"`
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
	body, ok := m.files[r.URL.Path]
	if !ok {
		return next.ServeHTTP(w, r)
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, err := w.Write(body)
	return err
}
