package serve

import (
	"net/http"
	"sync/atomic"

	"github.com/stratos-mesh/stratos/edge/fill"
	"github.com/stratos-mesh/stratos/receipt"
)

// ClassLabel names who asked, for counting.
type ClassLabel uint8

// The labels: ClassNone is a request without a good ticket.
const (
	ClassNone ClassLabel = iota
	ClassA
	ClassB
	classes
)

// String is the label's value.
func (c ClassLabel) String() string { return [...]string{"none", "A", "B"}[c] }

func class(c receipt.Class) ClassLabel {
	switch c {
	case receipt.ClassA:
		return ClassA
	case receipt.ClassB:
		return ClassB
	}
	return ClassNone
}

// statuses that are counted each for itself; any other is counted as 0.
var statuses = [...]int{
	0, http.StatusOK, http.StatusNoContent, http.StatusPartialContent, http.StatusNotModified,
	http.StatusTemporaryRedirect, http.StatusPermanentRedirect, http.StatusBadRequest, http.StatusForbidden,
	http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone, http.StatusPreconditionFailed,
	http.StatusRequestedRangeNotSatisfiable, 499, http.StatusUnavailableForLegalReasons,
	http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
}

// Counters of a Handler, to be read at any time.
type Counters struct {
	requests [classes][len(statuses)]atomic.Int64
	// Bytes of bodies by where they came from: here, or another edge.
	HitBytes, MissBytes atomic.Int64
	// BrokenOff answers ended before their last byte.
	BrokenOff atomic.Int64
	// Unticketed answers were given away while no router answered.
	Unticketed atomic.Int64
}

// Count counts an answer.
func (c *Counters) Count(label ClassLabel, status int) {
	index := 0
	for i, s := range &statuses {
		if s == status {
			index = i
			break
		}
	}
	c.requests[label][index].Add(1)
}

// Sent counts bytes of a body.
func (c *Counters) Sent(n int64, origin fill.Origin) {
	if origin == fill.Hit {
		c.HitBytes.Add(n)
		return
	}
	c.MissBytes.Add(n)
}

// Requests calls each with every class and status that was seen; status 0 is
// any other.
func (c *Counters) Requests(each func(label ClassLabel, status int, n int64)) {
	for label := range classes {
		for i, status := range &statuses {
			if n := c.requests[label][i].Load(); n > 0 {
				each(label, status, n)
			}
		}
	}
}
