package serve

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/stratos-mesh/stratos/edge/catalog"
	"github.com/stratos-mesh/stratos/edge/fill"
	"github.com/stratos-mesh/stratos/receipt"
	"github.com/stratos-mesh/stratos/sds"
)

// meter counts what a session was sent.
type meter interface{ Sent(n int64) }

// delivery is one object on its way to one viewer.
type delivery struct {
	handler *Handler
	root    *catalog.Root
	object  *catalog.Object
	meter   meter
	class   receipt.Class
	// bundle: the URL names a root, so its content never changes.
	bundle bool

	took time.Duration // of a miss, for Server-Timing
}

func (d *delivery) serve(w http.ResponseWriter, r *http.Request) error {
	if err := d.object.Revoked(); err != nil {
		return err
	}
	if conditional(r.Header) {
		if done, err := d.conditions(w, r); done || err != nil {
			return err
		}
	}
	if r.Header["Range"] != nil && r.Method == http.MethodGet {
		if done, err := d.ranges(w, r); done || err != nil {
			return err
		}
	}
	return d.whole(w, r)
}

// whole answers with all of the object.
func (d *delivery) whole(w http.ResponseWriter, r *http.Request) error {
	header := w.Header()
	if r.Method == http.MethodHead || d.object.Size == 0 {
		d.bodyHead(header)
		d.served(header, fill.Hit)
		header["Content-Length"] = d.object.Length
		w.WriteHeader(http.StatusOK)
		d.handler.Counters.Count(class(d.class), http.StatusOK)
		return nil
	}
	return d.stream(w, r, 0, d.object.Size, func(origin fill.Origin) {
		d.bodyHead(header)
		d.served(header, origin)
		header["Content-Length"] = d.object.Length
		w.WriteHeader(http.StatusOK)
		d.handler.Counters.Count(class(d.class), http.StatusOK)
	})
}

// stream writes bytes from to to (exclusive). The head goes out when the first
// slice is here and verified, so that what cannot be had is still an answer.
func (d *delivery) stream(w http.ResponseWriter, r *http.Request, from, to int64, head func(fill.Origin)) error {
	ctx := r.Context()
	spans, err := d.spans(ctx, from, to)
	if err != nil {
		return unread(err)
	}
	reader := d.reader(ctx, spans)
	defer reader.close()
	controller := http.NewResponseController(w)
	slow := to-from > deadlineAbove || r.ProtoMajor == 2
	if slow && r.ProtoMajor == 1 { // a stream ends with its answer, a connection goes on
		defer func() { _ = controller.SetWriteDeadline(time.Time{}) }()
	}
	for i := range spans {
		block, origin, release, err := reader.next(i)
		if err == nil {
			err = d.handler.config.Catalog.Stopped(d.root, d.object)
		}
		var part []byte
		if err == nil {
			part, err = d.part(spans[i], block)
		}
		if err != nil {
			if i == 0 {
				release()
				return unread(err)
			}
			release()
			return &brokenOff{err}
		}
		if i == 0 {
			head(origin)
		}
		if slow {
			_ = controller.SetWriteDeadline(time.Now().Add(SliceDeadline))
		}
		n, err := w.Write(part)
		release()
		d.sent(int64(n), origin)
		if err != nil {
			return &brokenOff{err}
		}
	}
	return nil
}

// part takes a span out of its slice. The size of a file of one slice is what a
// directory or a manifest says of it, which its publisher wrote: it may be a lie.
func (d *delivery) part(span sds.Span, block []byte) ([]byte, error) {
	if d.object.CID.Codec == sds.Raw && int64(len(block)) != d.object.Size {
		return nil, fmt.Errorf("%s has %d bytes, its root says %d: %w", d.object.CID, len(block), d.object.Size, sds.ErrMalformed)
	}
	return span.Of(block)
}

const (
	// deadlineAbove is the size from which writing has a deadline: what is
	// smaller fits into the buffers of a socket.
	deadlineAbove = 128 << 10
	// SliceDeadline is how long a viewer may take for a slice of a MiB: 70 kbit/s.
	SliceDeadline = 120 * time.Second
)

func (d *delivery) spans(ctx context.Context, from, to int64) ([]sds.Span, error) {
	if d.object.CID.Codec == sds.Raw {
		return d.object.Spans(ctx, nil, from, to)
	}
	return d.object.Spans(ctx, d.handler.config.Fill.Getter(d.object.Want), from, to)
}

func (d *delivery) sent(n int64, origin fill.Origin) {
	if d.meter != nil {
		d.meter.Sent(n)
	}
	d.handler.Counters.Sent(n, origin)
}

// timing is a Server-Timing value: a word for a hit, which is most answers, and
// the time that a miss took.
func (d *delivery) timing(origin fill.Origin) []string {
	if origin == fill.Hit {
		return hitTiming
	}
	return []string{"edge;desc=miss, fill;dur=" + strconv.FormatFloat(float64(d.took.Microseconds())/1000, 'f', 1, 64)}
}

var hitTiming = []string{"edge;desc=hit"}

// contentRange of a 206.
func contentRange(from, to, size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", from, to-1, size)
}
