// Package layout writes and reads the fixed layouts of the meta room: what is
// signed, journalled, or kept as a value of a view.
//
// Numbers are big-endian, texts and lists carry their length in front, times are
// nanoseconds since 1970 in UTC, a CID is its codec byte and its digest. One
// value has one form: a Reader refuses every other one, trailing bytes as well,
// and allocates no more than its input's length.
package layout

import (
	"errors"
	"fmt"
	"time"

	"github.com/stratos-mesh/stratos/sds"
)

// ErrMalformed: bytes that no Writer writes.
var ErrMalformed = errors.New("malformed")

// A Writer appends values to a buffer. The zero Writer is ready.
type Writer struct {
	buf []byte
}

// Done returns what was written.
func (w *Writer) Done() []byte { return w.buf }

// U8 writes one byte.
func (w *Writer) U8(v uint8) { w.buf = append(w.buf, v) }

// Bool writes 0 or 1.
func (w *Writer) Bool(v bool) {
	if v {
		w.U8(1)
		return
	}
	w.U8(0)
}

// U16 writes two bytes.
func (w *Writer) U16(v uint16) { w.buf = append(w.buf, byte(v>>8), byte(v)) }

// U32 writes four bytes.
func (w *Writer) U32(v uint32) { w.U16(uint16(v >> 16)); w.U16(uint16(v)) }

// U64 writes eight bytes.
func (w *Writer) U64(v uint64) { w.U32(uint32(v >> 32)); w.U32(uint32(v)) }

// Count writes a number that is never negative; a negative one becomes what the
// Reader refuses.
func (w *Writer) Count(v int64) { w.U64(uint64(v)) }

// Time writes nanoseconds since 1970; the zero time is 0.
func (w *Writer) Time(t time.Time) {
	if t.IsZero() {
		w.U64(0)
		return
	}
	w.Count(t.UnixNano())
}

// Fixed writes bytes whose number the layout fixes.
func (w *Writer) Fixed(b []byte) { w.buf = append(w.buf, b...) }

// Text writes a text of at most 65,535 bytes behind its length; what is longer
// is cut, so callers check before they write.
func (w *Writer) Text(s string) {
	s = s[:min(len(s), 1<<16-1)]
	w.U16(uint16(len(s)))
	w.buf = append(w.buf, s...)
}

// Bytes writes bytes behind a length of four bytes.
func (w *Writer) Bytes(b []byte) {
	w.U32(uint32(len(b)))
	w.Fixed(b)
}

// CID writes codec and digest, 33 bytes.
func (w *Writer) CID(c sds.CID) {
	w.U8(byte(c.Codec))
	w.Fixed(c.Digest[:])
}

// A Reader takes values off a buffer. The first mistake sticks: later calls
// return zero values and Done returns it.
type Reader struct {
	buf []byte
	err error
}

// NewReader reads b, which must not change meanwhile.
func NewReader(b []byte) *Reader { return &Reader{buf: b} }

// Done returns the first mistake; bytes left over are one.
func (r *Reader) Done() error {
	if r.err == nil && len(r.buf) > 0 {
		r.Fail("%d bytes too many", len(r.buf))
	}
	return r.err
}

// Fail records a mistake of the caller's finding.
func (r *Reader) Fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
	}
	r.buf = nil
}

// Rest is how many bytes are left.
func (r *Reader) Rest() int { return len(r.buf) }

func (r *Reader) take(n int) []byte {
	if r.err == nil && n > len(r.buf) {
		r.Fail("ends too early")
	}
	if r.err != nil {
		return nil
	}
	b := r.buf[:n:n]
	r.buf = r.buf[n:]
	return b
}

func (r *Reader) number(n int) (v uint64) {
	for _, b := range r.take(n) {
		v = v<<8 | uint64(b)
	}
	return v
}

// U8 reads one byte.
func (r *Reader) U8() uint8 { return uint8(r.number(1)) }

// Bool reads 0 or 1.
func (r *Reader) Bool() bool {
	v := r.U8()
	if v > 1 {
		r.Fail("%d where 0 or 1 belongs", v)
	}
	return v == 1
}

// U16 reads two bytes.
func (r *Reader) U16() uint16 { return uint16(r.number(2)) }

// U32 reads four bytes.
func (r *Reader) U32() uint32 { return uint32(r.number(4)) }

// U64 reads eight bytes.
func (r *Reader) U64() uint64 { return r.number(8) }

// Count reads a number that is not negative.
func (r *Reader) Count() int64 {
	v := int64(r.U64())
	if v < 0 {
		r.Fail("negative count")
		return 0
	}
	return v
}

// Time reads nanoseconds since 1970, in UTC.
func (r *Reader) Time() time.Time {
	n := r.Count()
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// Fixed reads into dst, all of it.
func (r *Reader) Fixed(dst []byte) { copy(dst, r.take(len(dst))) }

// Text reads a text of at most limit bytes.
func (r *Reader) Text(limit int) string {
	n := int(r.U16())
	if n > limit {
		r.Fail("text of %d bytes, at most %d", n, limit)
	}
	return string(r.take(n))
}

// Bytes reads at most limit bytes; they are a copy.
func (r *Reader) Bytes(limit int) []byte {
	n := r.U32()
	if int64(n) > int64(limit) {
		r.Fail("%d bytes, at most %d", n, limit)
	}
	return append([]byte(nil), r.take(int(n))...)
}

// CID reads codec and digest; a zero CID is all zero.
func (r *Reader) CID() sds.CID {
	c := sds.CID{Codec: sds.Codec(r.U8())}
	r.Fixed(c.Digest[:])
	switch {
	case c.Codec == sds.Raw, c.Codec == sds.DagPB, c == sds.CID{}:
	default:
		r.Fail("CID of codec %#x", byte(c.Codec))
		return sds.CID{}
	}
	return c
}

// Length reads the length of a list, as U32, whose elements take at least each
// bytes, and refuses one that the bytes left cannot hold or that is above limit.
func (r *Reader) Length(each, limit int) int {
	n := int64(r.U32())
	if n*int64(each) > int64(len(r.buf)) || n > int64(limit) {
		r.Fail("list of %d", n)
		return 0
	}
	return int(n)
}
