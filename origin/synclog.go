package origin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
)

// syncLog is a log of lines. Lines that come while others are being synced are
// synced together, so thousands of small files cost few syncs.
type syncLog struct {
	file *os.File

	mu      sync.Mutex // guards following
	pending []byte
	next    *group // of pending; nil while there is none
	busy    bool
	closed  bool
	idle    *sync.Cond // signalled when busy ends
	broken  error      // a failed sync: nothing that comes later can be trusted
}

// group is lines that are synced together.
type group struct {
	done chan struct{}
	err  error
}

// openLog reads the whole lines of a log, cuts off what a crash left behind
// them, and opens it for more.
func openLog(path string, each func(line []byte)) (*syncLog, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("log: %w", err)
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	for line := range bytes.Lines(text[:whole]) {
		each(line)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	if err = f.Truncate(int64(whole)); err == nil {
		_, err = f.Seek(int64(whole), io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("log: %w", err)
	}
	l := &syncLog{file: f}
	l.idle = sync.NewCond(&l.mu)
	return l, nil
}

// add puts a line in order and returns a function that waits until it is
// synced.
func (l *syncLog) add(line []byte) (synced func(context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return func(context.Context) error { return fmt.Errorf("log: %w", os.ErrClosed) }
	}
	if l.next == nil {
		l.next = &group{done: make(chan struct{})}
	}
	g := l.next
	l.pending = append(l.pending, line...)
	if !l.busy {
		l.busy = true
		go l.flush() // ends before close returns
	}
	return func(ctx context.Context) error {
		select {
		case <-g.done:
			return g.err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// flush writes groups until none is left.
func (l *syncLog) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.next != nil {
		g, lines := l.next, l.pending
		l.next, l.pending = nil, nil
		l.mu.Unlock()
		if l.broken == nil {
			_, err := l.file.Write(lines)
			if err == nil {
				err = l.file.Sync()
			}
			l.broken = err
		}
		g.err = l.broken
		close(g.done)
		l.mu.Lock()
	}
	l.busy = false
	l.idle.Broadcast()
}

// close waits for the lines that were added, and takes no more.
func (l *syncLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for l.busy {
		l.idle.Wait()
	}
	_ = l.file.Close()
}
