package origin

import (
	"context"
	"io"
	"sync"
	"time"

	tusd "github.com/tus/tusd/v2/pkg/handler"
)

// tusLocks has one lock for each upload in use. Whoever wants one that is held
// by a request ends that request's reading: the client has come back on another
// connection, and the old one may not know for a minute that it is dead.
//
// tusd's own lockers end it through tusd, which closes the body from another
// goroutine and races with the request that is just beginning to read it.
type tusLocks struct {
	mu   sync.Mutex // guards held
	held map[string]*tusHold
}

// tusHold is a held lock.
type tusHold struct {
	free    chan struct{}
	request *tusRequest
}

// interruptEvery is how often a holder is told to stop: what it reads meanwhile
// moves its deadline ahead again.
const interruptEvery = 50 * time.Millisecond

// NewLock implements tusd.Locker.
func (l *tusLocks) NewLock(id string) (tusd.Lock, error) { return &tusLock{locks: l, id: id}, nil }

// tusLock is one request's hold on, or wish for, a lock.
type tusLock struct {
	locks *tusLocks
	id    string
}

// Lock implements tusd.Lock.
func (l *tusLock) Lock(ctx context.Context, _ func()) error {
	ticker := time.NewTicker(interruptEvery)
	defer ticker.Stop()
	for {
		free := l.take(requestOf(ctx))
		if free == nil {
			return nil
		}
		select {
		case <-free:
		case <-ticker.C:
		case <-ctx.Done():
			return tusd.ErrFileLocked
		}
	}
}

// take holds the lock, or interrupts its holder and returns what is closed when
// he is done. The interruption happens under mu, so the holder is still there
// and the deadline is not that of a later request on his connection.
func (l *tusLock) take(request *tusRequest) (free <-chan struct{}) {
	l.locks.mu.Lock()
	defer l.locks.mu.Unlock()
	if holder := l.locks.held[l.id]; holder != nil {
		if holder.request.reading.Load() {
			_ = holder.request.control.SetReadDeadline(time.Now()) // he is heard when reading fails
		}
		return holder.free
	}
	if l.locks.held == nil {
		l.locks.held = map[string]*tusHold{}
	}
	l.locks.held[l.id] = &tusHold{free: make(chan struct{}), request: request}
	return nil
}

// watched tells whether a request still reads its body: only then may another
// one end that. Later the same deadline would break off its publication.
type watched struct {
	io.Reader
	request *tusRequest
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if err != nil {
		w.request.reading.Store(false)
	}
	return n, err
}

// Unlock implements tusd.Lock.
func (l *tusLock) Unlock() error {
	l.locks.mu.Lock()
	defer l.locks.mu.Unlock()
	close(l.locks.held[l.id].free)
	delete(l.locks.held, l.id)
	return nil
}

var _ tusd.Locker = (*tusLocks)(nil)
