package edge

import (
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/fileserver"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/google/go-cmp/cmp"
)

func TestWhoeverSharesAnEdgesHostIsNamed(t *testing.T) {
	t.Parallel()
	site := func(host string, list ...caddyhttp.MiddlewareHandler) caddyhttp.Route {
		inner := &caddyhttp.Subroute{Routes: caddyhttp.RouteList{{Handlers: list}}}
		route := caddyhttp.Route{Handlers: []caddyhttp.MiddlewareHandler{inner}}
		if host != "" {
			route.MatcherSets = caddyhttp.MatcherSets{{&caddyhttp.MatchHost{host}}}
		}
		return route
	}
	edge, files, fields := new(Handler), new(fileserver.FileServer), new(headers.Handler)
	for _, c := range []struct {
		name   string
		routes caddyhttp.RouteList
		want   []string
	}{
		{"an edge alone", caddyhttp.RouteList{site("e.example", fields, edge)}, nil},
		{"beside another site", caddyhttp.RouteList{site("e.example", edge), site("www.example", files)}, nil},
		{"in the same site", caddyhttp.RouteList{site("e.example", files, edge)}, []string{"file_server on e.example"}},
		{"in another route of the host", caddyhttp.RouteList{site("e.example", edge), site("e.example", files)}, []string{"file_server on e.example"}},
		{"in a route of every host", caddyhttp.RouteList{site("e.example", edge), site("", files)}, []string{"file_server on e.example"}},
		{"an edge on every host", caddyhttp.RouteList{site("", edge), site("www.example", files)}, []string{"file_server on www.example"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := sharers(map[string]*caddyhttp.Server{"srv0": {Routes: c.routes}})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
