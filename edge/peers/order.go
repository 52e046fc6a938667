package peers

import (
	"cmp"
	"math"
	"slices"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/place"
	"github.com/stratos-mesh/stratos/sds"
)

// Want says what is looked for: whose unit it is and who should have it.
type Want struct {
	Unit meta.UnitKey
	// Holders should have it, from a ticket or from the meta node.
	Holders []meta.EdgeID
	// Asked tells that another edge asks, as its parent: then only holders are
	// asked in turn, so that a miss takes two steps at most and never a circle.
	Asked bool
	// Class in which what is found is kept here: pinned for units that this
	// edge holds, so that a lost block is replaced as what it was.
	Class sds.Class
}

// Sources orders whom to ask for a block: the unit's parent in this region,
// which so collapses the region's misses, then the holders by distance, then
// every other live edge in the unit's own order.
func (s *Snapshot) Sources(w Want) []*meta.Edge {
	out := make([]*meta.Edge, 0, 8)
	taken := map[meta.EdgeID]bool{s.ID(): true}
	add := func(e *meta.Edge) {
		if e == nil || taken[e.ID] || !usable(e) || s.Base(e) == "" {
			return
		}
		taken[e.ID] = true
		out = append(out, e)
	}
	holders := make([]*meta.Edge, 0, len(w.Holders))
	for _, id := range w.Holders {
		if e, ok := s.Edge(id); ok {
			holders = append(holders, e)
		}
	}
	if !w.Asked && !s.holds(w) {
		add(s.parent(w.Unit))
	}
	slices.SortStableFunc(holders, func(a, b *meta.Edge) int {
		return cmp.Compare(s.distance(a), s.distance(b))
	})
	for _, e := range holders {
		add(e)
	}
	if w.Asked {
		return out
	}
	for _, e := range s.ranked(w.Unit, "") {
		add(e)
	}
	return out
}

// holds tells whether this edge is itself among the holders: it has lost a
// block then, and its neighbours know no better than the other holders.
func (s *Snapshot) holds(w Want) bool { return slices.Contains(w.Holders, s.ID()) }

// parent is the edge of this region that rendezvous hashing puts first for the
// unit; nil when that is this edge itself.
func (s *Snapshot) parent(unit meta.UnitKey) *meta.Edge {
	if s.Self == nil {
		return nil
	}
	ranked := s.ranked(unit, s.Self.Region)
	if len(ranked) == 0 || ranked[0].ID == s.ID() {
		return nil
	}
	return ranked[0]
}

func usable(e *meta.Edge) bool { return e.State == meta.Live || e.State == meta.Draining }

// ranked orders the usable edges of a region ("" is all) by rendezvous hashing.
func (s *Snapshot) ranked(unit meta.UnitKey, region string) []*meta.Edge {
	ids := make([]meta.EdgeID, 0, len(s.Edges))
	for i := range s.Edges {
		if e := &s.Edges[i]; usable(e) && (region == "" || e.Region == region) {
			ids = append(ids, e.ID)
		}
	}
	out := make([]*meta.Edge, 0, len(ids))
	for _, id := range place.Rank(unit, ids...) {
		out = append(out, s.byID[id])
	}
	return out
}

// distance on the sphere in radians, enough to order by.
func (s *Snapshot) distance(e *meta.Edge) float64 {
	if s.Self == nil {
		return 0
	}
	const degree = math.Pi / 180
	lat1, lat2 := s.Self.Lat*degree, e.Lat*degree
	dlat, dlon := lat2-lat1, (e.Lon-s.Self.Lon)*degree
	h := math.Pow(math.Sin(dlat/2), 2) + math.Cos(lat1)*math.Cos(lat2)*math.Pow(math.Sin(dlon/2), 2)
	return 2 * math.Asin(math.Sqrt(min(1, h)))
}
