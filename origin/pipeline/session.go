package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// renewBefore a grant ends, it is renewed.
const renewBefore = 30 * time.Minute

// Session is one upload under one grant. It may be used from many goroutines.
type Session struct {
	writer *Writer
	floor  int // fewest edges a block must be on; fixed by the first grant

	sent atomic.Int64 // bytes under this grant; a resumed upload says how many were sent before

	mu      sync.Mutex // guards following; held across Begin, so that one asks for all
	request meta.Upload
	grant   meta.Grant
	version int
	strikes map[meta.EdgeID]strikes
	dead    map[meta.EdgeID]bool
}

// strikes are failures of an edge since it last did its work.
type strikes struct {
	count int
	last  time.Time
}

// Open begins an upload, or goes on with one: saved is the grant that an
// earlier session ended with, nil for a new upload, and sent the bytes that went
// under it so far.
func (w *Writer) Open(ctx context.Context, request meta.Upload, saved *meta.Grant, sent int64) (*Session, error) {
	s := &Session{writer: w, request: request, strikes: map[meta.EdgeID]strikes{}, dead: map[meta.EdgeID]bool{}}
	s.sent.Store(sent)
	if saved != nil {
		s.grant = *saved
		s.setFloor()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if saved == nil || s.stale() {
		if err := s.insist(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// insist asks for the grant a few times: a meta node may just be starting again.
// mu is held.
func (s *Session) insist(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		err := s.begin(ctx)
		if err == nil || permanent(err) || errors.Is(err, meta.ErrNoEdges) || attempt == 6 {
			return err
		}
		if err := pause(ctx, 2*s.writer.config.Pause, attempt); err != nil {
			return err
		}
	}
}

// Grant returns the newest grant, to be kept with the upload's state.
func (s *Session) Grant() meta.Grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.grant
}

// Version grows with every new grant: with each edge that was replaced.
func (s *Session) Version() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// Sink is the batch's, with a grant that grows with what is sent: for uploads
// whose size is not known when they begin.
func (s *Session) Sink(b *Batch) sds.Sink {
	return func(ctx context.Context, cid sds.CID, block []byte) error {
		total := s.sent.Add(int64(len(block)))
		if err := s.ensure(ctx, total); err != nil {
			return err
		}
		return b.Sink(ctx, cid, block)
	}
}

// ensure doubles the grant before the bytes sent come to its end.
func (s *Session) ensure(ctx context.Context, total int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if total+total/64+1<<20 <= s.grant.MaxBytes {
		return nil
	}
	s.request.MaxBytes = max(2*s.grant.MaxBytes, 2*total)
	if err := s.begin(ctx); err != nil {
		return err
	}
	if total > s.grant.MaxBytes {
		return fmt.Errorf("upload of more than %d bytes, which its grant covers: %w", s.grant.MaxBytes, sds.ErrTooLarge)
	}
	return nil
}

func (s *Session) stale() bool {
	return !s.grant.Until.IsZero() && s.grant.Until.Sub(s.writer.config.Now()) < renewBefore
}

// current returns the grant to write under, renewed if it ends soon.
func (s *Session) current(ctx context.Context) (meta.Grant, int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stale() {
		if err := s.begin(ctx); err != nil {
			return meta.Grant{}, 0, err
		}
	}
	return s.grant, s.version, nil
}

// begin asks for the grant; mu is held.
func (s *Session) begin(ctx context.Context) error {
	request := s.request
	request.Dead = slices.Sorted(maps.Keys(s.dead))
	g, err := s.writer.config.Meta.Begin(ctx, request)
	if err != nil {
		return fmt.Errorf("ask for a grant for %s: %w", request.Name, err)
	}
	if s.floor == 0 {
		s.grant = g
		s.setFloor()
	}
	if len(g.Edges) < s.floor {
		return fmt.Errorf("grant for %s names %d edges, want at least %d: %w", request.Name, len(g.Edges), s.floor, meta.ErrNoEdges)
	}
	s.grant = g
	s.version++
	return nil
}

// setFloor decides how many edges are enough: two where two or more are
// wanted, and where it is not said, two if the first grant had two.
func (s *Session) setFloor() {
	wanted := s.request.Replicas
	if wanted == 0 {
		wanted = len(s.grant.Edges)
	}
	s.floor = max(1, min(wanted, 2))
}

// fine forgets the strikes of edges that did their work.
func (s *Session) fine(edges []meta.EdgeID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range edges {
		delete(s.strikes, e)
	}
}

// blame counts a failure of an edge under a version of the grant. The third in
// a row, or one that shows that nobody is there, has the edge replaced. Failures
// of blocks that were under way together are one.
func (s *Session) blame(ctx context.Context, edge meta.EdgeID, version int, cause error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version != s.version || s.dead[edge] {
		return nil // judged under an older grant; the newer one has the answer
	}
	config := &s.writer.config
	if !unreachable(cause) {
		now, strike := config.Now(), s.strikes[edge]
		if strike.count > 0 && now.Sub(strike.last) < config.Pause {
			return nil
		}
		s.strikes[edge] = strikes{strike.count + 1, now}
		if strike.count+1 < 3 {
			return nil
		}
	}
	s.dead[edge] = true
	err := s.begin(ctx)
	if err != nil && !errors.Is(err, meta.ErrNoEdges) {
		// The meta node cannot answer: the edge may get another chance until it can.
		delete(s.dead, edge)
		return err
	}
	config.Counters.Replaced.Add(1)
	config.Logger.Warn("edge replaced in upload", "edge", edge, "name", s.request.Name, "edges", s.grant.Edges, "cause", cause, "error", err)
	return err
}

// Widen asks for the grant again, on edges that came to life since it was given:
// those that were found dead get another chance.
func (s *Session) Widen(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.dead)
	clear(s.strikes)
	return s.begin(ctx)
}

// renew asks for the grant again because an edge refused it.
func (s *Session) renew(ctx context.Context, version int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version != s.version {
		return nil
	}
	// It may be used up: slices that were sent and then thrown away count at the
	// edges, and here nobody knows of them after a restart.
	s.request.MaxBytes = max(s.request.MaxBytes, 2*s.grant.MaxBytes)
	return s.begin(ctx)
}
