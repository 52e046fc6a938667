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
	// Step is how many edges have passed the question on already: 0 for this
	// edge's own viewers, 1 for its neighbours, whose parent it is, LastStep for
	// other regions. It only grows, so a question never goes in a circle.
	Step uint8
	// Class in which what is found is kept here: pinned for units that this
	// edge holds, so that a lost block is replaced as what it was.
	Class sds.Class
}

// LastStep is the one at which only holders are asked.
const LastStep = 2

// Source is an edge to ask.
type Source struct {
	*meta.Edge
	// Step at which it is asked to fetch what it lacks; 0 when it is not.
	Step uint8
}

// maxGates is how many edges that are no holders read from holders: a cold
// object that is asked for everywhere at once leaves its holders twice.
const maxGates = 2

// Sources orders whom to ask for a block: the unit's parent in this region,
// which so collapses the region's misses, then its gate, which collapses those
// of several regions, then the holders by distance, then every other live edge
// in the unit's own order. What this edge is given to hold, it asks of holders.
func (s *Snapshot) Sources(w Want) []Source {
	out := make([]Source, 0, 8)
	taken := map[meta.EdgeID]bool{s.ID(): true}
	add := func(e *meta.Edge, step uint8) {
		if e == nil || taken[e.ID] || !usable(e) || s.Base(e) == "" {
			return
		}
		taken[e.ID] = true
		out = append(out, Source{e, step})
	}
	holders := make([]*meta.Edge, 0, len(w.Holders))
	for _, id := range w.Holders {
		if e, ok := s.Edge(id); ok {
			holders = append(holders, e)
		}
	}
	if s.Self != nil && w.Class != sds.Pinned && w.Step < LastStep && !slices.Contains(w.Holders, s.ID()) {
		parent := s.parent(w, s.Self.Region)
		if w.Step == 0 {
			add(parent, 1)
		}
		if len(holders) > 0 {
			add(s.gate(w, holders), LastStep)
		}
	}
	slices.SortStableFunc(holders, func(a, b *meta.Edge) int {
		return cmp.Compare(s.distance(a), s.distance(b))
	})
	last := uint8(0)
	if w.Step == 0 {
		last = LastStep // a holder that has lost it asks the others
	}
	for _, e := range holders {
		add(e, last)
	}
	if w.Step > 0 {
		return out
	}
	for _, e := range s.ranked(w.Unit, "") {
		add(e, 0)
	}
	return out
}

// parent is the edge of a region that rendezvous hashing puts first for the
// unit; nil when there is none. A holder is none: all of its region would read
// from it.
func (s *Snapshot) parent(w Want, region string) *meta.Edge {
	for _, e := range s.ranked(w.Unit, region) {
		if !slices.Contains(w.Holders, e.ID) {
			return e
		}
	}
	return nil
}

// gate is the nearest of the parents of the first two holders' regions, as they
// are a short step from a holder. Where holders have no neighbours, it is the
// unit's first edge anywhere. It is nil when this edge is one itself.
func (s *Snapshot) gate(w Want, holders []*meta.Edge) *meta.Edge {
	ids := make([]meta.EdgeID, 0, len(holders))
	for _, e := range holders {
		if usable(e) {
			ids = append(ids, e.ID)
		}
	}
	var gates []*meta.Edge
	for _, id := range place.Rank(w.Unit, ids...) {
		e := s.parent(w, s.byID[id].Region)
		if e != nil && !slices.Contains(gates, e) && len(gates) < maxGates {
			gates = append(gates, e)
		}
	}
	if len(gates) == 0 {
		if e := s.parent(w, ""); e != nil {
			gates = append(gates, e)
		}
	}
	var nearest *meta.Edge
	for _, e := range gates {
		if e.ID == s.ID() {
			return nil
		}
		if nearest == nil || s.distance(e) < s.distance(nearest) {
			nearest = e
		}
	}
	return nearest
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
