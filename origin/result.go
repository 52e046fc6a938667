package origin

import (
	"context"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// Result describes a name to clients: after publishing it, and when asked.
type Result struct {
	Name meta.Name `json:"name"`
	// Asset whose source this is; it has no root yet.
	Asset string `json:"asset,omitempty"`
	// Path inside the bundle that Name is, where one was asked for.
	Path     string  `json:"path,omitempty"`
	Kind     string  `json:"kind"` // object, bundle, or directory inside a bundle
	Root     sds.CID `json:"root,omitzero"`
	Manifest sds.CID `json:"manifest,omitzero"`
	Size     int64   `json:"size"` // bytes
	Objects  int64   `json:"objects"`
	Type     string  `json:"type,omitempty"`
	SHA256   string  `json:"sha256,omitempty"` // hexadecimal
	Replicas int     `json:"replicas"`         // wanted
	// Durable are the edges that acknowledged every block of a publication.
	Durable []meta.EdgeID `json:"durable,omitempty"`
	// Holders have all of it now, where it was asked for.
	Holders  []meta.EdgeID `json:"holders,omitempty"`
	Modified time.Time     `json:"modified"`
	// URL under which viewers get it, once a router is known.
	URL string `json:"url,omitempty"`
}

func (o *Origin) result(ctx context.Context, record meta.Record) *Result {
	kind := "object"
	if record.Kind == meta.Bundle {
		kind = "bundle"
	}
	return &Result{
		Name: record.Name, Kind: kind, Root: record.Root, Manifest: record.Manifest, Size: record.Size,
		Objects: record.Objects, Replicas: record.Replicas, Modified: record.Modified, URL: o.publicURL(ctx, string(record.Name)),
	}
}

// publicURL is where a router serves a path; empty while none is known.
func (o *Origin) publicURL(ctx context.Context, path string) string {
	network, err := o.writer.Network(ctx)
	if err != nil || len(network.Routers) == 0 {
		return ""
	}
	return strings.TrimSuffix(network.Routers[0], "/") + "/" + (&url.URL{Path: path}).EscapedPath()
}

// announce puts the result into fields of an answer that has no body for it.
func (r *Result) announce(h http.Header) {
	h.Set("Stratos-Name", (&url.URL{Path: string(r.Name)}).EscapedPath())
	if r.Asset != "" {
		h.Set("Stratos-Asset", r.Asset)
		return
	}
	h.Set("Stratos-Root", r.Root.String())
	if r.URL != "" {
		h.Set("Stratos-URL", r.URL)
	}
}

func digest(sum [32]byte) string { return hex.EncodeToString(sum[:]) }

// etag is the strong validator of a root.
func etag(root sds.CID) string { return `"` + root.String() + `"` }
