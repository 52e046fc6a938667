package sds

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"
)

// Built is what an import made of a stream.
type Built struct {
	// Root names the object.
	Root CID
	// Size in bytes.
	Size int64
	// SHA256 of the whole content, as in Repr-Digest.
	SHA256 [sha256.Size]byte
	// First names the first slice; equal to Root for an object of one slice.
	First CID
	// Slices is how many there are, at least one.
	Slices int
}

// A Splitter cuts a stream into slices while it arrives. Its State can be kept
// and taken up again by another process at any byte. It is not for use by
// several goroutines at once.
type Splitter struct {
	sink   Sink
	leaves []CID
	hash   hash.Hash // of the slices in leaves
	tail   []byte    // what follows them; full only when the sink has refused it
	closed *Built
}

// NewSplitter returns a Splitter whose slices, and at the end nodes, go to sink.
func NewSplitter(sink Sink) *Splitter {
	return &Splitter{sink: sink, hash: sha256.New()}
}

// Size counts the bytes taken so far.
func (s *Splitter) Size() int64 {
	return int64(len(s.leaves))*SliceSize + int64(len(s.tail))
}

var errFinished = errors.New("the object is finished")

// Write takes more content; full slices are with the sink when it returns. The
// count is what was taken and need not be written again, also with an error:
// then the sink has refused a slice, which the next call offers again.
func (s *Splitter) Write(ctx context.Context, p []byte) (int, error) {
	if s.closed != nil {
		return 0, errFinished
	}
	taken := 0
	for len(p) > 0 {
		if err := s.flush(ctx); err != nil {
			return taken, err
		}
		if len(s.tail) == 0 && len(p) >= SliceSize {
			if err := s.cut(ctx, p[:SliceSize]); err != nil {
				return taken, err
			}
			p = p[SliceSize:]
			taken += SliceSize
			continue
		}
		n := min(SliceSize-len(s.tail), len(p))
		s.tail = append(s.tail, p[:n]...)
		p = p[n:]
		taken += n
	}
	return taken, s.flush(ctx)
}

// ReadAll writes what is in r to its end, without the detour of a buffer
// between. Like Write it has taken what Size counts when it returns an error.
func (s *Splitter) ReadAll(ctx context.Context, r io.Reader) error {
	if s.closed != nil {
		return errFinished
	}
	for {
		if err := s.flush(ctx); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(s.tail) == cap(s.tail) {
			grown := make([]byte, len(s.tail), min(max(4*cap(s.tail), firstRead), SliceSize))
			copy(grown, s.tail)
			s.tail = grown
		}
		n, err := r.Read(s.tail[len(s.tail):min(cap(s.tail), SliceSize)])
		s.tail = s.tail[:len(s.tail)+n]
		if err == io.EOF {
			return s.flush(ctx)
		}
		if err != nil {
			return fmt.Errorf("read content after %d bytes: %w", s.Size(), err)
		}
	}
}

// flush cuts the tail if it is full.
func (s *Splitter) flush(ctx context.Context) error {
	if len(s.tail) < SliceSize {
		return nil
	}
	if err := s.cut(ctx, s.tail); err != nil {
		return err
	}
	s.tail = s.tail[:0]
	return nil
}

// cut names a full slice and hands it on. The digest of the whole runs beside
// that of the slice, on a copy, so that a refusal leaves no trace.
func (s *Splitter) cut(ctx context.Context, slice []byte) error {
	cloner, ok := s.hash.(hash.Cloner)
	if !ok {
		return errors.New("this SHA-256 cannot be copied")
	}
	whole, err := cloner.Clone()
	if err != nil {
		return fmt.Errorf("copy the state of a digest: %w", err)
	}
	var beside sync.WaitGroup
	beside.Go(func() { whole.Write(slice) })
	cid := Sum(Raw, slice)
	err = s.give(ctx, cid, slice)
	beside.Wait()
	if err != nil {
		return err
	}
	s.hash = whole
	s.leaves = append(s.leaves, cid)
	return nil
}

func (s *Splitter) give(ctx context.Context, cid CID, slice []byte) error {
	if err := s.sink(ctx, cid, slice); err != nil {
		return fmt.Errorf("slice %d: %w", len(s.leaves), err)
	}
	return nil
}

// Finish hands the last slice and the nodes to the sink and says what they are.
// After an error it may be called again, after success it repeats its answer.
func (s *Splitter) Finish(ctx context.Context) (Built, error) {
	if s.closed != nil {
		return *s.closed, nil
	}
	if err := s.flush(ctx); err != nil {
		return Built{}, err
	}
	built := Built{Size: s.Size()}
	leaves := s.leaves
	if len(s.tail) > 0 || len(leaves) == 0 {
		last := Sum(Raw, s.tail)
		if err := s.give(ctx, last, s.tail); err != nil {
			return Built{}, err
		}
		leaves = append(leaves[:len(leaves):len(leaves)], last)
	}
	if len(leaves) == 1 {
		built.SHA256 = leaves[0].Digest
	} else {
		whole, err := s.hash.(hash.Cloner).Clone()
		if err != nil {
			return Built{}, fmt.Errorf("copy the state of a digest: %w", err)
		}
		whole.Write(s.tail)
		whole.Sum(built.SHA256[:0])
	}
	root, err := BuildTree(ctx, leaves, built.Size, s.sink)
	if err != nil {
		return Built{}, err
	}
	built.Root, built.First, built.Slices = root, leaves[0], len(leaves)
	s.closed = &built
	return built, nil
}

// Import cuts a whole stream: slices, then nodes, go to sink.
func Import(ctx context.Context, r io.Reader, sink Sink) (Built, error) {
	s := NewSplitter(sink)
	if err := s.ReadAll(ctx, r); err != nil {
		return Built{}, err
	}
	return s.Finish(ctx)
}
