package repair

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/inventory"
	"github.com/stratos-mesh/stratos/meta/place"
)

// Plan is what should be done about a snapshot.
type Plan struct {
	// Needs, most endangered first.
	Needs []Need
	// Extras have replicas too many.
	Extras []Extra
	// Short are units that lack replicas or preferences, up to 1,000.
	Short []meta.UnitStatus
	// Handover counts, by draining edge, units that nobody could take over yet.
	Handover map[meta.EdgeID]int
	// Enough are versions under way that need no more copies; Seen all versions
	// under way that are still wanted.
	Enough, Seen map[inventory.Version]bool
	// Lost counts versions that no reachable edge has.
	Lost int
	// Frozen: nothing may be dropped now.
	Frozen bool
}

// Need is an item that lacks replicas.
type Need struct {
	Item *Item
	// Wanted replicas, Live ones that count, Available ones that can be read.
	Wanted, Live, Available int
	// Targets that should get it, best first.
	Targets []Target
	// Sources that have all of it, live ones first.
	Sources []meta.EdgeID
}

// Target is an edge with what it should be asked.
type Target struct {
	Edge meta.EdgeID
	Kind meta.WorkKind
}

// Extra is an item with replicas too many.
type Extra struct {
	Item *Item
	// Keep and Drop divide its holders; all of Keep are live.
	Keep, Drop []meta.EdgeID
}

// Make plans. It changes nothing and depends on nothing but the snapshot.
func Make(s *Snapshot) *Plan {
	m := maker{
		Snapshot: s,
		edges:    make(map[meta.EdgeID]*Edge, len(s.Edges)),
		plan: &Plan{
			Handover: make(map[meta.EdgeID]int),
			Enough:   make(map[inventory.Version]bool), Seen: make(map[inventory.Version]bool),
			Frozen: s.Halt.Active || s.Waiting != "",
		},
	}
	for i := range s.Edges {
		m.edges[s.Edges[i].ID] = &s.Edges[i]
	}
	m.live = s.View.Keep(func(id meta.EdgeID) bool { return m.state(id) == meta.Live })
	for item := range s.Items {
		m.look(item)
	}
	slices.SortFunc(m.plan.Needs, func(a, b Need) int {
		return cmp.Or(
			cmp.Compare(a.Available, b.Available),
			cmp.Compare(b.Wanted-b.Live, a.Wanted-a.Live),
			bytes.Compare(a.Item.Unit[:], b.Item.Unit[:]),
			bytes.Compare(a.Item.Record.Root.Digest[:], b.Item.Record.Root.Digest[:]),
		)
	})
	return m.plan
}

type maker struct {
	*Snapshot
	edges map[meta.EdgeID]*Edge
	live  *place.View
	plan  *Plan
}

func (m *maker) state(id meta.EdgeID) meta.EdgeState {
	if e := m.edges[id]; e != nil {
		return e.State
	}
	return meta.Down
}

// holders sorts an item's copies by what they are good for.
type holders struct {
	counted  []meta.EdgeID // complete, on live and suspect edges
	live     []meta.EdgeID // those of counted that are live
	draining []meta.EdgeID // complete, to be handed over
	partial  []meta.EdgeID // on live edges
	durable  []meta.EdgeID // live, have it all but have not said so
	underway []meta.EdgeID // not down, were given it and have not completed it
}

func (m *maker) holders(item *Item) (h holders) {
	version := item.Version()
	said := false // somebody said that he has it, reachable or not
	for _, c := range m.Copies(version) {
		state := m.state(c.Edge)
		said = said || c.State == meta.Complete
		switch {
		case c.State == meta.Partial && state == meta.Live:
			h.partial = append(h.partial, c.Edge)
		case c.State != meta.Complete:
		case state == meta.Live:
			h.counted, h.live = append(h.counted, c.Edge), append(h.live, c.Edge)
		case state == meta.Suspect:
			h.counted = append(h.counted, c.Edge)
		case state == meta.Draining:
			h.draining = append(h.draining, c.Edge)
		}
	}
	if m.Underway != nil {
		for _, id := range m.Underway(version) {
			if state := m.state(id); (state == meta.Live || state == meta.Suspect) && !slices.Contains(h.counted, id) {
				h.underway = append(h.underway, id)
			}
		}
	}
	if age := m.Now.Sub(item.Record.Modified); age >= durableLease || (said && age >= durableFor) {
		return h
	}
	for _, id := range item.Durable {
		if m.state(id) == meta.Live && !slices.Contains(h.counted, id) && !slices.Contains(h.durable, id) {
			h.durable = append(h.durable, id)
		}
	}
	return h
}

