package router

import (
	"context"
	"net/netip"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/receipt"
)

const (
	// shareFor is how long a class B ticket serves everybody of a network who
	// asks for the same root.
	shareFor = time.Minute
	// shareTimes is how often one ticket hands out each object; its MaxBytes
	// covers as many.
	shareTimes = 16
)

// netOf is what of an address stands in a ticket's tag: /24 or /56.
func netOf(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 24
	if addr.Is6() {
		bits = 56
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// share returns the ticket of the client's network for the root, or makes one.
func (r *Router) share(ctx context.Context, key shareKey, q *request) (*sharedTicket, error) {
	for range 2 {
		ticket, err := r.memory.shared.get(ctx, key, func(ctx context.Context) (*sharedTicket, time.Duration) {
			made, err := r.classB(ctx, q)
			if err != nil {
				// Not to be remembered: the next one tries again.
				return &sharedTicket{Issued: meta.Issued{Err: err}}, 0
			}
			return made, shareFor
		})
		if err != nil {
			return nil, err
		}
		if ticket.Err != nil {
			return nil, ticket.Err
		}
		if ticket.left.Add(-1) >= 0 {
			return ticket, nil
		}
		r.memory.shared.forget(key)
	}
	// So many ask at once that a new ticket is used up before this one's turn:
	// it gets one of its own.
	return r.classB(ctx, q)
}

// classB is a ticket for whoever follows a plain link.
func (r *Router) classB(ctx context.Context, q *request) (*sharedTicket, error) {
	issued, err := r.ticket(ctx, q, meta.TicketRequest{
		Class: receipt.ClassB, MaxBytes: shareTimes * uint64(max(q.found.Record.Size, 1<<16)),
	})
	if err != nil {
		return nil, err
	}
	made := &sharedTicket{Issued: issued}
	made.left.Store(shareTimes * max(q.found.Record.Objects, 1))
	return made, nil
}
