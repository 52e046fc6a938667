// Package session turns the text of a ticket into a session: verified once,
// found by one look-up in a map after that.
//
// A session meters what it was sent. The counters are atomic and belong to the
// session alone, so requests of different viewers share nothing.
package session

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/stratos-mesh/stratos/edge/catalog"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/receipt"
)

// Errors that tell why a ticket is not good here. All of them send a viewer
// back to the router.
var (
	// ErrForged: no ticket, or none that an authority of the network signed.
	ErrForged = errors.New("no ticket of this network")
	// ErrExpired: its session is over.
	ErrExpired = errors.New("ticket expired")
	// ErrElsewhere: a good ticket for other edges.
	ErrElsewhere = errors.New("ticket names other edges")
	// ErrClass: a ticket of a class that viewers do not use.
	ErrClass = errors.New("ticket of another class")
	// ErrDraining: this edge takes no new sessions.
	ErrDraining = errors.New("edge is draining")
	// ErrBusy: as many sessions as the edge keeps.
	ErrBusy = errors.New("too many sessions")
)

// Session is a ticket that was found good.
type Session struct {
	ID      receipt.TicketID
	Class   receipt.Class
	Bind    [32]byte
	Sources []meta.EdgeID
	Ticket  *receipt.Ticket

	end  int64 // seconds since 1970
	root atomic.Pointer[catalog.Root]

	bytes, requests, last atomic.Int64
}

// Root is the one that was set last and still has its table, or nil.
func (s *Session) Root() *catalog.Root {
	r := s.root.Load()
	if r == nil || r.Dropped() {
		return nil
	}
	return r
}

// SetRoot remembers the root that the ticket binds.
func (s *Session) SetRoot(r *catalog.Root) { s.root.Store(r) }

// Expired tells whether the session is over at now.
func (s *Session) Expired(now time.Time) bool { return now.Unix() >= s.end }

// Begin meters a request.
func (s *Session) Begin(now time.Time) {
	s.requests.Add(1)
	s.last.Store(now.Unix())
}

// Sent meters bytes of bodies as stored: no headers, no coding.
func (s *Session) Sent(n int64) { s.bytes.Add(n) }

// Meter is what a session was sent so far.
type Meter struct{ Bytes, Requests int64 }

// Meter reads the counters.
func (s *Session) Meter() Meter {
	return Meter{Bytes: s.bytes.Load(), Requests: s.requests.Load()}
}
