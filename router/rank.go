package router

import (
	"cmp"
	"math"
	"slices"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/place"
)

const (
	// GroupMs is how much later than the best an edge's first byte may come for
	// the edge to be in the group: less than anybody notices.
	GroupMs = 15
	// LeastWorking edges keep a unit warm however cold it is.
	LeastWorking = 2
	// MostWorking bounds the working set of the hottest unit.
	MostWorking = 16
	// TicketEdges is how many edges a ticket names at most.
	TicketEdges = 4
	// TicketSources is how many holders a ticket names at most.
	TicketSources = 3
	// mostHolders that a ranking looks at: replicas are few.
	mostHolders = 16
	// usualHolders are compared without a loop; fewer are repeated.
	usualHolders = 3
)

// Query is one request as ranking sees it.
type Query struct {
	// Lat and Lon of the client, in degrees.
	Lat, Lon float64
	// Unit that was asked for.
	Unit meta.UnitKey
	// Holders have all of the unit; Maybe have some of it, perhaps.
	Holders, Maybe []meta.EdgeID
	// Bits a second that the unit's viewers ask for.
	Bits float64
	// Requests for the unit of late, this one not counted.
	Requests float64
	// Avoid is an edge that the client just came back from; 0 is none.
	Avoid meta.EdgeID
}

// Candidate is an edge with the parts of its expected time to the first byte,
// in ms: RoundTrip + Miss × Fill + Queueing + Penalty.
type Candidate struct {
	Edge      meta.EdgeID
	Holder    bool
	Maybe     bool
	RoundTrip float32
	// Miss is the chance that it must fetch first, Fill the round trip to the
	// nearest holder then.
	Miss, Fill        float32
	Queueing, Penalty float32
	Expected          float32
}

// Choice is the answer to a Query. Used again it keeps its memory, so a ranking
// allocates nothing.
type Choice struct {
	// Working set in rendezvous order; who issues the ticket draws the order of
	// the session. Rest are the best others, best first.
	Working, Rest []meta.EdgeID
	// Sources are the holders nearest to the best edge, nearest first.
	Sources []meta.EdgeID
	// Best expected time in ms, and how many edges are in the group.
	Best  float32
	Group int

	// weighed are the edges that were looked at; the group is in front.
	weighed []weight
	flags   []uint8
	holders []int32
	// rows are those of the holders.
	rows [mostHolders][]uint16
	// chosen are Working and Rest as indices, working of them first.
	chosen  []int32
	working int
	// lowest has the four of the least expected time, least first.
	lowest [TicketEdges]weight
}

// weight is an edge by its index with its expected time.
type weight struct {
	index    int32
	expected float32
}

const (
	isHolder uint8 = 1 << iota
	isMaybe
	isAvoided
)

// Rank chooses the edges for a request: by expected time to the first byte,
// then, among those that nobody can tell from the best, by rendezvous of the
// unit's key. It is a pure function of the table and the query. No edge at all
// is an empty Working.
func Rank(t *Table, q *Query, c *Choice) {
	c.reset(t, q)
	defer c.clear(t, q)
	c.weigh(t, q)
	if len(c.weighed) == 0 {
		return
	}
	c.work(t, q, c.group(t))
	c.rest(t)
	c.source(t)
}

func (c *Choice) reset(t *Table, q *Query) {
	c.Working, c.Rest, c.Sources = c.Working[:0], c.Rest[:0], c.Sources[:0]
	c.weighed, c.holders, c.chosen = c.weighed[:0], c.holders[:0], c.chosen[:0]
	c.Best, c.Group, c.working = infinite, 0, 0
	for i := range c.lowest {
		c.lowest[i] = weight{index: -1, expected: infinite}
	}
	if len(c.flags) < len(t.Edges) {
		c.flags = make([]uint8, len(t.Edges))
	}
	for _, id := range q.Holders {
		if i, ok := t.index[id]; ok && len(c.holders) < mostHolders && serves(&t.Edges[i]) {
			c.flags[i] |= isHolder
			c.rows[len(c.holders)] = t.geometry.row(i)
			c.holders = append(c.holders, i)
		}
	}
	for n := len(c.holders); n > 0 && n < usualHolders; n++ {
		c.rows[n] = c.rows[0]
	}
	for _, id := range q.Maybe {
		if i, ok := t.index[id]; ok {
			c.flags[i] |= isMaybe
		}
	}
	if i, ok := t.index[q.Avoid]; ok {
		c.flags[i] |= isAvoided
	}
}

func (c *Choice) clear(t *Table, q *Query) {
	for _, list := range [...][]meta.EdgeID{q.Holders, q.Maybe} {
		for _, id := range list {
			if i, ok := t.index[id]; ok {
				c.flags[i] = 0
			}
		}
	}
	if i, ok := t.index[q.Avoid]; ok {
		c.flags[i] = 0
	}
}

