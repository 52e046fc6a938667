package metahttp

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/metapb"
	rpc "github.com/stratos-mesh/stratos/meta/metapb/metapbconnect"
)

// Resolve asks the meta node; see meta.Index.
func (c *Client) Resolve(ctx context.Context, path string) (meta.Resolution, error) {
	if err := sendable("path", path); err != nil {
		return meta.Resolution{}, err
	}
	return resolution(call(ctx, c, again, 0, &metapb.ResolveRequest{Path: path}, resolveMethod))
}

// Locate asks the meta node; see meta.Index.
func (c *Client) Locate(ctx context.Context, root [32]byte) (meta.Resolution, error) {
	return resolution(call(ctx, c, again, 0, &metapb.LocateRequest{Root: root[:]}, locateMethod))
}

// List asks the meta node; see meta.Index.
func (c *Client) List(ctx context.Context, prefix, cursor string, limit int) (meta.Page, error) {
	if err := sendable("prefix", prefix); err != nil {
		return meta.Page{}, err
	}
	if err := sendable("cursor", cursor); err != nil {
		return meta.Page{}, err
	}
	if limit < 0 || limit > 1000 {
		return meta.Page{}, fmt.Errorf("limit %d: %w: want 1 to 1,000", limit, meta.ErrInvalid)
	}
	answer, err := call(ctx, c, again, 0, &metapb.ListRequest{Prefix: prefix, Cursor: cursor, Limit: int32(limit)}, listMethod)
	if err != nil {
		return meta.Page{}, err
	}
	var r reading
	page := meta.Page{Records: each(answer.GetRecords(), r.record), Next: answer.GetNext()}
	if r.err != nil {
		return meta.Page{}, malformed(r.err)
	}
	return page, nil
}

func resolveMethod(e *endpoint) func(context.Context, *metapb.ResolveRequest) (*metapb.Resolution, error) {
	return e.index.Resolve
}

func locateMethod(e *endpoint) func(context.Context, *metapb.LocateRequest) (*metapb.Resolution, error) {
	return e.index.Locate
}

func listMethod(e *endpoint) func(context.Context, *metapb.ListRequest) (*metapb.ListResponse, error) {
	return e.index.List
}

func resolution(p *metapb.Resolution, err error) (meta.Resolution, error) {
	if err != nil {
		return meta.Resolution{}, err
	}
	var r reading
	found := meta.Resolution{
		Record: r.record(p.GetRecord()), Rest: p.GetRest(), Holders: edgeIDs(p.GetHolders()), Maybe: edgeIDs(p.GetMaybe()),
	}
	for _, shard := range p.GetShards() {
		found.Shards = append(found.Shards, edgeIDs(shard.GetEdges()))
	}
	if state := p.GetGrowing(); len(state) > 0 && r.err == nil {
		found.Growing, r.err = meta.DecodeGrowingState(state)
	}
	if r.err != nil {
		return meta.Resolution{}, malformed(r.err)
	}
	return found, nil
}

// sendable refuses text that the wire does not take: no name has it.
func sendable(what, s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s %.80q: %w: not UTF-8", what, s, meta.ErrInvalid)
	}
	return nil
}

type indexServer server

var _ rpc.IndexHandler = indexServer{}

func (s indexServer) Resolve(ctx context.Context, q *metapb.ResolveRequest) (*metapb.Resolution, error) {
	return resolutionMessage(s.Meta.Resolve(ctx, q.GetPath()))
}

func (s indexServer) Locate(ctx context.Context, q *metapb.LocateRequest) (*metapb.Resolution, error) {
	var r reading
	var root [32]byte
	r.fixed("digest of a root", root[:], q.GetRoot(), false)
	if err := r.invalid(); err != nil {
		return nil, err
	}
	return resolutionMessage(s.Meta.Locate(ctx, root))
}

func (s indexServer) List(ctx context.Context, q *metapb.ListRequest) (*metapb.ListResponse, error) {
	page, err := s.Meta.List(ctx, q.GetPrefix(), q.GetCursor(), int(q.GetLimit()))
	if err != nil {
		return nil, err
	}
	return &metapb.ListResponse{Records: each(page.Records, recordMessage), Next: text(page.Next)}, nil
}

func resolutionMessage(m meta.Resolution, err error) (*metapb.Resolution, error) {
	if err != nil {
		return nil, err
	}
	out := &metapb.Resolution{
		Record: recordMessage(m.Record), Rest: text(m.Rest), Holders: edgeNumbers(m.Holders), Maybe: edgeNumbers(m.Maybe),
	}
	for _, shard := range m.Shards {
		out.Shards = append(out.Shards, &metapb.ShardHolders{Edges: edgeNumbers(shard)})
	}
	if m.Growing != nil {
		out.Growing = m.Growing.Encode()
	}
	return out, nil
}
