package metahttp

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/metapb"
	rpc "github.com/stratos-mesh/stratos/meta/metapb/metapbconnect"
	"github.com/stratos-mesh/stratos/receipt"
)

// Beat asks the meta node; see meta.Nodes. Its number lets a meta node know a
// beat that came twice.
func (c *Client) Beat(ctx context.Context, edge meta.EdgeID, b meta.Beat) (meta.BeatReply, error) {
	answer, err := call(ctx, c, again, 0, beatMessage(edge, b), beatMethod)
	if err != nil {
		return meta.BeatReply{}, err
	}
	var r reading
	reply := r.beatReply(answer)
	if r.err != nil {
		return meta.BeatReply{}, malformed(r.err)
	}
	return reply, nil
}

// Digest asks the meta node; see meta.Nodes.
func (c *Client) Digest(ctx context.Context, edge meta.EdgeID, buckets [256]uint64) ([]uint8, error) {
	answer, err := call(ctx, c, again, 0, &metapb.DigestRequest{Edge: uint32(edge), Buckets: buckets[:]}, digestMethod)
	if err != nil {
		return nil, err
	}
	return answer.GetBuckets(), nil
}

// Report asks the meta node; see meta.Nodes.
func (c *Client) Report(ctx context.Context, edge meta.EdgeID, buckets []uint8, units []meta.Holding) error {
	q := &metapb.ReportRequest{Edge: uint32(edge), Buckets: buckets, Units: each(units, holdingMessage)}
	_, err := call(ctx, c, again, 0, q, reportMethod)
	return err
}

func beatMethod(e *endpoint) func(context.Context, *metapb.BeatRequest) (*metapb.BeatResponse, error) {
	return e.nodes.Beat
}

func digestMethod(e *endpoint) func(context.Context, *metapb.DigestRequest) (*metapb.DigestResponse, error) {
	return e.nodes.Digest
}

func reportMethod(e *endpoint) func(context.Context, *metapb.ReportRequest) (*metapb.ReportResponse, error) {
	return e.nodes.Report
}

type nodesServer server

var _ rpc.NodesHandler = nodesServer{}

func (s nodesServer) Beat(ctx context.Context, q *metapb.BeatRequest) (*metapb.BeatResponse, error) {
	id := meta.EdgeID(q.GetEdge())
	if err := own(ctx, id); err != nil {
		return nil, err
	}
	var r reading
	beat := r.beat(q)
	if err := r.invalid(); err != nil {
		return nil, err
	}
	reply, err := s.Meta.Beat(ctx, id, beat)
	if err != nil {
		return nil, err
	}
	return beatReplyMessage(reply), nil
}

func (s nodesServer) Digest(ctx context.Context, q *metapb.DigestRequest) (*metapb.DigestResponse, error) {
	id := meta.EdgeID(q.GetEdge())
	if err := own(ctx, id); err != nil {
		return nil, err
	}
	if len(q.GetBuckets()) != 256 {
		return nil, fmt.Errorf("%d buckets: %w: want 256", len(q.GetBuckets()), meta.ErrInvalid)
	}
	differ, err := s.Meta.Digest(ctx, id, [256]uint64(q.GetBuckets()))
	if err != nil {
		return nil, err
	}
	return &metapb.DigestResponse{Buckets: differ}, nil
}

func (s nodesServer) Report(ctx context.Context, q *metapb.ReportRequest) (*metapb.ReportResponse, error) {
	id := meta.EdgeID(q.GetEdge())
	if err := own(ctx, id); err != nil {
		return nil, err
	}
	if len(q.GetBuckets()) > 256 {
		return nil, fmt.Errorf("%d buckets: %w: at most 256", len(q.GetBuckets()), meta.ErrInvalid)
	}
	var r reading
	units := each(q.GetUnits(), r.holding)
	if err := r.invalid(); err != nil {
		return nil, err
	}
	if err := s.Meta.Report(ctx, id, q.GetBuckets(), units); err != nil {
		return nil, err
	}
	return &metapb.ReportResponse{}, nil
}

func beatMessage(edge meta.EdgeID, b meta.Beat) *metapb.BeatRequest {
	failed := make(map[uint64]string, len(b.Failed))
	for number, reason := range b.Failed {
		failed[number] = text(reason)
	}
	return &metapb.BeatRequest{
		Edge: uint32(edge), Sequence: b.Sequence, Boot: b.Boot[:], Version: text(b.Version), Load: loadMessage(b.Load),
		Draining: b.Draining, Changes: each(b.Changes, holdingMessage), Cached: b.Cached, Done: b.Done, Failed: failed,
		Revocation: b.Revocation, Accepted: each(b.Accepted, func(id receipt.TicketID) []byte { return id[:] }),
		Dials: each(b.Dials, dialReportMessage),
	}
}

func (r *reading) beat(p *metapb.BeatRequest) meta.Beat {
	b := meta.Beat{
		Sequence: p.GetSequence(), Version: p.GetVersion(), Load: load(p.GetLoad()),
		Draining: p.GetDraining(), Changes: each(p.GetChanges(), r.holding), Cached: p.Cached, Done: p.GetDone(), Failed: p.GetFailed(),
		Revocation: p.GetRevocation(), Accepted: each(p.GetAccepted(), r.ticketID),
		Dials: each(p.GetDials(), r.dialReport),
	}
	r.fixed("boot", b.Boot[:], p.GetBoot(), false)
	return b
}

