package node_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/node"
	"github.com/stratos-mesh/stratos/receipt"
)

func TestAMetaNodeSignsNoTicketForItsOperatorsEdges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		operator string
		refused  bool
	}{"when it says whose it is": {"acme", true}, "and has no such rule when it does not": {"", false}, "nor for others": {"umbrella", false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			simulate(t, 1, func(cfg *node.Config) { cfg.OperatorName = c.operator }, func(w *world) {
				id, err := w.node.Admit(w.Context(), meta.Admission{
					Kind: meta.EdgeNode, Key: edgeKey(2), Edge: meta.Edge{URL: "http://127.0.0.9:80", Operator: "acme", Weight: 1},
				})
				if err != nil {
					w.Fatal(err)
				}
				network, err := w.node.Network(w.Context(), 0, 0)
				if err != nil || network.AuthorityOperators[w.cfg.Authority] != c.operator {
					w.Errorf("the network names %v, %v", network.AuthorityOperators, err)
				}
				issued, err := w.node.Issue(w.Context(), []meta.TicketRequest{
					{Class: receipt.ClassB, Root: cid("root"), Working: []meta.EdgeID{1}, Client: netip.MustParseAddr("192.0.2.1"), MaxBytes: 1, Lifetime: time.Hour},
					{Class: receipt.ClassB, Root: cid("root"), Working: []meta.EdgeID{1, id}, Client: netip.MustParseAddr("192.0.2.1"), MaxBytes: 1, Lifetime: time.Hour},
				})
				if err != nil || issued[0].Err != nil || errors.Is(issued[1].Err, meta.ErrForbidden) != c.refused || (issued[1].Err != nil) != c.refused {
					w.Errorf("issued %+v, %v", issued, err)
				}
			})
		})
	}
	cfg := config(t.TempDir())
	cfg.OperatorName = strings.Repeat("x", 65)
	if err := cfg.Validate(); err == nil {
		t.Error("a name that no edge can have is taken")
	}
}
