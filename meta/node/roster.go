package node

import (
	"slices"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/index"
)

// roster is what every ticket and every resolution asks about edges. It is made
// anew with each version of the network and never changed, so they ask without
// the node's lock.
type roster struct {
	known map[meta.EdgeID]bool
	// own are the edges of this meta node's operator.
	own map[meta.EdgeID]bool
	// serving are live and draining edges, ascending.
	serving []meta.EdgeID
}

func newRoster(f *fleet, operator string) *roster {
	r := &roster{known: make(map[meta.EdgeID]bool, len(f.byID)), own: make(map[meta.EdgeID]bool)}
	for id, m := range f.byID {
		r.known[id] = true
		if operator != "" && m.edge.Operator == operator {
			r.own[id] = true
		}
		if m.edge.State == meta.Live || m.edge.State == meta.Draining {
			r.serving = append(r.serving, id)
		}
	}
	slices.Sort(r.serving)
	return r
}

func (r *roster) serves(id meta.EdgeID) bool {
	_, found := slices.BinarySearch(r.serving, id)
	return found
}

// bans are the digests that are not served: copied to be changed, for they
// change once in a while and are asked with every ticket.
type bans map[[32]byte]index.Ban

func (n *Node) knownEdge(id meta.EdgeID) bool { return n.roster.Load().known[id] }

func (n *Node) ownEdge(id meta.EdgeID) bool { return n.roster.Load().own[id] }

func (n *Node) isBanned(digest [32]byte) bool {
	_, banned := (*n.banned.Load())[digest]
	return banned
}
