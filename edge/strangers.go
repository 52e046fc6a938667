package edge

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// An edge serves files of people whom its operator does not know. Browsers tell
// sites apart by host and port alone, so whatever else is served there shares
// cookies, storage and permissions with them.

// passing are handlers that answer nothing themselves.
var passing = [...]string{
	"authentication", "copy_response", "copy_response_headers", "encode", "headers", "intercept", "invoke", "log_append",
	"map", "push", "request_body", "rewrite", "subroute", "templates", "tracing", "vars",
}

const edgeHandler = "stratos_edge"

// sharers lists the handlers that answer on a host of an edge besides it, each
// as "name on host".
func sharers(servers map[string]*caddyhttp.Server) []string {
	var out []string
	for _, server := range servers {
		for _, route := range server.Routes {
			if !slices.Contains(handlers(route), edgeHandler) {
				continue
			}
			for _, other := range server.Routes {
				host, shared := sharedHost(hosts(route), hosts(other))
				for _, name := range handlers(other) {
					if shared && name != edgeHandler && !slices.Contains(passing[:], name) {
						out = append(out, name+" on "+host)
					}
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// handlers lists the names of a route's handlers, and of those inside them.
func handlers(route caddyhttp.Route) []string {
	var out []string
	for _, h := range route.Handlers {
		if module, ok := h.(caddy.Module); ok {
			out = append(out, strings.TrimPrefix(string(module.CaddyModule().ID), "http.handlers."))
		}
		if inner, ok := h.(*caddyhttp.Subroute); ok {
			for _, route := range inner.Routes {
				out = append(out, handlers(route)...)
			}
		}
	}
	return out
}

// hosts that a route matches; nil is every one.
func hosts(route caddyhttp.Route) []string {
	var out []string
	for _, set := range route.MatcherSets {
		some := false
		for _, matcher := range set {
			switch m := matcher.(type) {
			case caddyhttp.MatchHost:
				out, some = append(out, m...), true
			case *caddyhttp.MatchHost:
				out, some = append(out, *m...), true
			}
		}
		if !some {
			return nil
		}
	}
	return out
}

func sharedHost(a, b []string) (string, bool) {
	switch {
	case a == nil && b == nil:
		return "every host", true
	case a == nil:
		return b[0], true
	case b == nil:
		return a[0], true
	}
	for _, host := range a {
		if slices.Contains(b, host) {
			return host, true
		}
	}
	return "", false
}
