package router

import (
	"math"
	"slices"

	"github.com/stratos-mesh/stratos/meta"
)

var infinite = float32(math.Inf(1))

const (
	// assumedCapacity of an edge that nobody has measured, in bits per second.
	assumedCapacity = 100e6
	// queueUnit is what a request waits behind: one slice, in bits.
	queueUnit = 8 << 20
	// maxQueueing and maxPenalty bound their terms, in ms: a number that an edge
	// reports of itself must not outweigh half the globe many times.
	maxQueueing = 1000
	maxPenalty  = 1000
	// retryMs is what a failed request costs its viewer.
	retryMs = 1000
	// maybeMiss is the chance of a miss where a Bloom filter does not exclude a
	// copy: its false positives, and units of which only a part is cached.
	maybeMiss = 0.2
	// leastMiss is left when everything speaks for a copy.
	leastMiss = 0.02
)

func (t *Table) termsOf(e *meta.Edge) terms {
	capacity := float64(e.Capacity)
	if capacity <= 0 {
		capacity = assumedCapacity
	}
	sum := terms{
		queueing: queueing(float64(e.Load.Sending), capacity),
		penalty:  penalty(e.Load.Failures),
		spare:    float32(max(capacity-float64(e.Load.Sending), capacity/100)),
	}
	sum.fixed = sum.queueing + sum.penalty
	if t.reasonAgainst(e) != "" {
		sum.fixed = infinite
	}
	return sum
}

// signs tells whether an edge belongs to the operator of a meta node that signs
// tickets: who hands out viewers must not hand them to himself.
func (t *Table) signs(e *meta.Edge) bool {
	return e.Operator != "" && slices.Contains(t.signers, e.Operator)
}

// ownOperator is the reason against such an edge.
const ownOperator = "belongs to the operator of the meta node that signs the tickets, which names none of its own edges"

// reasonAgainst says why no viewer is sent to an edge, whoever he is.
func (t *Table) reasonAgainst(e *meta.Edge) string {
	switch {
	case t.signs(e):
		return ownOperator
	case e.State == meta.Joining:
		return "joining: not yet heard of, or not yet dialled from outside"
	case e.State == meta.Suspect:
		return "suspect: missed heartbeats, or viewers report it"
	case e.State == meta.Draining:
		return "draining: takes no new sessions"
	case e.State == meta.Down:
		return "down"
	case e.State != meta.Live:
		return "in a state that this router does not know"
	case e.URL == "" && e.TLSURL == "":
		return "has no address"
	case e.TLSURL == "" && !t.development:
		return "has no https address, and this is no development network"
	}
	return ""
}

// serves tells whether an edge may be named as a holder to fetch from: one that
// drains still serves its peers.
func serves(e *meta.Edge) bool { return e.State == meta.Live || e.State == meta.Draining }

// queueing is how long a request waits at an edge that sends so much of what it
// can: the mean wait of an M/M/1 queue whose customers are slices.
func queueing(sending, capacity float64) float32 {
	used := max(sending, 0) / capacity
	if used >= 1 {
		return maxQueueing
	}
	service := queueUnit / capacity * 1000
	return float32(min(service*used/(1-used), maxQueueing))
}

// penalty is what an edge's failures, per mille of the last minute's requests,
// cost on average: every failed request is tried once more elsewhere.
func penalty(failures int64) float32 {
	share := min(max(float64(failures)/1000, 0), 1)
	if share >= 0.5 {
		return maxPenalty
	}
	return float32(min(retryMs*share/(1-share), maxPenalty))
}

// missOf is the chance that an edge without a complete replica misses. Requests
// is how many for the unit were seen of late: the first fills the working set,
// the others find the copy.
func missOf(maybe bool, requests float64) float32 {
	miss := 1 / (1 + max(requests, 0))
	if maybe {
		miss = min(miss, maybeMiss)
	}
	return float32(max(miss, leastMiss))
}
