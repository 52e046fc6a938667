package caddyorigin

import (
	"context"
	"net/http"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/origin"
	"github.com/stratos-mesh/stratos/origin/apikey"
)

// current passes what an origin asks on to the newest configuration.
type current struct{ *running }

func (c current) meta() meta.Meta { return c.newest.Load().node.Meta() }

// Find implements origin.Keys.
func (c current) Find(token string) *apikey.Key { return c.newest.Load().keys.Find(token) }

// Resolve implements meta.Index.
func (c current) Resolve(ctx context.Context, path string) (meta.Resolution, error) {
	return c.meta().Resolve(ctx, path)
}

// Locate implements meta.Index.
func (c current) Locate(ctx context.Context, root [32]byte) (meta.Resolution, error) {
	return c.meta().Locate(ctx, root)
}

// List implements meta.Index.
func (c current) List(ctx context.Context, prefix, cursor string, limit int) (meta.Page, error) {
	return c.meta().List(ctx, prefix, cursor, limit)
}

// Begin implements meta.Publisher.
func (c current) Begin(ctx context.Context, u meta.Upload) (meta.Grant, error) {
	return c.meta().Begin(ctx, u)
}

// Grow implements meta.Publisher.
func (c current) Grow(ctx context.Context, g meta.GrowingState) (meta.Record, error) {
	return c.meta().Grow(ctx, g)
}

// Publish implements meta.Publisher.
func (c current) Publish(ctx context.Context, p meta.Publication) (meta.Record, error) {
	return c.meta().Publish(ctx, p)
}

// Rename implements meta.Publisher.
func (c current) Rename(ctx context.Context, r meta.Rename) (meta.Record, error) {
	return c.meta().Rename(ctx, r)
}

// Remove implements meta.Publisher.
func (c current) Remove(ctx context.Context, r meta.Removal) error { return c.meta().Remove(ctx, r) }

// Network implements meta.Directory.
func (c current) Network(ctx context.Context, since uint64, wait time.Duration) (*meta.Network, error) {
	return c.meta().Network(ctx, since, wait)
}

func (r *running) sign(request *http.Request) error {
	return r.newest.Load().node.Signer().Sign(request)
}

// client sends requests with the newest configuration's client.
func (r *running) client() *http.Client {
	return &http.Client{Transport: roundTripper(func(request *http.Request) (*http.Response, error) {
		transport := r.newest.Load().node.HTTPClient().Transport
		if transport == nil {
			transport = http.DefaultTransport
		}
		return transport.RoundTrip(request)
	})}
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

var _ origin.Meta = current{}
