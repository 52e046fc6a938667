package metahttp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/metapb"
	rpc "github.com/stratos-mesh/stratos/meta/metapb/metapbconnect"
	"github.com/stratos-mesh/stratos/receipt"
)

// Issue asks the meta node; see meta.Issuer. A call that may have arrived is not
// made again: each ticket uses a sequence number up.
func (c *Client) Issue(ctx context.Context, requests []meta.TicketRequest) ([]meta.Issued, error) {
	if len(requests) > MaxBatch {
		return nil, fmt.Errorf("%d tickets at once: %w: at most %d", len(requests), meta.ErrInvalid, MaxBatch)
	}
	answer, err := call(ctx, c, once, 0, &metapb.IssueRequest{Requests: each(requests, ticketRequestMessage)}, issueMethod)
	if err != nil {
		return nil, err
	}
	if len(answer.GetIssued()) != len(requests) {
		return nil, malformed(fmt.Errorf("%d tickets, want %d", len(answer.GetIssued()), len(requests)))
	}
	return each(answer.GetIssued(), issued), nil
}

func issueMethod(e *endpoint) func(context.Context, *metapb.IssueRequest) (*metapb.IssueResponse, error) {
	return e.issuer.Issue
}

func issued(p *metapb.Issued) meta.Issued {
	if f := p.GetFailure(); f != nil {
		if err := inward(f); err != nil {
			return meta.Issued{Err: err}
		}
		return meta.Issued{Err: errors.New(f.GetMessage())}
	}
	ticket, err := receipt.DecodeTicket(p.GetTicket())
	if err != nil {
		return meta.Issued{Err: malformed(err)}
	}
	return meta.Issued{Ticket: ticket, Text: ticket.Text()}
}

type issuerServer server

var _ rpc.IssuerHandler = issuerServer{}

func (s issuerServer) Issue(ctx context.Context, q *metapb.IssueRequest) (*metapb.IssueResponse, error) {
	if len(q.GetRequests()) > MaxBatch {
		return nil, fmt.Errorf("%d tickets at once: %w: at most %d", len(q.GetRequests()), meta.ErrInvalid, MaxBatch)
	}
	var r reading
	requests := each(q.GetRequests(), r.ticketRequest)
	if err := r.invalid(); err != nil {
		return nil, err
	}
	tickets, err := s.Meta.Issue(ctx, requests)
	if err != nil {
		return nil, err
	}
	return &metapb.IssueResponse{Issued: each(tickets, func(t meta.Issued) *metapb.Issued {
		if t.Err != nil {
			failure, _ := s.handler.failure(rpc.IssuerIssueProcedure, t.Err)
			return &metapb.Issued{Result: &metapb.Issued_Failure{Failure: failure}}
		}
		return &metapb.Issued{Result: &metapb.Issued_Ticket{Ticket: t.Ticket.Encode()}}
	})}, nil
}

func ticketRequestMessage(t meta.TicketRequest) *metapb.TicketRequest {
	p := &metapb.TicketRequest{
		Class: uint32(t.Class), ViewerAlg: uint32(t.ViewerAlg), Root: cidBytes(t.Root), Unit: t.Unit[:],
		Working: edgeNumbers(t.Working), Rest: edgeNumbers(t.Rest), Sources: edgeNumbers(t.Sources),
		Client: t.Client.AsSlice(), Region: uint32(t.Region), Asn: t.ASN,
		MaxBytes: t.MaxBytes, MaxRateKbps: t.MaxRateKbps, Lifetime: durationpb.New(t.Lifetime),
	}
	if t.ViewerKey != [33]byte{} {
		p.ViewerKey = t.ViewerKey[:]
	}
	if t.Bind != [32]byte{} {
		p.Bind = t.Bind[:]
	}
	return p
}

func (r *reading) ticketRequest(p *metapb.TicketRequest) meta.TicketRequest {
	t := meta.TicketRequest{
		Class: small[receipt.Class](r, "class", p.GetClass()), ViewerAlg: small[receipt.ViewerAlg](r, "algorithm", p.GetViewerAlg()),
		Root: r.cid("root", p.GetRoot()), Unit: r.unit(p.GetUnit()),
		Working: edgeIDs(p.GetWorking()), Rest: edgeIDs(p.GetRest()), Sources: edgeIDs(p.GetSources()),
		Region: small[uint16](r, "region", p.GetRegion()), ASN: p.GetAsn(),
		MaxBytes: p.GetMaxBytes(), MaxRateKbps: p.GetMaxRateKbps(), Lifetime: r.duration(p.GetLifetime()),
	}
	r.fixed("viewer key", t.ViewerKey[:], p.GetViewerKey(), true)
	r.fixed("bind", t.Bind[:], p.GetBind(), true)
	if b := p.GetClient(); len(b) != 0 {
		client, ok := netip.AddrFromSlice(b)
		if !ok {
			r.fail("address of %d bytes", len(b))
		}
		t.Client = client
	}
	return t
}
