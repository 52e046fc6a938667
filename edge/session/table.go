package session

import (
	"crypto/ed25519"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/receipt"
)

// Config of a Table.
type Config struct {
	Peers *peers.Table
	// Max sessions kept; 0 is 200,000, of about a KiB each.
	Max int
	// Draining refuses sessions that are not known yet; nil never does.
	Draining func() bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// maxText bounds the text of a ticket before anything is decoded; a ticket of
// today has about 430 characters.
const maxText = 1024

// maxAhead bounds how far in the future a session may end: a clock that is
// wrong by more than this is not believed. Sessions last 12 hours at most.
const maxAhead = 24 * time.Hour

const shards = 64

// Table finds sessions by the text of their ticket.
type Table struct {
	config Config
	seed   maphash.Seed
	shards [shards]shard
	count  atomic.Int64

	mu       sync.Mutex // guards following
	accepted []receipt.TicketID
}

type shard struct {
	mu       sync.RWMutex // guards following
	sessions map[string]*Session
	_        [32]byte // keeps neighbours off the same cache line
}

// NewTable makes an empty table.
func NewTable(config Config) *Table {
	if config.Max == 0 {
		config.Max = 200_000
	}
	if config.Draining == nil {
		config.Draining = func() bool { return false }
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	t := &Table{config: config, seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].sessions = make(map[string]*Session)
	}
	return t
}

// Known returns the session of a ticket's text if it was opened before and is
// not over, else nil.
func (t *Table) Known(text string, now time.Time) *Session {
	s := &t.shards[maphash.String(t.seed, text)%shards]
	s.mu.RLock()
	found := s.sessions[text]
	s.mu.RUnlock()
	if found == nil || found.Expired(now) {
		return nil
	}
	return found
}

// Find returns the session of a ticket's text, opening it when the ticket is
// good here.
func (t *Table) Find(text string, now time.Time) (*Session, error) {
	s := &t.shards[maphash.String(t.seed, text)%shards]
	s.mu.RLock()
	found := s.sessions[text]
	s.mu.RUnlock()
	if found != nil {
		if found.Expired(now) {
			return nil, ErrExpired
		}
		return found, nil
	}
	return t.open(s, text, now)
}

func (t *Table) open(s *shard, text string, now time.Time) (*Session, error) {
	ticket, err := t.verify(text, now)
	if err != nil {
		return nil, err
	}
	if t.config.Draining() {
		return nil, ErrDraining
	}
	if t.count.Load() >= int64(t.config.Max) && t.Sweep(now) == 0 {
		return nil, ErrBusy
	}
	opened := &Session{
		ID: ticket.ID, Class: ticket.Kind(), Bind: ticket.Bind, Ticket: ticket,
		end: ticket.ID.NotAfter().Unix(),
	}
	for _, id := range ticket.Sources {
		opened.Sources = append(opened.Sources, meta.EdgeID(id))
	}
	s.mu.Lock()
	if other := s.sessions[text]; other != nil {
		s.mu.Unlock()
		return other, nil
	}
	// The text is part of a request's URL; a copy lets the request go.
	s.sessions[string([]byte(text))] = opened
	s.mu.Unlock()
	t.count.Add(1)
	t.accept(ticket.ID)
	return opened, nil
}

func (t *Table) verify(text string, now time.Time) (*receipt.Ticket, error) {
	if text == "" || len(text) > maxText {
		return nil, ErrForged
	}
	ticket, err := receipt.ParseTicket(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForged, err)
	}
	network := t.config.Peers.Now()
	key, ok := network.Authorities[ticket.ID.Authority()]
	if !ok || len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: authority %d is unknown", ErrForged, ticket.ID.Authority())
	}
	// Cheap refusals come before the signature, which takes 50 µs.
	end := ticket.ID.NotAfter()
	if !now.Before(end) {
		return nil, ErrExpired
	}
	if end.Sub(now) > maxAhead {
		return nil, fmt.Errorf("%w: it ends in %s", ErrForged, end.Sub(now))
	}
	if c := ticket.Kind(); c != receipt.ClassA && c != receipt.ClassB {
		return nil, ErrClass
	}
	if !slices.Contains(ticket.Edges, uint32(network.ID())) || network.ID() == 0 {
		return nil, ErrElsewhere
	}
	if err := ticket.Verify(key, network.ChainID); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForged, err)
	}
	return ticket, nil
}

// Sweep forgets sessions that are over, and says how many.
func (t *Table) Sweep(now time.Time) int {
	gone := 0
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for text, session := range s.sessions {
			if session.Expired(now) {
				delete(s.sessions, text)
				gone++
			}
		}
		s.mu.Unlock()
	}
	t.count.Add(-int64(gone))
	return gone
}

// Len counts the sessions.
func (t *Table) Len() int64 { return t.count.Load() }

// Active counts sessions with a request since the given moment.
func (t *Table) Active(since time.Time) int64 {
	var n int64
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.RLock()
		for _, session := range s.sessions {
			if session.last.Load() >= since.Unix() {
				n++
			}
		}
		s.mu.RUnlock()
	}
	return n
}

// maxAccepted bounds the ids that wait for the next beat.
const maxAccepted = 65_536

func (t *Table) accept(id receipt.TicketID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.accepted) < maxAccepted {
		t.accepted = append(t.accepted, id)
	}
}

// Accepted takes the ids of the tickets accepted since the last call.
func (t *Table) Accepted() []receipt.TicketID {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.accepted
	t.accepted = nil
	return out
}
