// Package metahttp carries meta.Meta over HTTP: Client is a meta.Meta whose
// answers come from a meta node, NewHandler answers such clients from one. Both
// ends of a call stand in one file, named after its interface.
//
// A request is signed with the caller's node key (internal/nodeauth); access.go
// says whose key may call what. The errors of package meta cross unchanged:
// errors.Is finds on one end what the other returned, with its text.
package metahttp

import (
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

const (
	// MaxRequest bounds the body of a call; an edge's report of all that it has
	// is the largest.
	MaxRequest = 16 << 20
	// MaxAnswer bounds what a client reads.
	MaxAnswer = 64 << 20
	// MaxWait is the longest that Network waits for a change.
	MaxWait = 30 * time.Second
	// MaxBatch is how many tickets may be asked for at once.
	MaxBatch = 1000

	// callTimeout ends a call on either end, waiting aside.
	callTimeout = 15 * time.Second
)

var _ meta.Meta = (*Client)(nil)
