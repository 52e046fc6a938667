package metahttp

import (
	"context"
	"crypto/ed25519"
	"fmt"

	"github.com/stratos-mesh/stratos/meta"
	rpc "github.com/stratos-mesh/stratos/meta/metapb/metapbconnect"
)

// role is what a key is to this meta node; a key may be several things.
type role uint8

const (
	edge role = 1 << iota
	origin
	router
	operator
	// stranger is whoever signs at all.
	stranger

	node = edge | origin | router
)

// access says who may call what. A call that is not here does not exist. Three
// rules need the message: an edge speaks under its own number only (nodes.go),
// is told the status of nobody else, and a stranger needs an invitation
// (operator.go).
func access(procedure string) (role, bool) {
	switch procedure {
	case rpc.IndexResolveProcedure, rpc.IndexLocateProcedure, rpc.IndexListProcedure, rpc.DirectoryNetworkProcedure:
		return node | operator, true
	case rpc.PublisherBeginProcedure, rpc.PublisherGrowProcedure, rpc.PublisherPublishProcedure, rpc.PublisherRenameProcedure, rpc.PublisherRemoveProcedure:
		return origin, true
	case rpc.IssuerIssueProcedure:
		return router, true
	case rpc.NodesBeatProcedure, rpc.NodesDigestProcedure, rpc.NodesReportProcedure:
		return edge, true
	case rpc.OperatorDrainProcedure, rpc.OperatorRevokeProcedure, rpc.OperatorUnbanProcedure, rpc.OperatorBansProcedure:
		return operator, true
	case rpc.OperatorStatusProcedure:
		return operator | edge, true
	case rpc.OperatorAdmitProcedure:
		return operator | stranger, true
	}
	return 0, false
}

// caller is who signed the request.
type caller struct {
	key  ed25519.PublicKey
	role role
	edge meta.EdgeID // of an edge
}

type callerKey struct{}

// callerOf is the caller that the handler has put there.
func callerOf(ctx context.Context) caller { return ctx.Value(callerKey{}).(caller) }

// identify finds out what a key is.
func (h *handler) identify(key ed25519.PublicKey) caller {
	c := caller{key: key, role: stranger}
	for _, k := range h.config.Operators {
		if k.Equal(key) {
			c.role |= operator
		}
	}
	kind, id, known := h.config.WhoIs(key)
	if !known {
		return c
	}
	switch kind {
	case meta.EdgeNode:
		c.role |= edge
		c.edge = id
	case meta.OriginNode:
		c.role |= origin
	case meta.RouterNode:
		c.role |= router
	}
	return c
}

// own refuses an edge that speaks for another one.
func own(ctx context.Context, id meta.EdgeID) error {
	if c := callerOf(ctx); c.edge != id {
		return fmt.Errorf("edge %d speaks as edge %d: %w", c.edge, id, meta.ErrForbidden)
	}
	return nil
}
