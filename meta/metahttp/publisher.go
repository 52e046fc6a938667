package metahttp

import (
	"context"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/metapb"
	rpc "github.com/stratos-mesh/stratos/meta/metapb/metapbconnect"
)

// Begin asks the meta node; see meta.Publisher.
func (c *Client) Begin(ctx context.Context, u meta.Upload) (meta.Grant, error) {
	if err := sendable("name", string(u.Name)); err != nil {
		return meta.Grant{}, err
	}
	q := &metapb.BeginRequest{
		Upload: u.ID[:], Name: string(u.Name), Kind: metapb.Kind(u.Kind), MaxBytes: u.MaxBytes,
		Replicas: int32(u.Replicas), Dead: edgeNumbers(u.Dead),
	}
	answer, err := call(ctx, c, again, 0, q, beginMethod)
	if err != nil {
		return meta.Grant{}, err
	}
	grant, err := meta.DecodeGrant(answer.GetGrant())
	if err != nil {
		return meta.Grant{}, malformed(err)
	}
	return *grant, nil
}

// Grow asks the meta node; see meta.Publisher.
func (c *Client) Grow(ctx context.Context, g meta.GrowingState) (meta.Record, error) {
	answer, err := call(ctx, c, again, 0, &metapb.GrowRequest{State: g.Encode()}, growMethod)
	if err != nil {
		return meta.Record{}, err
	}
	return published(answer.GetRecord())
}

// Publish asks the meta node; see meta.Publisher.
func (c *Client) Publish(ctx context.Context, p meta.Publication) (meta.Record, error) {
	answer, err := call(ctx, c, again, 0, &metapb.PublishRequest{Publication: p.Encode()}, publishMethod)
	if err != nil {
		return meta.Record{}, err
	}
	return published(answer.GetRecord())
}

// Rename asks the meta node; see meta.Publisher.
func (c *Client) Rename(ctx context.Context, m meta.Rename) (meta.Record, error) {
	answer, err := call(ctx, c, again, 0, &metapb.RenameRequest{Rename: m.Encode()}, renameMethod)
	if err != nil {
		return meta.Record{}, err
	}
	return published(answer.GetRecord())
}

// Remove asks the meta node; see meta.Publisher.
func (c *Client) Remove(ctx context.Context, m meta.Removal) error {
	_, err := call(ctx, c, again, 0, &metapb.RemoveRequest{Removal: m.Encode()}, removeMethod)
	return err
}

func beginMethod(e *endpoint) func(context.Context, *metapb.BeginRequest) (*metapb.BeginResponse, error) {
	return e.publisher.Begin
}

func growMethod(e *endpoint) func(context.Context, *metapb.GrowRequest) (*metapb.GrowResponse, error) {
	return e.publisher.Grow
}

func publishMethod(e *endpoint) func(context.Context, *metapb.PublishRequest) (*metapb.PublishResponse, error) {
	return e.publisher.Publish
}

func renameMethod(e *endpoint) func(context.Context, *metapb.RenameRequest) (*metapb.RenameResponse, error) {
	return e.publisher.Rename
}

func removeMethod(e *endpoint) func(context.Context, *metapb.RemoveRequest) (*metapb.RemoveResponse, error) {
	return e.publisher.Remove
}

func published(p *metapb.Record) (meta.Record, error) {
	var r reading
	record := r.record(p)
	if r.err != nil {
		return meta.Record{}, malformed(r.err)
	}
	return record, nil
}

// publisherServer hands on what the owner signed; whether the signature is good
// and the name the owner's is the meta node's to say.
type publisherServer server

var _ rpc.PublisherHandler = publisherServer{}

func (s publisherServer) Begin(ctx context.Context, q *metapb.BeginRequest) (*metapb.BeginResponse, error) {
	var r reading
	u := meta.Upload{
		Name: meta.Name(q.GetName()), Kind: r.kind(q.GetKind()), MaxBytes: q.GetMaxBytes(),
		Replicas: int(q.GetReplicas()), Dead: edgeIDs(q.GetDead()),
	}
	r.fixed("upload id", u.ID[:], q.GetUpload(), false)
	if err := r.invalid(); err != nil {
		return nil, err
	}
	grant, err := s.Meta.Begin(ctx, u)
	if err != nil {
		return nil, err
	}
	return &metapb.BeginResponse{Grant: grant.Encode()}, nil
}

func (s publisherServer) Grow(ctx context.Context, q *metapb.GrowRequest) (*metapb.GrowResponse, error) {
	g, err := meta.DecodeGrowingState(q.GetState())
	if err != nil {
		return nil, err
	}
	record, err := s.Meta.Grow(ctx, *g)
	if err != nil {
		return nil, err
	}
	return &metapb.GrowResponse{Record: recordMessage(record)}, nil
}

func (s publisherServer) Publish(ctx context.Context, q *metapb.PublishRequest) (*metapb.PublishResponse, error) {
	p, err := meta.DecodePublication(q.GetPublication())
	if err != nil {
		return nil, err
	}
	record, err := s.Meta.Publish(ctx, *p)
	if err != nil {
		return nil, err
	}
	return &metapb.PublishResponse{Record: recordMessage(record)}, nil
}

func (s publisherServer) Rename(ctx context.Context, q *metapb.RenameRequest) (*metapb.RenameResponse, error) {
	m, err := meta.DecodeRename(q.GetRename())
	if err != nil {
		return nil, err
	}
	record, err := s.Meta.Rename(ctx, *m)
	if err != nil {
		return nil, err
	}
	return &metapb.RenameResponse{Record: recordMessage(record)}, nil
}

func (s publisherServer) Remove(ctx context.Context, q *metapb.RemoveRequest) (*metapb.RemoveResponse, error) {
	m, err := meta.DecodeRemoval(q.GetRemoval())
	if err != nil {
		return nil, err
	}
	if err := s.Meta.Remove(ctx, *m); err != nil {
		return nil, err
	}
	return &metapb.RemoveResponse{}, nil
}
