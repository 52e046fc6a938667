package router

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/receipt"
)

// Memory is what a router remembers and counts. All of it may be lost; a server
// that changes its configuration hands it to the next Router, so that nothing
// is asked twice. Everything in it is bounded; filled to the brim it takes about
// 150 MiB.
type Memory struct {
	now     func() time.Time
	network atomic.Pointer[snapshot]
	names   *memo[string, resolved]
	shared  *memo[shareKey, *sharedTicket]
	// presentations are multivariant playlists by root; readings the attempts to
	// read one, which anybody may cause for paths that are none; spares second
	// tickets by the first.
	presentations *memo[presentationKey, *presentation]
	readings      *memo[presentationKey, *presentation]
	spares        *memo[receipt.TicketID, *meta.Issued]
	demand        *demand
	why           *decisions
	metrics       *metrics
	choices       sync.Pool
}

// shareKey is who shares a class B ticket: a network, for what it binds.
type shareKey struct {
	network netip.Prefix
	bind    [32]byte
}

// sharedTicket is a class B ticket with how often it may still be handed out.
type sharedTicket struct {
	meta.Issued
	left atomic.Int64
	// sent is when it was last handed out, in Unix ms, and for which edge.
	sent   atomic.Int64
	sentTo atomic.Uint32
}

const (
	// namesKept bounds the names and paths remembered, sharesKept the tickets.
	namesKept  = 1 << 16
	sharesKept = 1 << 16
)

// NewMemory is an empty one; now is the clock, nil is time.Now.
func NewMemory(now func() time.Time) *Memory {
	if now == nil {
		now = time.Now
	}
	m := &Memory{
		now:           now,
		names:         newMemo[string, resolved](namesKept, now),
		shared:        newMemo[shareKey, *sharedTicket](sharesKept, now),
		presentations: newMemo[presentationKey, *presentation](presentationsKept, now),
		readings:      newMemo[presentationKey, *presentation](readingsKept, now),
		spares:        newMemo[receipt.TicketID, *meta.Issued](sharesKept, now),
		demand:        newDemand(now),
		why:           newDecisions(),
		choices:       sync.Pool{New: func() any { return new(Choice) }},
	}
	m.metrics = newMetrics(m)
	return m
}

// Collector has the metrics.
func (m *Memory) Collector() prometheus.Collector { return m.metrics }
