package router

import (
	"context"
	"fmt"
	"sync"

	"github.com/stratos-mesh/stratos/meta"
)

const (
	// issueBatch is the most requests of one call, issueFlights the most calls
	// under way.
	issueBatch   = 256
	issueFlights = 2
	// issueQueue bounds the requests that wait for a call.
	issueQueue = 4096
)

// issues gets tickets signed: requests that come while a call is under way go
// together in the next.
type issues struct {
	issuer  meta.Issuer
	metrics *metrics

	mu      sync.Mutex // guards waiting, flights
	waiting []*issuance
	flights int
	calls   sync.WaitGroup
}

type issuance struct {
	request meta.TicketRequest
	answer  meta.Issued
	done    chan struct{}
}

func newIssues(issuer meta.Issuer, m *metrics) *issues { return &issues{issuer: issuer, metrics: m} }

// wait returns when no call is under way.
func (s *issues) wait() { s.calls.Wait() }

// issue gets one ticket signed.
func (s *issues) issue(ctx context.Context, request meta.TicketRequest) (meta.Issued, error) {
	i := &issuance{request: request, done: make(chan struct{})}
	s.mu.Lock()
	if len(s.waiting) >= issueQueue {
		s.mu.Unlock()
		s.metrics.tickets("refused", 1)
		return meta.Issued{}, errBusy
	}
	s.waiting = append(s.waiting, i)
	if s.flights < issueFlights {
		s.flights++
		s.calls.Go(s.fly)
	}
	s.mu.Unlock()
	select {
	case <-i.done:
		return i.answer, i.answer.Err
	case <-ctx.Done():
		return meta.Issued{}, context.Cause(ctx)
	}
}

// fly calls the issuer until nobody waits any more.
func (s *issues) fly() {
	for {
		s.mu.Lock()
		n := min(len(s.waiting), issueBatch)
		if n == 0 {
			s.flights--
			s.waiting = nil
			s.mu.Unlock()
			return
		}
		batch := s.waiting[:n:n]
		s.waiting = s.waiting[n:]
		s.mu.Unlock()
		s.call(batch)
	}
}

func (s *issues) call(batch []*issuance) {
	// The call belongs to all who wait, so nobody's leaving ends it.
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	requests := make([]meta.TicketRequest, len(batch))
	for n, i := range batch {
		requests[n] = i.request
	}
	answers, err := s.issuer.Issue(ctx, requests)
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
	s.metrics.tickets("failed", failed)
	s.metrics.tickets("issued", len(batch)-failed)
}
