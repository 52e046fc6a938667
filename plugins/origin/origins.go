package caddyorigin

import (
	"sync"

	"github.com/caddyserver/caddy/v2"
)

// Origins is an app without options that opens the origins of a configuration
// when it starts; handlers have no start of their own. Nobody writes it into a
// configuration: stratos_origin brings it.
type Origins struct {
	mu       sync.Mutex // guards handlers
	handlers []*Handler
}

// CaddyModule returns the module's name.
func (*Origins) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "stratos_origins", New: func() caddy.Module { return new(Origins) }}
}

func (o *Origins) add(h *Handler) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.handlers = append(o.handlers, h)
	return nil
}

// Start opens the origins that are not running yet, and gives all of them the
// new configuration.
func (o *Origins) Start() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, h := range o.handlers {
		if err := h.hold.start(h); err != nil {
			return err
		}
	}
	return nil
}

// Stop leaves the work to the handlers' Cleanup.
func (o *Origins) Stop() error { return nil }

var _ caddy.App = (*Origins)(nil)
