package write

import (
	"errors"
	"io"
	"sync"

	"github.com/stratos-mesh/stratos/sds"
)

// fanout reads a body once into memory and lets several readers follow at
// their own pace: a slow next edge does not slow the disk, nor the other way.
type fanout struct {
	body io.Reader

	mu    sync.Mutex // guards following
	grown *sync.Cond
	bytes []byte
	err   error // io.EOF at the end
}

// newFanout makes room for a body of the given length at once.
func newFanout(body io.Reader, length int64) *fanout {
	f := &fanout{body: body, bytes: make([]byte, 0, claimed(length))}
	f.grown = sync.NewCond(&f.mu)
	return f
}

// source is the reader that drives: it alone reads the body.
func (f *fanout) source() io.Reader { return (*fanoutSource)(f) }

type fanoutSource fanout

func (s *fanoutSource) Read(p []byte) (int, error) {
	f := (*fanout)(s)
	n, err := f.body.Read(p)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.bytes)+n > sds.MaxBlockSize {
		err = sds.ErrTooLarge
		n = 0
	}
	f.bytes = append(f.bytes, p[:n]...)
	if err != nil && f.err == nil {
		f.err = err
	}
	f.grown.Broadcast()
	return n, err
}

// fail ends all readers, when the source was given up before its end.
func (f *fanout) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil || errors.Is(f.err, io.EOF) {
		f.err = err
	}
	f.grown.Broadcast()
}

// reader follows from the beginning.
func (f *fanout) reader() *fanoutReader { return &fanoutReader{fanout: f} }

type fanoutReader struct {
	fanout *fanout
	at     int
}

// again is a reader of the same bytes, from the beginning.
func (r *fanoutReader) again() *fanoutReader { return r.fanout.reader() }

func (r *fanoutReader) Read(p []byte) (int, error) {
	f := r.fanout
	f.mu.Lock()
	defer f.mu.Unlock()
	for r.at == len(f.bytes) && f.err == nil {
		f.grown.Wait()
	}
	if r.at < len(f.bytes) {
		n := copy(p, f.bytes[r.at:])
		r.at += n
		return n, nil
	}
	return 0, f.err
}