func dialReportMessage(d meta.DialReport) *metapb.DialReport {
	return &metapb.DialReport{
		Number: d.Number, Target: uint32(d.Target), By: uint32(d.By), Time: timestamp(d.Time),
		Ipv4: dialResultMessage(d.IPv4), Ipv6: dialResultMessage(d.IPv6), Certificate: dialResultMessage(d.Certificate),
		Key: dialResultMessage(d.Key), Http3: dialResultMessage(d.HTTP3),
	}
}

func dialResultMessage(d meta.DialResult) *metapb.DialResult {
	return &metapb.DialResult{Outcome: metapb.DialOutcome(d.Outcome), Detail: text(d.Detail)}
}

func (r *reading) dialReport(p *metapb.DialReport) meta.DialReport {
	return meta.DialReport{
		Number: p.GetNumber(), Target: meta.EdgeID(p.GetTarget()), By: meta.EdgeID(p.GetBy()), Time: r.time(p.GetTime()),
		IPv4: r.dialResult(p.GetIpv4()), IPv6: r.dialResult(p.GetIpv6()), Certificate: r.dialResult(p.GetCertificate()),
		Key: r.dialResult(p.GetKey()), HTTP3: r.dialResult(p.GetHttp3()),
	}
}

func (r *reading) dialResult(p *metapb.DialResult) meta.DialResult {
	return meta.DialResult{
		Outcome: enum[meta.DialOutcome](r, "outcome of a dial", p.GetOutcome(), metapb.DialOutcome_DIAL_OUTCOME_NOT_ANNOUNCED, metapb.DialOutcome_DIAL_OUTCOME_UNTRIED),
		Detail:  p.GetDetail(),
	}
}

func (r *reading) ticketID(b []byte) (id receipt.TicketID) {
	r.fixed("ticket id", id[:], b, false)
	return id
}

func holdingMessage(h meta.Holding) *metapb.Holding {
	return &metapb.Holding{Unit: h.Unit[:], Root: cidBytes(h.Root), State: metapb.HoldingState(h.State), Share: uint32(h.Share)}
}

func (r *reading) holding(p *metapb.Holding) meta.Holding {
	return meta.Holding{
		Unit: r.unit(p.GetUnit()), Root: r.cid("root", p.GetRoot()), Share: small[uint16](r, "share", p.GetShare()),
		State: enum[meta.HoldingState](r, "state", p.GetState(), metapb.HoldingState_HOLDING_STATE_GONE, metapb.HoldingState_HOLDING_STATE_CACHED),
	}
}

func beatReplyMessage(b meta.BeatReply) *metapb.BeatResponse {
	return &metapb.BeatResponse{
		Interval: durationpb.New(b.Interval), Work: each(b.Work, workMessage),
		Revocations: each(b.Revocations, func(v meta.Revocation) []byte { return v.Encode() }),
		Continuations: each(b.Continuations, func(c meta.Continuation) *metapb.Continuation {
			return &metapb.Continuation{Ticket: c.Ticket[:], Epoch: c.Epoch, MaxBytes: c.MaxBytes}
		}),
		WantDigest: b.WantDigest, Network: b.Network,
	}
}

func (r *reading) beatReply(p *metapb.BeatResponse) meta.BeatReply {
	return meta.BeatReply{
		Interval: r.duration(p.GetInterval()), Work: each(p.GetWork(), r.work),
		Revocations: each(p.GetRevocations(), r.revocation),
		Continuations: each(p.GetContinuations(), func(c *metapb.Continuation) meta.Continuation {
			return meta.Continuation{Ticket: r.ticketID(c.GetTicket()), Epoch: c.GetEpoch(), MaxBytes: c.GetMaxBytes()}
		}),
		WantDigest: p.GetWantDigest(), Network: p.GetNetwork(),
	}
}

func (r *reading) revocation(b []byte) meta.Revocation {
	v, err := meta.DecodeRevocation(b)
	if err != nil {
		r.fail("%w", err)
		return meta.Revocation{}
	}
	return *v
}

func workMessage(w meta.Work) *metapb.Work {
	return &metapb.Work{
		Number: w.Number, Kind: metapb.WorkKind(w.Kind), Unit: w.Unit[:], Shard: int32(w.Shard), Record: recordMessage(w.Record),
		Sources: edgeNumbers(w.Sources), Rate: w.Rate, Target: uint32(w.Target),
	}
}

// work passes on kinds that this program does not know yet: the edge reports
// them as failed, and a newer meta node understands.
func (r *reading) work(p *metapb.Work) meta.Work {
	return meta.Work{
		Number: p.GetNumber(), Kind: enum[meta.WorkKind](r, "kind of work", p.GetKind(), 0, 255), Unit: r.unit(p.GetUnit()),
		Shard: int(p.GetShard()), Record: r.record(p.GetRecord()),
		Sources: edgeIDs(p.GetSources()), Rate: p.GetRate(), Target: meta.EdgeID(p.GetTarget()),
	}
}
