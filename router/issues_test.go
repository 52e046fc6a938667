package router

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/receipt"
	"github.com/stratos-mesh/stratos/sds"
)

func someRequest() meta.TicketRequest {
	return meta.TicketRequest{Class: receipt.ClassB, Root: sds.Sum(sds.Raw, nil), MaxBytes: 1, Working: []meta.EdgeID{1}, Lifetime: objectSession}
}

func TestTicketsOfOneMomentGoInOneCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newFakeMeta(t)
		m.gate = make(chan struct{})
		s := newIssues(m, NewMemory(nil).metrics)
		var asking sync.WaitGroup
		seen := sync.Map{}
		for range 300 {
			asking.Go(func() {
				issued, err := s.issue(t.Context(), someRequest())
				if err != nil {
					t.Error(err)
					return
				}
				if _, twice := seen.LoadOrStore(issued.Ticket.ID, true); twice {
					t.Error("two requests got the same ticket")
				}
			})
		}
		synctest.Wait()
		if got := m.issues.Load(); got != issueFlights {
			t.Errorf("%d calls are under way, want %d", got, issueFlights)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.issue(gone, someRequest()); !errors.Is(err, context.Canceled) {
			t.Errorf("who went away: got %v", err)
		}
		close(m.gate)
		asking.Wait()
		s.wait()
		if got := m.issues.Load(); got > 8 {
			t.Errorf("300 tickets took %d calls", got)
		}
	})
}

func TestMoreWaitersThanTheQueueTakesAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newFakeMeta(t)
		m.gate = make(chan struct{})
		s := newIssues(m, NewMemory(nil).metrics)
		var asking sync.WaitGroup
		for range issueQueue + 2*issueBatch {
			asking.Go(func() { _, _ = s.issue(t.Context(), someRequest()) })
		}
		synctest.Wait()
		if _, err := s.issue(t.Context(), someRequest()); !errors.Is(err, errBusy) {
			t.Errorf("got %v, want errBusy", err)
		}
		close(m.gate)
		asking.Wait()
	})
}

func TestOneRefusedTicketDoesNotFailTheOthers(t *testing.T) {
	t.Parallel()
	m := newFakeMeta(t)
	s := newIssues(m, NewMemory(nil).metrics)
	bad := someRequest()
	bad.Root = sds.CID{}
	if _, err := s.issue(t.Context(), bad); err == nil {
		t.Error("a ticket that binds nothing was issued")
	}
	if _, err := s.issue(t.Context(), someRequest()); err != nil {
		t.Error(err)
	}
}

// oddIssuer answers what no issuer should.
type oddIssuer struct{ answers []meta.Issued }

func (o oddIssuer) Issue(context.Context, []meta.TicketRequest) ([]meta.Issued, error) {
	return o.answers, nil
}

func TestAnswersThatMakeNoSenseAreErrors(t *testing.T) {
	t.Parallel()
	for name, answers := range map[string][]meta.Issued{
		"too few":                  {},
		"too many":                 make([]meta.Issued, 2),
		"neither ticket nor error": make([]meta.Issued, 1),
		"a ticket without edges":   {{Ticket: &receipt.Ticket{}}},
	} {
		s := newIssues(oddIssuer{answers}, NewMemory(nil).metrics)
		if _, err := s.issue(t.Context(), someRequest()); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestATicketIsHandedOutOnlyAsOftenAsItPaysFor(t *testing.T) {
	t.Parallel()
	m := newFakeMeta(t, world()...)
	m.add("pub/film.mp4", meta.Object, 5<<20, 1)
	r := newTestRouter(t, m)
	uses := map[string]int{}
	for range 3 * shareTimes {
		uses[follow(t, ask(t, r, inFrankfurt, http.MethodGet, "/pub/film.mp4")).Query().Get("t")]++
	}
	if len(uses) != 3 {
		t.Errorf("%d tickets for %d requests, want 3", len(uses), 3*shareTimes)
	}
	for text, n := range uses {
		if ticket := ticketOf(t, text); ticket.MaxBytes < uint64(n)*5<<20 {
			t.Errorf("a ticket of %d bytes was handed out %d times for 5 MiB", ticket.MaxBytes, n)
		}
	}
}

func TestABundleIsResolvedOnceForAllItsPaths(t *testing.T) {
	t.Parallel()
	m := newFakeMeta(t, world()...)
	m.add("pub/a/site", meta.Bundle, 5<<20, 1)
	r := newTestRouter(t, m)
	for _, path := range []string{"x", "y/z", "y/z/w", "", "x"} {
		to := follow(t, ask(t, r, inFrankfurt, http.MethodGet, "/pub/a/site/"+path))
		if !strings.HasSuffix(to.Path, "/pub/a/site/"+path) {
			t.Errorf("%s: got %s", path, to)
		}
	}
	if got := m.resolves.Load(); got != 1 {
		t.Errorf("the meta node was asked %d times", got)
	}
}
