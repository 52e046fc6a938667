package caddymeta

import (
	"sync"

	"github.com/caddyserver/caddy/v2"
)

// Metas is an app without options that opens the meta node of a configuration
// when it starts; handlers have no start of their own. Nobody writes it into a
// configuration: stratos_meta brings it.
type Metas struct {
	mu       sync.Mutex // guards handlers
	handlers []*Handler
}

// CaddyModule returns the module's name.
func (*Metas) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "stratos_metas", New: func() caddy.Module { return new(Metas) }}
}

func (m *Metas) add(h *Handler) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.handlers = append(m.handlers, h)
}

// Start opens the meta node if it is not running yet.
func (m *Metas) Start() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range m.handlers {
		if err := h.hold.start(h); err != nil {
			return err
		}
	}
	return nil
}

// Stop leaves the work to the handlers' Cleanup.
func (m *Metas) Stop() error { return nil }

var _ caddy.App = (*Metas)(nil)
