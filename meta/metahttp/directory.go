package metahttp

import (
	"context"
	"crypto/ed25519"
	"errors"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/metapb"
	rpc "github.com/stratos-mesh/stratos/meta/metapb/metapbconnect"
)

// Network asks the meta node; see meta.Directory. It waits MaxWait at most.
func (c *Client) Network(ctx context.Context, since uint64, wait time.Duration) (*meta.Network, error) {
	wait = min(max(wait, 0), MaxWait)
	q := &metapb.NetworkRequest{Since: since, Wait: durationpb.New(wait)}
	answer, err := call(ctx, c, again, wait, q, networkMethod)
	if err != nil {
		return nil, err
	}
	var r reading
	network := r.network(answer)
	if r.err != nil {
		return nil, malformed(r.err)
	}
	return network, nil
}

func networkMethod(e *endpoint) func(context.Context, *metapb.NetworkRequest) (*metapb.NetworkResponse, error) {
	return e.directory.Network
}

type directoryServer server

var _ rpc.DirectoryHandler = directoryServer{}

func (s directoryServer) Network(ctx context.Context, q *metapb.NetworkRequest) (*metapb.NetworkResponse, error) {
	var r reading
	wait := r.duration(q.GetWait())
	if err := r.invalid(); err != nil {
		return nil, err
	}
	network, err := s.Meta.Network(ctx, q.GetSince(), min(max(wait, 0), MaxWait))
	if errors.Is(err, context.Canceled) {
		// A server that shuts down ends the wait (plugins/meta); whoever waits
		// gets what there is and asks again elsewhere.
		network, err = s.Meta.Network(context.WithoutCancel(ctx), q.GetSince(), 0)
	}
	if err != nil {
		return nil, err
	}
	return networkMessage(network), nil
}

func networkMessage(n *meta.Network) *metapb.NetworkResponse {
	authorities := make(map[uint32][]byte, len(n.Authorities))
	for index, key := range n.Authorities {
		authorities[uint32(index)] = key
	}
	operators := make(map[uint32]string, len(n.AuthorityOperators))
	for index, name := range n.AuthorityOperators {
		operators[uint32(index)] = text(name)
	}
	return &metapb.NetworkResponse{
		Version: n.Version, ChainId: text(n.ChainID), Epoch: n.Epoch, Edges: each(n.Edges, edgeMessage), Authorities: authorities,
		Origins: each(n.Origins, func(k ed25519.PublicKey) []byte { return k }),
		Routers: each(n.Routers, text), Metas: each(n.Metas, text),
		View: cidBytes(n.View), ViewEpoch: n.ViewEpoch, Development: n.Development, AuthorityOperators: operators,
	}
}

func (r *reading) network(p *metapb.NetworkResponse) *meta.Network {
	n := &meta.Network{
		Version: p.GetVersion(), ChainID: p.GetChainId(), Epoch: p.GetEpoch(), Edges: each(p.GetEdges(), r.edge),
		Origins: each(p.GetOrigins(), r.key), Routers: p.GetRouters(), Metas: p.GetMetas(),
		View: r.cid("view", p.GetView()), ViewEpoch: p.GetViewEpoch(), Development: p.GetDevelopment(),
	}
	if len(p.GetAuthorities()) > 0 {
		n.Authorities = make(map[uint16]ed25519.PublicKey, len(p.GetAuthorities()))
	}
	for index, key := range p.GetAuthorities() {
		n.Authorities[small[uint16](r, "authority", index)] = r.key(key)
	}
	if len(p.GetAuthorityOperators()) > 0 {
		n.AuthorityOperators = make(map[uint16]string, len(p.GetAuthorityOperators()))
	}
	for index, name := range p.GetAuthorityOperators() {
		n.AuthorityOperators[small[uint16](r, "authority", index)] = name
	}
	return n
}