// weigh walks outwards from the client and stops where nothing can come any
// more that belongs to the group or among the best four: an edge's expected
// time is never less than its round trip.
func (c *Choice) weigh(t *Table, q *Query) {
	// Locals: the compiler keeps them in registers, fields it would not.
	best, last := infinite, infinite
	miss := [2]float32{missOf(false, q.Requests), missOf(true, q.Requests)}
	fixed, flags := t.fixed, c.flags[:len(t.fixed)]
	weighed, n := slices.Grow(c.weighed, len(fixed))[:len(fixed)], 0
	fills := len(c.holders) > 0
	// The usual number of holders without a call and a loop: half of all time.
	first, second, third := c.rows[0], c.rows[1], c.rows[2]
	usual := t.geometry.rows != nil && len(c.holders) <= usualHolders
	for _, entry := range t.geometry.around(q.Lat, q.Lon).order {
		roundTrip := float32(entry>>16) * (1.0 / perMs)
		if roundTrip > best+GroupMs && roundTrip > last {
			break
		}
		i := entry & 0xffff
		expected := roundTrip + fixed[i]
		flag := flags[i]
		if expected >= infinite || flag&isAvoided != 0 {
			continue
		}
		if fills && flag&isHolder == 0 {
			if usual {
				expected += miss[flag>>1&1] * (1.0 / perMs) * float32(min(first[i], second[i], third[i]))
			} else {
				expected += miss[flag>>1&1] * c.fill(t, i)
			}
		}
		weighed[n] = weight{int32(i), expected}
		n++
		best = min(best, expected)
		if expected < last {
			last = c.lower(weight{int32(i), expected})
		}
	}
	c.Best, c.weighed = best, weighed[:n]
}

// lower puts an edge among the four of the least expected time and returns the
// largest of these.
func (c *Choice) lower(w weight) float32 {
	for n := range c.lowest {
		if w.expected < c.lowest[n].expected {
			w, c.lowest[n] = c.lowest[n], w
		}
	}
	return c.lowest[TicketEdges-1].expected
}

// fill is the round trip from an edge to the holder nearest to it.
func (c *Choice) fill(t *Table, i uint32) float32 {
	if t.geometry.rows == nil {
		return t.geometry.nearest(i, c.holders)
	}
	near := c.rows[0][i]
	for _, row := range c.rows[1:len(c.holders)] {
		near = min(near, row[i])
	}
	return float32(near) * (1.0 / perMs)
}

// group brings the edges of the group to the front and returns the mean of
// their spare capacity.
func (c *Choice) group(t *Table) float64 {
	limit, n := c.Best+GroupMs, 0
	var spare float64
	for i, w := range c.weighed {
		if w.expected <= limit {
			c.weighed[i], c.weighed[n] = c.weighed[n], w
			n++
			spare += float64(t.spare[w.index])
		}
	}
	c.Group = n
	return spare / float64(n)
}

// work takes the working set out of the group: the k edges that rendezvous
// hashing puts first. It is the order by which units are placed, so holders in
// the group tend to be among them.
func (c *Choice) work(t *Table, q *Query, spare float64) {
	k := min(workingSize(q.Bits, spare), c.Group)
	scorer := place.NewScorer(q.Unit)
	var scores [MostWorking]uint64
	var firsts [MostWorking]int32
	filled, least := 0, uint64(0)
	hashes := t.geometry.hashes
	for _, w := range c.weighed[:c.Group] {
		s := scorer.Hashed(hashes[w.index])
		if s <= least && filled == k {
			continue
		}
		filled = min(filled+1, k)
		n := filled - 1
		for ; n > 0 && s > scores[n-1]; n-- {
			scores[n], firsts[n] = scores[n-1], firsts[n-1]
		}
		scores[n], firsts[n] = s, w.index
		least = scores[k-1]
	}
	c.chosen = append(c.chosen, firsts[:filled]...)
	for _, i := range c.chosen {
		c.Working = append(c.Working, t.geometry.ids[i])
	}
	c.working = filled
}

// workingSize is how many edges a unit is worth: so many that its demand takes
// half of their spare capacity.
func workingSize(bits, spare float64) int {
	k := math.Ceil(bits / (spare / 2))
	return int(min(max(k, LeastWorking), MostWorking))
}

// rest adds the best others, up to the edges of a ticket: with a working set in
// front, they are among the best four.
func (c *Choice) rest(t *Table) {
	for _, w := range c.lowest {
		if len(c.chosen) < TicketEdges && w.index >= 0 && !slices.Contains(c.chosen, w.index) {
			c.chosen = append(c.chosen, w.index)
			c.Rest = append(c.Rest, t.geometry.ids[w.index])
		}
	}
}

// source names the holders nearest to the edge that heads the working set.
func (c *Choice) source(t *Table) {
	at := t.geometry.vectors[c.chosen[0]]
	slices.SortFunc(c.holders, func(a, b int32) int {
		return cmp.Or(cmp.Compare(at.chord2(t.geometry.vectors[a]), at.chord2(t.geometry.vectors[b])), cmp.Compare(a, b))
	})
	for _, h := range c.holders {
		if len(c.Sources) < TicketSources && !t.signs(&t.Edges[h]) {
			c.Sources = append(c.Sources, t.geometry.ids[h])
		}
	}
}

// candidates explains Working and Rest: the same sums once more, in parts.
func (c *Choice) candidates(t *Table, q *Query) []Candidate {
	var out []Candidate
	order := t.geometry.around(q.Lat, q.Lon).order
	for _, i := range c.chosen {
		id, terms := t.geometry.ids[i], t.termsOf(&t.Edges[i])
		candidate := Candidate{
			Edge: id, Holder: slices.Contains(q.Holders, id), Maybe: slices.Contains(q.Maybe, id),
			Queueing: terms.queueing, Penalty: terms.penalty,
		}
		at := slices.IndexFunc(order, func(entry uint32) bool { return int32(entry&0xffff) == i })
		candidate.RoundTrip = float32(order[at]>>16) / perMs
		if !candidate.Holder && len(c.holders) > 0 {
			candidate.Miss, candidate.Fill = missOf(candidate.Maybe, q.Requests), c.fill(t, uint32(i))
		}
		candidate.Expected = candidate.RoundTrip + terms.fixed + candidate.Miss*candidate.Fill
		out = append(out, candidate)
	}
	return out
}
