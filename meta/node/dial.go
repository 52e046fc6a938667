package node

import (
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/place"
)

const (
	// diallers are asked to dial an edge from outside.
	diallers = 2
	// dialAgain is how long to wait with an edge that was not reached yet.
	dialAgain = 30 * time.Second
)

// askToDial has every edge dialled by two others once it was heard, and again in
// every epoch: what says that it lives may still not be reachable for viewers.
// The only edge there is has nobody who could dial it and passes. The lock is
// held.
func (n *Node) askToDial() {
	now := n.cfg.Now()
	heard := make([]meta.EdgeID, 0, len(n.fleet.byID))
	for id := range n.fleet.byID {
		if last := n.fleet.tracker.LastBeat(id); !last.IsZero() && now.Sub(last) <= 3*n.fleet.interval {
			heard = append(heard, id)
		}
	}
	for _, id := range heard {
		m := n.fleet.byID[id]
		if len(heard) == 1 {
			n.fleet.tracker.Dialled(id, true)
			continue
		}
		waited := now.Sub(m.dialAsked)
		if waited < dialAgain || waited < n.cfg.EpochLength && m.edge.State == meta.Live {
			continue
		}
		m.dialAsked = now
		// Others each time, so that no two can vouch for each other for long.
		salt := uint64(now.Unix())
		asked := 0
		for _, by := range place.Rank(meta.UnitKey{byte(salt), byte(salt >> 8), byte(salt >> 16), byte(salt >> 24), byte(id), byte(id >> 8)}, heard...) {
			if by == id || asked == diallers {
				continue
			}
			asked++
			n.giveOnce(by, meta.Work{Kind: meta.Dial, Target: id})
		}
	}
}

// dialled takes what an edge saw that dialled another.
func (n *Node) dialled(w meta.Work, failure string) {
	n.fleet.tracker.Dialled(w.Target, failure == "")
}
