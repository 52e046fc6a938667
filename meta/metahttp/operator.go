package metahttp

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/metapb"
	rpc "github.com/stratos-mesh/stratos/meta/metapb/metapbconnect"
	"github.com/stratos-mesh/stratos/sds"
)

// Admit asks the meta node; see meta.Operator.
func (c *Client) Admit(ctx context.Context, a meta.Admission) (meta.EdgeID, error) {
	q := &metapb.AdmitRequest{Kind: metapb.NodeKind(a.Kind), Key: a.Key, Token: text(a.Token), Edge: edgeMessage(a.Edge)}
	answer, err := call(ctx, c, again, 0, q, admitMethod)
	return meta.EdgeID(answer.GetEdge()), err
}

// Drain asks the meta node; see meta.Operator.
func (c *Client) Drain(ctx context.Context, edge meta.EdgeID, draining bool) error {
	_, err := call(ctx, c, again, 0, &metapb.DrainRequest{Edge: uint32(edge), Draining: draining}, drainMethod)
	return err
}

// Revoke asks the meta node; see meta.Operator. A call that may have arrived is
// not made again: each makes a revocation of its own.
func (c *Client) Revoke(ctx context.Context, q meta.RevokeRequest) (meta.Revocation, error) {
	answer, err := call(ctx, c, once, 0, &metapb.RevokeRequest{
		Root: cidBytes(q.Root), Ban: q.Ban, Reason: text(q.Reason), Objects: each(q.Objects, cidBytes),
	}, revokeMethod)
	return revocationOf(answer.GetRevocation(), err)
}

// Status asks the meta node; see meta.Operator.
func (c *Client) Status(ctx context.Context) (*meta.Status, error) {
	answer, err := call(ctx, c, again, 0, &metapb.StatusRequest{}, statusMethod)
	if err != nil {
		return nil, err
	}
	var r reading
	status := r.status(answer)
	if r.err != nil {
		return nil, malformed(r.err)
	}
	return status, nil
}

func admitMethod(e *endpoint) func(context.Context, *metapb.AdmitRequest) (*metapb.AdmitResponse, error) {
	return e.operator.Admit
}

func drainMethod(e *endpoint) func(context.Context, *metapb.DrainRequest) (*metapb.DrainResponse, error) {
	return e.operator.Drain
}

func revokeMethod(e *endpoint) func(context.Context, *metapb.RevokeRequest) (*metapb.RevokeResponse, error) {
	return e.operator.Revoke
}

func statusMethod(e *endpoint) func(context.Context, *metapb.StatusRequest) (*metapb.StatusResponse, error) {
	return e.operator.Status
}

type operatorServer server

var _ rpc.OperatorHandler = operatorServer{}

func (s operatorServer) Admit(ctx context.Context, q *metapb.AdmitRequest) (*metapb.AdmitResponse, error) {
	var r reading
	a := meta.Admission{
		Kind: enum[meta.NodeKind](&r, "kind of node", q.GetKind(), metapb.NodeKind_NODE_KIND_EDGE, metapb.NodeKind_NODE_KIND_ROUTER),
		Key:  r.key(q.GetKey()), Token: q.GetToken(), Edge: r.edge(q.GetEdge()),
	}
	if a.Key == nil {
		r.fail("no key to admit")
	}
	if err := r.invalid(); err != nil {
		return nil, err
	}
	if err := s.handler.mayAdmit(callerOf(ctx), a); err != nil {
		return nil, err
	}
	id, err := s.Meta.Admit(ctx, a)
	if err != nil {
		return nil, err
	}
	return &metapb.AdmitResponse{Edge: uint32(id)}, nil
}

// mayAdmit: an operator admits whom it likes, anybody else itself, with an
// invitation.
func (h *handler) mayAdmit(c caller, a meta.Admission) error {
	switch {
	case c.role&operator != 0:
		return nil
	case a.Token == "":
		return fmt.Errorf("admission: %w: only an operator admits without an invitation", meta.ErrForbidden)
	case !a.Key.Equal(c.key):
		return fmt.Errorf("admission: %w: an invitation admits the key that signs the call", meta.ErrForbidden)
	}
	invitation, err := meta.ParseInvitation(a.Token)
	if err != nil {
		return err
	}
	return invitation.Verify(a.Kind, h.config.Operators, h.config.ChainID, h.config.Now())
}

func (s operatorServer) Drain(ctx context.Context, q *metapb.DrainRequest) (*metapb.DrainResponse, error) {
	if err := s.Meta.Drain(ctx, meta.EdgeID(q.GetEdge()), q.GetDraining()); err != nil {
		return nil, err
	}
	return &metapb.DrainResponse{}, nil
}

