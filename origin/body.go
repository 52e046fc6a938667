package origin

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/stratos-mesh/stratos/internal/httperr"
)

// body is an upload's bytes on their way in: bounded, counted against the
// quota, and given up when they do not move. Its error tells the client's
// mistakes from ours.
type body struct {
	origin  *Origin
	from    io.Reader
	limit   int64
	read    int64
	claimed int64 // reserved so far
	room    *reservation
	control *http.ResponseController
	moved   time.Time
	err     error
}

// quotaStep is how much room an upload of unknown size takes at a time.
const quotaStep = 16 << 20

// newBody reads a request's body of at most limit bytes; claimed of them are
// reserved in room already.
func (o *Origin) newBody(w http.ResponseWriter, r *http.Request, limit int64, room *reservation, claimed int64) *body {
	return &body{origin: o, from: r.Body, limit: limit, room: room, claimed: claimed, control: http.NewResponseController(w)}
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if now := time.Now(); now.Sub(b.moved) > b.origin.config().IdleTimeout/8 {
		b.moved = now
		_ = b.control.SetReadDeadline(now.Add(b.origin.config().IdleTimeout)) // a recorder in tests has no deadlines
	}
	n, err := b.from.Read(p)
	b.read += int64(n)
	b.origin.counters.BytesIn.Add(int64(n))
	switch {
	case b.read > b.limit:
		b.err = tooLarge(b.limit)
	case b.read > b.claimed:
		b.err = b.room.grow(quotaStep)
		b.claimed += quotaStep
	}
	if b.err != nil {
		return 0, b.err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		b.err = httperr.New(http.StatusRequestTimeout, "idle", fmt.Sprintf("the body did not move for %s; nothing was published", b.origin.config().IdleTimeout))
		return n, b.err
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = httperr.New(http.StatusBadRequest, "truncated", fmt.Sprintf("the body ended after %d bytes; nothing was published", b.read))
		return n, b.err
	}
	return n, err
}

func tooLarge(limit int64) error {
	return httperr.New(http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("one upload may have %d bytes", limit))
}
