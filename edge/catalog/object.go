package catalog

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/stratos-mesh/stratos/edge/peers"
	"github.com/stratos-mesh/stratos/sds"
)

// Object is one file of a root with its header values, each the slice that goes
// into a header map as it is. Nobody changes them.
type Object struct {
	sds.Object
	// Want leads to others that have its slices.
	Want peers.Want

	// Digest is nil where only the manifest could tell it.
	ETag, ContentType, Length, Digest []string
	// Script tells that browsers may run what is in it.
	Script bool

	revoked atomic.Pointer[error]
	spans   atomic.Pointer[[]sds.Span]
}

// entryWeight is about what an object of a manifest costs in memory, with the
// header values of every fourth.
const entryWeight = 500

func newObject(o sds.Object, want peers.Want) *Object {
	ready := &Object{
		Object:      o,
		Want:        want,
		ETag:        []string{`"` + o.CID.String() + `"`},
		ContentType: []string{o.Type},
		Length:      []string{strconv.FormatInt(o.Size, 10)},
		Script:      sds.CanRunScript(o.Type),
	}
	if o.SHA256 != [len(o.SHA256)]byte{} {
		ready.Digest = []string{"sha-256=:" + base64.StdEncoding.EncodeToString(o.SHA256[:]) + ":"}
	}
	return ready
}

// Revoked says why the object must not be served, nil when it may.
func (o *Object) Revoked() error {
	if err := o.revoked.Load(); err != nil {
		return *err
	}
	return nil
}

// keepSpans is how many slices of an object are remembered by name: 512 of
// them, half a GiB of content, are about 30 KiB. Of larger objects the nodes
// are read again.
const keepSpans = 512

// Spans lists the parts of slices that make bytes from to to (exclusive).
func (o *Object) Spans(ctx context.Context, getter sds.Getter, from, to int64) ([]sds.Span, error) {
	if from >= to {
		return nil, nil
	}
	if o.CID.Codec == sds.Raw {
		return []sds.Span{{CID: o.CID, From: int(from), To: int(to)}}, nil
	}
	if all := o.spans.Load(); all != nil {
		if from == 0 && to == o.Size {
			return *all, nil
		}
		return cut(*all, from, to), nil
	}
	file, err := sds.OpenFile(ctx, getter, o.CID)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", o.CID, err)
	}
	if file.Size() != o.Size {
		return nil, fmt.Errorf("open %s: manifest says %d bytes, tree %d: %w", o.CID, o.Size, file.Size(), sds.ErrMalformed)
	}
	if o.Size > keepSpans*sds.SliceSize {
		return file.Spans(ctx, from, to)
	}
	all, err := file.Spans(ctx, 0, o.Size)
	if err != nil {
		return nil, fmt.Errorf("slices of %s: %w", o.CID, err)
	}
	o.spans.Store(&all)
	return cut(all, from, to), nil
}

// cut takes the part of a whole object's spans that covers from to to.
func cut(all []sds.Span, from, to int64) []sds.Span {
	var out []sds.Span
	var at int64
	for _, s := range all {
		end := at + int64(s.To-s.From)
		if at >= to {
			break
		}
		if end > from {
			part := s
			part.From += int(max(0, from-at))
			part.To -= int(max(0, end-to))
			out = append(out, part)
		}
		at = end
	}
	return out
}
