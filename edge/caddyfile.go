package edge

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/dustin/go-humanize"
)

func registerDirectives() {
	caddy.RegisterModule(new(Handler))
	caddy.RegisterModule(new(admin))
	caddy.RegisterModule(new(Wires))
	httpcaddyfile.RegisterGlobalOption("stratos", parseGlobal)
	httpcaddyfile.RegisterHandlerDirective("stratos_edge", parseHandler)
	httpcaddyfile.RegisterDirectiveOrder("stratos_edge", httpcaddyfile.Before, "reverse_proxy")
}

// parseGlobal reads the global option:
//
//	stratos {
//	    dir   DIR
//	    meta  URL...
//	    ca    FILE
//	    development
//	    edge {
//	        memory            SIZE
//	        pinned            SIZE
//	        cached            SIZE
//	        serve_unticketed  SIZE
//	        capacity          RATE      # 1Gbit
//	        peer_rate         SIZE      # a second
//	    }
//	}
func parseGlobal(d *caddyfile.Dispenser, before any) (any, error) {
	if before != nil {
		return nil, d.Err("the global option stratos is given twice")
	}
	a := new(App)
	if err := a.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "stratos", Value: caddyconfig.JSON(a, nil)}, nil
}

// UnmarshalCaddyfile reads the global option.
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the option's name
	if d.NextArg() {
		return d.ArgErr()
	}
	seen := make(map[string]bool)
	for d.NextBlock(0) {
		option := d.Val()
		if seen[option] && option != "meta" {
			return d.Errf("%s is given twice", option)
		}
		seen[option] = true
		switch option {
		case "dir":
			if !d.Args(&a.DataDir) || d.NextArg() {
				return d.ArgErr()
			}
		case "ca":
			if !d.Args(&a.CA) || d.NextArg() {
				return d.ArgErr()
			}
		case "meta":
			urls := d.RemainingArgs()
			if len(urls) == 0 {
				return d.ArgErr()
			}
			a.MetaURLs = append(a.MetaURLs, urls...)
		case "development":
			if d.NextArg() {
				return d.ArgErr()
			}
			a.Dev = true
		case "edge":
			if d.NextArg() {
				return d.ArgErr()
			}
			a.Edge = new(EdgeConfig)
			if err := a.Edge.unmarshal(d); err != nil {
				return err
			}
		default:
			return d.Errf("stratos has no option %q; it has dir, meta, ca, development and edge", option)
		}
	}
	return nil
}

func (c *EdgeConfig) unmarshal(d *caddyfile.Dispenser) error {
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if seen[option] {
			return d.Errf("%s is given twice", option)
		}
		seen[option] = true
		var text string
		if !d.Args(&text) || d.NextArg() {
			return d.ArgErr()
		}
		var err error
		switch option {
		case "memory":
			c.Memory, err = parseSize(text)
		case "pinned":
			c.Pinned, err = parseSize(text)
		case "cached":
			c.Cached, err = parseSize(text)
		case "serve_unticketed":
			c.ServeUnticketed, err = parseSize(text)
		case "capacity":
			c.Capacity, err = parseBits(text)
		case "peer_rate":
			c.PeerRate, err = parseSize(text)
		default:
			return d.Errf("edge has no option %q; it has memory, pinned, cached, serve_unticketed, capacity and peer_rate", option)
		}
		if err != nil {
			return d.Errf("%s: %v", option, err)
		}
	}
	return nil
}

// parseSize reads a size as people write it: 64MiB, 10GB.
func parseSize(text string) (int64, error) {
	n, err := humanize.ParseBytes(text)
	if err != nil || n > math.MaxInt64 {
		return 0, fmt.Errorf("%q is not a size such as 64MiB or 10GB", text)
	}
	return int64(n), nil
}

// parseBits reads a rate in bits per second: 1Gbit, 100Mbit.
func parseBits(text string) (int64, error) {
	number, ok := strings.CutSuffix(strings.ToLower(text), "bit")
	factor := 1.0
	for suffix, f := range map[string]float64{"k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12} {
		if rest, has := strings.CutSuffix(number, suffix); has {
			number, factor = rest, f
		}
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !ok || err != nil || n < 0 || n*factor > 1e15 {
		return 0, fmt.Errorf("%q is not a rate such as 100Mbit or 1Gbit", text)
	}
	return int64(n * factor), nil
}

func parseHandler(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(Handler)
	return handler, handler.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile reads the directive, which has no arguments:
//
//	stratos_edge
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		return d.Errf("stratos_edge has no options; budgets are in the global option stratos")
	}
	return nil
}

var (
	_ caddyfile.Unmarshaler = (*App)(nil)
	_ caddyfile.Unmarshaler = (*Handler)(nil)
)
