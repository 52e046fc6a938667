package node

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"math"
	"net/url"
	"slices"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/index"
	"github.com/stratos-mesh/stratos/meta/inventory"
	"github.com/stratos-mesh/stratos/meta/journal"
	"github.com/stratos-mesh/stratos/meta/place"
)

// Admit registers a node, or changes what is registered under its key. With a
// token it is the node itself that calls, and the token is an Invitation.
func (n *Node) Admit(ctx context.Context, a meta.Admission) (meta.EdgeID, error) {
	if err := checkAdmission(&a); err != nil {
		return 0, err
	}
	e := &journal.Admitted{Kind: a.Kind, Key: a.Key, Edge: a.Edge}
	if a.Token != "" {
		invitation, err := meta.ParseInvitation(a.Token)
		if err != nil {
			return 0, err
		}
		if err := invitation.Verify(a.Kind, n.cfg.Operators, n.cfg.ChainID, n.cfg.Now()); err != nil {
			return 0, err
		}
		e.Invitation = invitation.Number
	}
	defer n.names.lock("admissions")()
	err := n.readable(ctx, func() error { return n.admit(ctx, &a, e) })
	if err != nil {
		return 0, fmt.Errorf("admit: %w", err)
	}
	return e.ID, nil
}

func (n *Node) admit(ctx context.Context, a *meta.Admission, e *journal.Admitted) error {
	known, err := n.index.Node(ctx, a.Key)
	if err != nil {
		return err
	}
	switch {
	case known != nil:
		e.ID, e.Drained = known.ID, known.Drained
	case a.Kind != meta.EdgeNode:
	case a.Edge.ID != 0 && a.Token == "":
		// The operator gives an edge another key.
		e.ID = a.Edge.ID
	default:
		s, err := n.index.State(ctx)
		if err != nil {
			return err
		}
		e.ID = s.Edges + 1
	}
	e.Edge.ID, e.Edge.Key = e.ID, e.Key
	if known != nil && sameNode(known, e) {
		return nil
	}
	return n.change(ctx, e)
}

func sameNode(a, b *journal.Admitted) bool {
	x, y := a.Edge, b.Edge
	return a.Kind == b.Kind && a.Drained == b.Drained && x.URL == y.URL && x.TLSURL == y.TLSURL && x.Region == y.Region &&
		x.Operator == y.Operator && x.ASN == y.ASN && x.Lat == y.Lat && x.Lon == y.Lon && x.Capacity == y.Capacity && x.Weight == y.Weight
}

func checkAdmission(a *meta.Admission) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("admit: %w: %s", meta.ErrInvalid, fmt.Sprintf(format, args...))
	}
	if a.Kind < meta.EdgeNode || a.Kind > meta.RouterNode {
		return bad("kind %d", a.Kind)
	}
	if len(a.Key) != ed25519.PublicKeySize {
		return bad("a key of %d bytes", len(a.Key))
	}
	for _, text := range []string{a.Edge.URL, a.Edge.TLSURL} {
		u, err := url.Parse(text)
		if err != nil || text != "" && (u.Host == "" || u.Scheme != "http" && u.Scheme != "https") || len(text) > 1000 {
			return bad("%q is no URL of a node", text)
		}
	}
	if a.Kind != meta.EdgeNode {
		a.Edge = meta.Edge{URL: a.Edge.URL, TLSURL: a.Edge.TLSURL}
		return nil
	}
	a.Edge.Weight = min(max(a.Edge.Weight, 1), place.MaxWeight)
	switch {
	case a.Edge.URL == "" && a.Edge.TLSURL == "":
		return bad("an edge needs a URL")
	case len(a.Edge.Region) > place.MaxText || len(a.Edge.Operator) > place.MaxText:
		return bad("region and operator have at most %d bytes", place.MaxText)
	case math.IsNaN(a.Edge.Lat) || math.Abs(a.Edge.Lat) > 90 || math.IsNaN(a.Edge.Lon) || math.Abs(a.Edge.Lon) > 180:
		return bad("%v, %v is no place on earth", a.Edge.Lat, a.Edge.Lon)
	case a.Edge.Capacity < 0:
		return bad("capacity %d", a.Edge.Capacity)
	}
	return nil
}

// Drain asks an edge to hand its replicas over and stop, or takes that back.
func (n *Node) Drain(ctx context.Context, edge meta.EdgeID, draining bool) error {
	defer n.names.lock("admissions")()
	err := n.readable(ctx, func() error {
		n.mu.Lock()
		m, known := n.fleet.byID[edge]
		var node *journal.Admitted
		if known {
			node = n.nodes[string(m.edge.Key)]
		}
		n.mu.Unlock()
		if node == nil {
			return fmt.Errorf("%w: there is no edge %d", meta.ErrNotFound, edge)
		}
		if node.Drained == draining {
			return nil
		}
		after := *node
		after.Drained, after.Invitation = draining, [16]byte{}
		return n.change(ctx, &after)
	})
	if err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	return nil
}

// Status describes what the node knows, for people.
func (n *Node) Status(ctx context.Context) (*meta.Status, error) {
	var s index.State
	err := n.readable(ctx, func() (err error) {
		s, err = n.index.State(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	state := n.repair.Status()
	n.mu.Lock()
	out := &meta.Status{
		ChainID: n.cfg.ChainID, Authority: n.cfg.Authority, Epoch: n.issuer.Epoch(), JournalHeight: n.journal.Height(),
		Names: s.Names, Roots: s.Roots, Revocations: s.Revocation, StoreKind: n.store.Kind(),
		RepairHalted: state.Halted != "", RepairReason: state.Halted, Repairs: state.Repairs, Degraded: state.Degraded,
		RecoveredUnits: n.recovered, UptimeSeconds: int64(n.cfg.Now().Sub(n.started).Seconds()),
	}
	for _, edge := range n.fleet.edges() {
		m := n.fleet.byID[edge.ID]
		out.Edges = append(out.Edges, meta.EdgeStatus{
			Edge: edge, LastBeat: n.fleet.tracker.LastBeat(edge.ID), Revocation: m.revocation, Version: m.version,
			Dials: slices.Clone(m.dialled.newest),
		})
	}
	items := n.wanted.all()
	n.mu.Unlock()
	sizes, units := make(map[inventory.Version]int64), make(map[meta.UnitKey]struct{})
	for item := range items {
		sizes[item.Version()] = item.Size()
		units[item.Unit] = struct{}{}
	}
	out.Units = int64(len(units))
	for i := range out.Edges {
		e := &out.Edges[i]
		e.Units, e.Bytes = n.inventory.Count(e.ID), bytesOf(n.inventory.Holdings(e.ID), sizes)
	}
	return out, nil
}

// bytesOf adds up what an edge holds of what is kept.
func bytesOf(holdings []meta.Holding, sizes map[inventory.Version]int64) (total int64) {
	for _, h := range holdings {
		size := sizes[inventory.Version{Unit: h.Unit, Root: h.Root}]
		if h.State != meta.Complete {
			size = size / 1000 * int64(h.Share)
		}
		total += size
	}
	return total
}
