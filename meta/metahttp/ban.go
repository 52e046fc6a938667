package metahttp

import (
	"context"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/metapb"
	"github.com/stratos-mesh/stratos/sds"
)

// Unban asks the meta node; see meta.Operator.
func (c *Client) Unban(ctx context.Context, root sds.CID) (meta.Revocation, error) {
	answer, err := call(ctx, c, once, 0, &metapb.UnbanRequest{Root: cidBytes(root)}, unbanMethod)
	return revocationOf(answer.GetRevocation(), err)
}

// Bans asks the meta node; see meta.Operator.
func (c *Client) Bans(ctx context.Context, after uint64) ([]meta.Ban, error) {
	answer, err := call(ctx, c, again, 0, &metapb.BansRequest{After: after}, bansMethod)
	if err != nil {
		return nil, err
	}
	var r reading
	bans := each(answer.GetBans(), r.ban)
	if r.err != nil {
		return nil, malformed(r.err)
	}
	return bans, nil
}

func unbanMethod(e *endpoint) func(context.Context, *metapb.UnbanRequest) (*metapb.UnbanResponse, error) {
	return e.operator.Unban
}

func bansMethod(e *endpoint) func(context.Context, *metapb.BansRequest) (*metapb.BansResponse, error) {
	return e.operator.Bans
}

func (s operatorServer) Unban(ctx context.Context, q *metapb.UnbanRequest) (*metapb.UnbanResponse, error) {
	var r reading
	root := r.object(q.GetRoot())
	if err := r.invalid(); err != nil {
		return nil, err
	}
	v, err := s.Meta.Unban(ctx, root)
	if err != nil {
		return nil, err
	}
	return &metapb.UnbanResponse{Revocation: v.Encode()}, nil
}

func (s operatorServer) Bans(ctx context.Context, q *metapb.BansRequest) (*metapb.BansResponse, error) {
	bans, err := s.Meta.Bans(ctx, q.GetAfter())
	if err != nil {
		return nil, err
	}
	return &metapb.BansResponse{Bans: each(bans, banMessage)}, nil
}

func banMessage(b meta.Ban) *metapb.Ban {
	return &metapb.Ban{
		Number: b.Number, Root: cidBytes(b.Root), Name: text(string(b.Name)), Objects: b.Objects, Reason: text(b.Reason),
		Time: timestamp(b.Time), Authority: uint32(b.Authority),
	}
}

func (r *reading) ban(p *metapb.Ban) meta.Ban {
	return meta.Ban{
		Number: p.GetNumber(), Root: r.object(p.GetRoot()), Name: meta.Name(p.GetName()), Objects: p.GetObjects(), Reason: p.GetReason(),
		Time: r.time(p.GetTime()), Authority: small[uint16](r, "authority", p.GetAuthority()),
	}
}

// object is a CID that must be there.
func (r *reading) object(b []byte) sds.CID {
	if len(b) == 0 {
		r.fail("an empty CID")
	}
	return r.cid("CID", b)
}

// revocationOf is the answer of a call that makes one.
func revocationOf(b []byte, err error) (meta.Revocation, error) {
	if err != nil {
		return meta.Revocation{}, err
	}
	var r reading
	v := r.revocation(b)
	if r.err != nil {
		return meta.Revocation{}, malformed(r.err)
	}
	return v, nil
}
