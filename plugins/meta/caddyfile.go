package caddymeta

import (
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// UnmarshalCaddyfile reads the block in the package's comment. An option that it
// does not know, or that stands there twice, is an error; operator may.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive
	if d.NextArg() {
		return d.Errf("stratos_meta takes a block, not %q", d.Val())
	}
	seen := map[string]bool{}
	for d.NextBlock(0) {
		option := d.Val()
		if seen[option] && option != "operator" {
			return d.Errf("%s stands there twice", option)
		}
		seen[option] = true
		values := d.RemainingArgs()
		if len(values) == 0 {
			return d.Errf("%s needs a value", option)
		}
		if err := h.set(d, option, values); err != nil {
			return err
		}
	}
	return nil
}

func (h *Handler) set(d *caddyfile.Dispenser, option string, values []string) error {
	switch option {
	case "operator":
		h.Operators = append(h.Operators, values...)
		return nil
	case "routers":
		h.Routers = values
		return nil
	case "metas":
		h.Metas = values
		return nil
	}
	value := values[0]
	if len(values) > 1 {
		return d.Errf("%s takes one value, and there is also %q", option, values[1])
	}
	switch option {
	case "chain_id":
		h.ChainID = value
	case "operator_name":
		h.OperatorName = value
	case "redis":
		h.Redis = value
	case "authority":
		n, err := strconv.ParseUint(value, 10, 16)
		if err != nil {
			return d.Errf("authority is %q: want a number from 1 to 65535", value)
		}
		h.Authority = uint16(n)
	case "replicas":
		n, err := strconv.Atoi(value)
		if err != nil {
			return d.Errf("replicas is %q: want a number", value)
		}
		h.Replicas = n
	case "grace", "epoch":
		duration, err := caddy.ParseDuration(value)
		if err != nil {
			return d.Errf("%s is %q: want a duration such as 168h", option, value)
		}
		if option == "grace" {
			h.Grace = caddy.Duration(duration)
		} else {
			h.Epoch = caddy.Duration(duration)
		}
	default:
		return d.Errf("unknown option %q: stratos_meta knows authority, chain_id, epoch, grace, metas, operator, operator_name, redis, replicas and routers", option)
	}
	return nil
}
