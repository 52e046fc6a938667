package router

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

const (
	// reuseFor is how long a class B ticket serves everybody of a network who
	// asks for the same root.
	reuseFor = time.Minute
	// reuseSize bounds the tickets remembered.
	reuseSize = 1 << 16
	// reuseObjects is how many times over one ticket hands out each object: its
	// MaxBytes covers as many.
	reuseObjects = 16
	// issueBatch is the most requests of one call, issueFlights the most calls
	// under way.
	issueBatch   = 256
	issueFlights = 2
	// issueQueue bounds the requests that wait for a call.
	issueQueue = 4096
)

// tickets gets tickets signed: requests that come while a call is under way go
// together in the next.
type tickets struct {
	issuer  meta.Issuer
	now     func() time.Time
	metrics *metrics
	reused  *memo[reuseKey, *reusable]

	mu      sync.Mutex // guards waiting, flights
	waiting []*issuance
	flights int
	calls   sync.WaitGroup
}

type reuseKey struct {
	network netip.Prefix
	root    sds.CID
}

// reusable is a class B ticket with how often it may still be handed out.
type reusable struct {
	meta.Issued
	left atomic.Int64
	// last is when it was last handed out, in Unix ms, and to which edge.
	last     atomic.Int64
	lastEdge atomic.Uint32
}

type issuance struct {
	request meta.TicketRequest
	answer  meta.Issued
	done    chan struct{}
}

func newTickets(issuer meta.Issuer, now func() time.Time, m *metrics) *tickets {
	return &tickets{issuer: issuer, now: now, metrics: m, reused: newMemo[reuseKey, *reusable](reuseSize, now)}
}

// wait returns when no call is under way.
func (t *tickets) wait() { t.calls.Wait() }

// netOf is what of an address stands in a ticket's tag: /24 or /56.
func netOf(addr netip.Addr) netip.Prefix {
	bits := 24
	if addr.Is6() && !addr.Is4In6() {
		bits = 56
	}
	p, err := addr.Unmap().WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// shared returns the ticket of a network for a root, or has decide make one.
func (t *tickets) shared(ctx context.Context, key reuseKey, decide func(context.Context) (*reusable, error)) (*reusable, error) {
	for range 2 {
		var failed error
		ticket, err := t.reused.get(ctx, key, func(ctx context.Context) (*reusable, time.Duration) {
			made, err := decide(ctx)
			if err != nil {
				made = &reusable{Issued: meta.Issued{Err: err}}
				return made, 0
			}
			return made, reuseFor
		})
		if err != nil {
			return nil, err
		}
		if failed = ticket.Err; failed != nil {
			return nil, failed
		}
		if ticket.left.Add(-1) >= 0 {
			return ticket, nil
		}
		t.reused.forget(key)
	}
	// So many ask at once that a new ticket is used up before this one's turn:
	// it gets one of its own.
	return decide(ctx)
}

// issue gets one ticket signed.
func (t *tickets) issue(ctx context.Context, request meta.TicketRequest) (meta.Issued, error) {
	i := &issuance{request: request, done: make(chan struct{})}
	t.mu.Lock()
	if len(t.waiting) >= issueQueue {
		t.mu.Unlock()
		t.metrics.tickets("refused", 1)
		return meta.Issued{}, errBusy
	}
	t.waiting = append(t.waiting, i)
	if t.flights < issueFlights {
		t.flights++
		t.calls.Go(t.fly)
	}
	t.mu.Unlock()
	select {
	case <-i.done:
		return i.answer, i.answer.Err
	case <-ctx.Done():
		return meta.Issued{}, context.Cause(ctx)
	}
}

// fly calls the issuer until nobody waits any more.
func (t *tickets) fly() {
	for {
		t.mu.Lock()
		n := min(len(t.waiting), issueBatch)
		if n == 0 {
			t.flights--
			t.waiting = nil
			t.mu.Unlock()
			return
		}
		batch := t.waiting[:n:n]
		t.waiting = t.waiting[n:]
		t.mu.Unlock()
		t.call(batch)
	}
}

func (t *tickets) call(batch []*issuance) {
	// The call belongs to all who wait, so nobody's leaving ends it.
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	requests := make([]meta.TicketRequest, len(batch))
	for n, i := range batch {
		requests[n] = i.request
	}
	answers, err := t.issuer.Issue(ctx, requests)
	if err == nil && len(answers) != len(batch) {
		err = fmt.Errorf("the issuer answered %d of %d requests", len(answers), len(batch))
	}
	failed := 0
	for n, i := range batch {
		switch {
		case err != nil:
			i.answer.Err = fmt.Errorf("issue tickets: %w", err)
		case answers[n].Err == nil && (answers[n].Ticket == nil || len(answers[n].Ticket.Edges) == 0):
			i.answer.Err = fmt.Errorf("the issuer's ticket names no edge")
		default:
			i.answer = answers[n]
		}
		if i.answer.Err != nil {
			failed++
		}
		close(i.done)
	}
	t.metrics.tickets("failed", failed)
	t.metrics.tickets("issued", len(batch)-failed)
}
