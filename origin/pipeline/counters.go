package pipeline

import "sync/atomic"

// Counters count what a Writer did since it was made.
type Counters struct {
	// Blocks and Bytes that became durable, each counted once whatever the
	// number of replicas.
	Blocks, Bytes atomic.Int64
	// Attempts that failed, Replaced edges, and blocks Filled into replacements.
	Failures, Replaced, Filled atomic.Int64
	// InFlight is the number of bytes under way now.
	InFlight atomic.Int64
}
