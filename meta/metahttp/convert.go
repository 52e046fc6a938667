package metahttp

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// reading checks the fields of a message; the first mistake stays. A server
// makes an ErrInvalid of it, a client blames the answer.
type reading struct{ err error }

func (r *reading) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// invalid is the mistake as a caller's.
func (r *reading) invalid() error {
	if r.err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", meta.ErrInvalid, r.err)
}

// fixed fills an array; empty bytes leave it zero where that is allowed.
func (r *reading) fixed(what string, to, from []byte, optional bool) {
	if len(from) == 0 && optional {
		return
	}
	if len(from) != len(to) {
		r.fail("%s of %d bytes, want %d", what, len(from), len(to))
		return
	}
	copy(to, from)
}

func (r *reading) cid(what string, b []byte) sds.CID {
	if len(b) == 0 {
		return sds.CID{}
	}
	cid, err := sds.ParseBytes(b)
	if err != nil || len(b) != 36 {
		r.fail("%s: %x is no CID", what, b[:min(len(b), 40)])
	}
	return cid
}

func (r *reading) unit(b []byte) (unit meta.UnitKey) {
	r.fixed("unit key", unit[:], b, true)
	return unit
}

func (r *reading) key(b []byte) ed25519.PublicKey {
	if len(b) == 0 {
		return nil
	}
	key := make(ed25519.PublicKey, ed25519.PublicKeySize)
	r.fixed("key", key, b, false)
	return key
}

// small checks a number that has fewer bits on our side.
func small[T ~uint8 | ~uint16](r *reading, what string, n uint32) T {
	if T(n) == 0 && n != 0 || uint32(T(n)) != n {
		r.fail("%s %d is too large", what, n)
	}
	return T(n)
}

// enum checks a value of an enumeration whose numbers are ours.
func enum[T ~uint8, E ~int32](r *reading, what string, value, first, last E) T {
	if value < first || value > last {
		r.fail("%s %d is not known", what, value)
		return 0
	}
	return T(value)
}

func cidBytes(c sds.CID) []byte {
	if !c.Defined() {
		return nil
	}
	return c.Bytes()
}

func edgeIDs(list []uint32) []meta.EdgeID {
	if len(list) == 0 {
		return nil
	}
	out := make([]meta.EdgeID, len(list))
	for i, n := range list {
		out[i] = meta.EdgeID(n)
	}
	return out
}

func edgeNumbers(list []meta.EdgeID) []uint32 {
	out := make([]uint32, len(list))
	for i, n := range list {
		out[i] = uint32(n)
	}
	return out
}

func (r *reading) time(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	if err := t.CheckValid(); err != nil {
		r.fail("time: %w", err)
	}
	return t.AsTime()
}

func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func (r *reading) duration(d *durationpb.Duration) time.Duration {
	if d == nil {
		return 0
	}
	if err := d.CheckValid(); err != nil {
		r.fail("duration: %w", err)
	}
	return d.AsDuration()
}

// each converts a list; no elements are a nil slice.
func each[F, T any](list []F, convert func(F) T) []T {
	if len(list) == 0 {
		return nil
	}
	out := make([]T, len(list))
	for i, v := range list {
		out[i] = convert(v)
	}
	return out
}