func (m *maker) look(item *Item) {
	h, version := m.holders(item), item.Version()
	wanted := max(item.Record.Replicas, 1)
	if m.Heat != nil {
		wanted += m.Heat(item.Unit)
	}
	available := len(h.counted) + len(h.draining)
	if m.Underway != nil && len(m.Underway(version)) > 0 {
		m.plan.Seen[version] = true
		m.plan.Enough[version] = len(h.counted) >= wanted
	}
	if short := place.Shortfall(m.View, h.counted, wanted); short != "" && len(m.plan.Short) < maxListed {
		m.plan.Short = append(m.plan.Short, meta.UnitStatus{Unit: item.Unit, Name: item.Record.Name, Live: len(h.counted), Shortfall: short})
	}
	switch {
	case available == 0 && len(h.durable) == 0:
		if len(h.underway) == 0 {
			m.plan.Lost++
		}
	case len(h.counted) < wanted:
		m.need(item, h, wanted, available)
	case len(h.live) > wanted && len(h.underway) == 0:
		m.extra(item, h, wanted)
	}
}

// need plans what an item lacks, as far as copying is allowed now.
func (m *maker) need(item *Item, h holders, wanted, available int) {
	version := item.Version()
	n := Need{Item: item, Wanted: wanted, Live: len(h.counted), Available: available, Sources: m.sources(h)}
	have := append(slices.Clone(h.counted), h.underway...)
	fits := func(id meta.EdgeID) bool { return !m.avoid(version, id) && m.room(id, item) }
	add := func(ids []meta.EdgeID, kind meta.WorkKind) {
		for _, id := range ids {
			if len(have) < wanted && fits(id) && !slices.Contains(have, id) {
				have = append(have, id)
				n.Targets = append(n.Targets, Target{id, kind})
			}
		}
	}
	add(h.durable, meta.Check)
	if m.mayCopy(available) {
		add(h.partial, meta.Replicate)
		if len(have) < wanted {
			view := m.live
			if slices.ContainsFunc(view.Edges, func(e place.ViewEdge) bool { return !fits(e.ID) }) {
				view = view.Keep(func(id meta.EdgeID) bool { return fits(id) || slices.Contains(have, id) })
			}
			add(place.Extend(item.Unit, view, have, wanted).Edges, meta.Replicate)
		}
	}
	if len(n.Targets) > 0 {
		m.plan.Needs = append(m.plan.Needs, n)
	}
	for _, id := range h.draining {
		m.plan.Handover[id]++
	}
}

// mayCopy: in a halt only what has one replica left, when it is calm.
func (m *maker) mayCopy(available int) bool {
	if m.Waiting != "" {
		return false
	}
	return !m.Halt.Active || (available == 1 && m.Halt.Calm)
}

func (m *maker) avoid(version inventory.Version, id meta.EdgeID) bool {
	return m.Avoid != nil && m.Avoid(version, id)
}

func (m *maker) room(id meta.EdgeID, item *Item) bool {
	e := m.edges[id]
	return e == nil || e.PinnedFree == 0 || e.PinnedFree >= item.Size()
}

// sources are live holders, then suspect and draining ones; without any, those
// that the publication left it on.
func (m *maker) sources(h holders) []meta.EdgeID {
	out := slices.Clone(h.live)
	for _, id := range h.counted {
		if m.state(id) != meta.Live {
			out = append(out, id)
		}
	}
	out = append(out, h.draining...)
	if len(out) == 0 {
		out = h.durable
	}
	return out
}

// extra divides live holders into those that placement would choose among
// them, and the rest.
func (m *maker) extra(item *Item, h holders, wanted int) {
	holding := m.live.Keep(func(id meta.EdgeID) bool { return slices.Contains(h.live, id) })
	keep := place.Place(item.Unit, holding, wanted).Edges
	if len(keep) < wanted {
		return // some holders are outside the view; nothing is certain enough to drop
	}
	x := Extra{Item: item, Keep: keep}
	for _, edge := range holding.Edges {
		if !slices.Contains(keep, edge.ID) {
			x.Drop = append(x.Drop, edge.ID)
		}
	}
	if len(x.Drop) > 0 {
		m.plan.Extras = append(m.plan.Extras, x)
	}
}
