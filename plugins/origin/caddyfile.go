package caddyorigin

import (
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"
)

// UnmarshalCaddyfile reads the block in the package's comment. Options that it
// does not know, or that stand there twice, are errors.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive
	if d.NextArg() {
		return d.Errf("stratos_origin takes a block, not %q", d.Val())
	}
	seen := map[string]bool{}
	for d.NextBlock(0) {
		option := d.Val()
		if seen[option] {
			return d.Errf("%s stands there twice", option)
		}
		seen[option] = true
		if !d.NextArg() {
			return d.Errf("%s needs a value", option)
		}
		value := d.Val()
		if err := h.set(d, option, value); err != nil {
			return err
		}
		if d.NextArg() {
			return d.Errf("%s takes one value, and there is also %q", option, d.Val())
		}
	}
	return nil
}

func (h *Handler) set(d *caddyfile.Dispenser, option, value string) (err error) {
	switch option {
	case "keys":
		h.Keys = value
	case "dir":
		h.Dir = value
	case "max_upload":
		h.MaxUpload, err = size(value)
	case "namespace_quota":
		h.NamespaceQuota, err = size(value)
	case "parts":
		h.Parts, err = size(value)
	case "memory":
		h.Memory, err = size(value)
	case "replicas":
		h.Replicas, err = strconv.Atoi(value)
	case "uploads":
		h.Uploads, err = strconv.Atoi(value)
	case "rate":
		h.Rate, err = strconv.Atoi(value)
	case "expire":
		duration, parsed := caddy.ParseDuration(value)
		h.Expire, err = caddy.Duration(duration), parsed
	case "workers":
		var n int
		n, err = strconv.Atoi(value)
		h.Workers = &n
	case "video_disk":
		h.VideoDisk, err = size(value)
	case "max_height":
		h.MaxHeight, err = strconv.Atoi(value)
	case "webhooks":
		if value != "private" {
			return d.Errf("webhooks %q: want private, or leave it out", value)
		}
		h.PrivateWebhooks = true
	case "sandbox":
		if value != "off" {
			return d.Errf("sandbox %q: want off, or leave it out", value)
		}
		h.Unconfined = true
	default:
		return d.Errf("unknown option %q: stratos_origin knows dir, expire, keys, max_height, max_upload, memory, namespace_quota, parts, rate, replicas, sandbox, uploads, video_disk, webhooks and workers", option)
	}
	if err != nil {
		return d.Errf("%s %q: %s", option, value, strings.TrimPrefix(err.Error(), "strconv."))
	}
	return nil
}

// size reads 500MB (decimal) and 64MiB (binary).
func size(text string) (int64, error) {
	n, err := humanize.ParseBytes(text)
	if err != nil {
		return 0, err
	}
	return int64(min(n, 1<<62)), nil
}
