package caddyrouter

import (
	"fmt"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/stratos-mesh/stratos/router/geo"
)

func registerDirective() {
	httpcaddyfile.RegisterHandlerDirective("stratos_router", parse)
	httpcaddyfile.RegisterDirectiveOrder("stratos_router", httpcaddyfile.Before, "respond")
}

func parse(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(Handler)
	return handler, handler.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile reads the directive; its grammar is in the package's
// comment.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		return d.Errf("stratos_router takes no %q here; its options stand in a block", d.Val())
	}
	for d.NextBlock(0) {
		switch option := d.Val(); option {
		case "geoip":
			files := d.RemainingArgs()
			if len(files) == 0 {
				return d.Err("geoip wants at least one file")
			}
			h.GeoIP = append(h.GeoIP, files...)
		case "zones":
			if h.Zones != "" {
				return d.Err("zones stands here twice; put all networks into one file")
			}
			if !d.AllArgs(&h.Zones) {
				return d.Err("zones wants one file")
			}
		case "default":
			place, err := parsePlace(d.RemainingArgs())
			if err != nil {
				return d.WrapErr(err)
			}
			h.Default = place
		default:
			return d.Errf("stratos_router does not know %q; it knows geoip, zones and default", option)
		}
	}
	return nil
}

func parsePlace(args []string) (*Place, error) {
	if len(args) != 2 {
		return nil, fmt.Errorf("default wants latitude and longitude, as in: default 50.11 8.68")
	}
	lat, err1 := strconv.ParseFloat(args[0], 64)
	lon, err2 := strconv.ParseFloat(args[1], 64)
	if err1 != nil || err2 != nil {
		return nil, fmt.Errorf("default wants two numbers, got %q and %q", args[0], args[1])
	}
	return &Place{Lat: lat, Lon: lon}, nil
}

// Validate finds mistakes that need no file to be seen.
func (h *Handler) Validate() error {
	seen := map[string]bool{"": true}
	for _, file := range h.GeoIP {
		if seen[file] {
			return fmt.Errorf("stratos_router: geoip names %q twice, or nothing at all", file)
		}
		seen[file] = true
	}
	if d := h.Default; d != nil && !(d.Lat >= -90 && d.Lat <= 90 && d.Lon >= -180 && d.Lon <= 180) {
		return fmt.Errorf("stratos_router: default %g %g is not on the globe: latitude is -90 to 90, longitude -180 to 180", d.Lat, d.Lon)
	}
	return nil
}

// geo opens the sources of locations: zones, databases, default.
func (h *Handler) geo() (chain geo.Chain, files []geo.File, err error) {
	replacer := caddy.NewReplacer()
	if h.Zones != "" {
		zones, err := geo.OpenZones(replacer.ReplaceAll(h.Zones, ""))
		if err != nil {
			return nil, nil, fmt.Errorf("stratos_router: %w", err)
		}
		chain, files = append(chain, zones), append(files, zones)
	}
	if len(h.GeoIP) > 0 {
		var paths []string
		for _, path := range h.GeoIP {
			paths = append(paths, replacer.ReplaceAll(path, ""))
		}
		if h.databases, err = geo.OpenDatabases(paths...); err != nil {
			return nil, nil, fmt.Errorf("stratos_router: %w; fetch free databases with: stratos geo update", err)
		}
		chain, files = append(chain, h.databases), append(files, h.databases)
	}
	if h.Default != nil {
		chain = append(chain, geo.Default{Lat: h.Default.Lat, Lon: h.Default.Lon})
	}
	return chain, files, nil
}
