package sds

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// A File finds the slices of an object. It reads nodes when a range needs them
// and remembers one for each level, so it stays small however large the object
// is. It may be used by many goroutines at once.
type File struct {
	getter Getter
	root   link
	inside *node // nil for an object of one slice

	mu     sync.Mutex // guards recent
	recent map[int]recentNode
}

type recentNode struct {
	cid    CID
	inside *node
}

// A Span is a part of a slice: its bytes From to To, To not included.
type Span struct {
	CID      CID
	From, To int
}

// Of takes the part out of the slice's bytes. A slice shorter than its tree
// said is ErrMalformed.
func (s Span) Of(slice []byte) ([]byte, error) {
	if s.From < 0 || s.From > s.To || s.To > len(slice) {
		return nil, fmt.Errorf("slice %s of %d bytes: %w: want bytes %d to %d", s.CID, len(slice), ErrMalformed, s.From, s.To)
	}
	return slice[s.From:s.To], nil
}

// OpenFile opens the object under a root. It gets one block: the root node, or
// the slice itself if that is all, for nothing else tells its size. A directory
// is ErrMalformed.
func OpenFile(ctx context.Context, g Getter, cid CID) (*File, error) {
	block, err := g.Get(ctx, cid)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", cid, err)
	}
	if cid.Codec == Raw {
		return &File{getter: g, root: link{cid: cid, size: int64(len(block))}}, nil
	}
	inside, err := decodeNode(block)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", cid, err)
	}
	if inside.kind != fileNode {
		return nil, fmt.Errorf("open %s: %w: a directory, not a file", cid, ErrMalformed)
	}
	return newFile(g, cid, inside), nil
}

// newFile is a file of several slices.
func newFile(g Getter, cid CID, inside *node) *File {
	return &File{getter: g, root: link{cid: cid, size: inside.size}, inside: inside, recent: make(map[int]recentNode)}
}

// Size is the object's size in bytes.
func (f *File) Size() int64 { return f.root.size }

// Spans lists the parts of slices that make the bytes from to to, to not
// included, in order. A range outside the object is cut to it.
func (f *File) Spans(ctx context.Context, from, to int64) ([]Span, error) {
	from, to = max(from, 0), min(to, f.Size())
	if from >= to {
		return nil, nil
	}
	spans := make([]Span, 0, min((to-1)/SliceSize-from/SliceSize+1, 1<<16))
	err := f.EachSpan(ctx, from, to, func(s Span) error {
		spans = append(spans, s)
		return nil
	})
	return spans, err
}

// EachSpan calls each for what Spans lists, until it returns an error, which
// EachSpan returns.
func (f *File) EachSpan(ctx context.Context, from, to int64, each func(Span) error) error {
	from, to = max(from, 0), min(to, f.Size())
	if from >= to {
		return nil
	}
	if f.inside == nil {
		return each(Span{CID: f.root.cid, From: int(from), To: int(to)})
	}
	return f.descend(ctx, f.inside, 1, from, to, each)
}

// descend goes through the part of a node that from and to, offsets in it, span.
func (f *File) descend(ctx context.Context, n *node, depth int, from, to int64, each func(Span) error) error {
	var at int64
	for _, l := range n.links {
		begin := at
		at += l.size
		if at <= from {
			continue
		}
		if begin >= to {
			break
		}
		inFrom, inTo := max(from-begin, 0), min(to-begin, l.size)
		if l.cid.Codec == Raw {
			if err := each(Span{CID: l.cid, From: int(inFrom), To: int(inTo)}); err != nil {
				return err
			}
			continue
		}
		child, err := f.child(ctx, l, depth)
		if err != nil {
			return err
		}
		if err := f.descend(ctx, child, depth+1, inFrom, inTo, each); err != nil {
			return err
		}
	}
	return nil
}

// child gets the node that a link names, or remembers it.
func (f *File) child(ctx context.Context, l link, depth int) (*node, error) {
	f.mu.Lock()
	known := f.recent[depth]
	f.mu.Unlock()
	if known.cid == l.cid && known.inside != nil {
		if known.inside.size != l.size {
			return nil, sizeLie(l, known.inside)
		}
		return known.inside, nil
	}
	n, err := getFileNode(ctx, f.getter, l, depth)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.recent[depth] = recentNode{cid: l.cid, inside: n}
	f.mu.Unlock()
	return n, nil
}

// getFileNode gets a node below the root of a file.
func getFileNode(ctx context.Context, g Getter, l link, depth int) (*node, error) {
	if depth > maxFileDepth {
		return nil, fmt.Errorf("node %s: %w: more than %d levels deep", l.cid, ErrMalformed, maxFileDepth)
	}
	block, err := g.Get(ctx, l.cid)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", l.cid, err)
	}
	n, err := decodeNode(block)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", l.cid, err)
	}
	if n.kind != fileNode || n.size != l.size {
		return nil, sizeLie(l, n)
	}
	return n, nil
}

func sizeLie(l link, n *node) error {
	if n.kind != fileNode {
		return fmt.Errorf("node %s: %w: a directory inside a file", l.cid, ErrMalformed)
	}
	return fmt.Errorf("node %s: %w: %d bytes, its parent says %d", l.cid, ErrMalformed, n.size, l.size)
}

// Copy writes the bytes from to to, to not included, to w.
func (f *File) Copy(ctx context.Context, w io.Writer, from, to int64) (int64, error) {
	counted := &countingWriter{w: w}
	err := f.EachSpan(ctx, from, to, func(s Span) error { return f.copySpan(ctx, counted, s) })
	return counted.n, err
}

func (f *File) copySpan(ctx context.Context, w io.Writer, s Span) error {
	slice, err := f.getter.Get(ctx, s.CID)
	if err != nil {
		return fmt.Errorf("slice %s: %w", s.CID, err)
	}
	part, err := s.Of(slice)
	if err != nil {
		return err
	}
	_, err = w.Write(part)
	return err
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