func (s operatorServer) Revoke(ctx context.Context, q *metapb.RevokeRequest) (*metapb.RevokeResponse, error) {
	var r reading
	if len(q.GetObjects()) > meta.MaxRevokedObjects {
		r.fail("%d objects, at most %d at once", len(q.GetObjects()), meta.MaxRevokedObjects)
		return nil, r.invalid()
	}
	request := meta.RevokeRequest{
		Root: r.cid("root", q.GetRoot()), Ban: q.GetBan(), Reason: q.GetReason(),
		Objects: each(q.GetObjects(), func(b []byte) sds.CID { return r.object(b) }),
	}
	if err := r.invalid(); err != nil {
		return nil, err
	}
	v, err := s.Meta.Revoke(ctx, request)
	if err != nil {
		return nil, err
	}
	return &metapb.RevokeResponse{Revocation: v.Encode()}, nil
}

func (s operatorServer) Status(ctx context.Context, _ *metapb.StatusRequest) (*metapb.StatusResponse, error) {
	status, err := s.Meta.Status(ctx)
	if err != nil {
		return nil, err
	}
	if c := callerOf(ctx); c.role&operator == 0 {
		status = ofEdge(status, c.edge)
	}
	return statusMessage(status), nil
}

// ofEdge is what an edge may know of a status: which network, and itself.
func ofEdge(s *meta.Status, id meta.EdgeID) *meta.Status {
	out := &meta.Status{ChainID: s.ChainID, Authority: s.Authority, Epoch: s.Epoch}
	for _, e := range s.Edges {
		if e.ID == id {
			out.Edges = append(out.Edges, e)
		}
	}
	return out
}

func statusMessage(s *meta.Status) *metapb.StatusResponse {
	return &metapb.StatusResponse{
		ChainId: text(s.ChainID), Authority: uint32(s.Authority), Epoch: s.Epoch, JournalHeight: s.JournalHeight,
		Names: s.Names, Roots: s.Roots, Units: s.Units,
		Edges: each(s.Edges, func(e meta.EdgeStatus) *metapb.EdgeStatus {
			return &metapb.EdgeStatus{
				Edge: edgeMessage(e.Edge), LastBeat: timestamp(e.LastBeat), Units: e.Units, Bytes: e.Bytes,
				Revocation: e.Revocation, Version: text(e.Version), Dials: each(e.Dials, dialReportMessage),
			}
		}),
		RepairHalted: s.RepairHalted, RepairReason: text(s.RepairReason),
		Repairs: each(s.Repairs, func(p meta.RepairStatus) *metapb.RepairStatus {
			return &metapb.RepairStatus{
				Unit: p.Unit[:], Name: text(string(p.Name)), Live: int32(p.Live), Wanted: int32(p.Wanted), Target: uint32(p.Target),
				Started: timestamp(p.Started), Expected: durationpb.New(p.Expected),
			}
		}),
		Degraded: each(s.Degraded, func(u meta.UnitStatus) *metapb.UnitStatus {
			return &metapb.UnitStatus{Unit: u.Unit[:], Name: text(string(u.Name)), Live: int32(u.Live), Shortfall: text(u.Shortfall)}
		}),
		Revocations: s.Revocations, StoreKind: text(s.StoreKind), UptimeSeconds: s.UptimeSeconds, RecoveredUnits: s.RecoveredUnits,
	}
}

func (r *reading) status(p *metapb.StatusResponse) *meta.Status {
	return &meta.Status{
		ChainID: p.GetChainId(), Authority: small[uint16](r, "authority", p.GetAuthority()), Epoch: p.GetEpoch(), JournalHeight: p.GetJournalHeight(),
		Names: p.GetNames(), Roots: p.GetRoots(), Units: p.GetUnits(),
		Edges: each(p.GetEdges(), func(e *metapb.EdgeStatus) meta.EdgeStatus {
			return meta.EdgeStatus{
				Edge: r.edge(e.GetEdge()), LastBeat: r.time(e.GetLastBeat()), Units: e.GetUnits(), Bytes: e.GetBytes(),
				Revocation: e.GetRevocation(), Version: e.GetVersion(), Dials: each(e.GetDials(), r.dialReport),
			}
		}),
		RepairHalted: p.GetRepairHalted(), RepairReason: p.GetRepairReason(),
		Repairs: each(p.GetRepairs(), func(s *metapb.RepairStatus) meta.RepairStatus {
			return meta.RepairStatus{
				Unit: r.unit(s.GetUnit()), Name: meta.Name(s.GetName()), Live: int(s.GetLive()), Wanted: int(s.GetWanted()),
				Target: meta.EdgeID(s.GetTarget()), Started: r.time(s.GetStarted()), Expected: r.duration(s.GetExpected()),
			}
		}),
		Degraded: each(p.GetDegraded(), func(u *metapb.UnitStatus) meta.UnitStatus {
			return meta.UnitStatus{Unit: r.unit(u.GetUnit()), Name: meta.Name(u.GetName()), Live: int(u.GetLive()), Shortfall: u.GetShortfall()}
		}),
		Revocations: p.GetRevocations(), StoreKind: p.GetStoreKind(), UptimeSeconds: p.GetUptimeSeconds(), RecoveredUnits: p.GetRecoveredUnits(),
	}
}
