package router

import (
	"cmp"
	"math"
	"slices"

	"github.com/stratos-mesh/stratos/meta"
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

	index int32
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

	candidates []Candidate
	flags      []uint8
	holders    []int32
	// chosen are Working and Rest as places in candidates, working of them first.
	chosen  []int32
	working int
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
	c.collect(t, q)
	if len(c.candidates) == 0 {
		return
	}
	c.group()
	c.work(t, q)
	c.rest()
	c.source(t)
}

func (c *Choice) reset(t *Table, q *Query) {
	c.Working, c.Rest, c.Sources = c.Working[:0], c.Rest[:0], c.Sources[:0]
	c.candidates, c.holders, c.chosen = c.candidates[:0], c.holders[:0], c.chosen[:0]
	c.Best, c.Group, c.working = infinite, 0, 0
	if len(c.flags) < len(t.Edges) {
		c.flags = make([]uint8, len(t.Edges))
	}
	for _, id := range q.Holders {
		if i, ok := t.index[id]; ok && len(c.holders) < mostHolders && t.Edges[i].State != meta.Down {
			c.flags[i] |= isHolder
			c.holders = append(c.holders, i)
		}
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

// collect walks outwards from the client and stops where nothing can come any
// more that belongs to the group or among the best four: an edge's expected
// time is never less than its round trip.
func (c *Choice) collect(t *Table, q *Query) {
	lowest := [TicketEdges]float32{infinite, infinite, infinite, infinite}
	for _, entry := range t.geometry.around(q.Lat, q.Lon).order {
		roundTrip := float32(entry>>16) / perMs
		if roundTrip > c.Best+GroupMs && roundTrip > lowest[TicketEdges-1] {
			break
		}
		i := int32(entry & 0xffff)
		if t.terms[i].fixed >= infinite || c.flags[i]&isAvoided != 0 {
			continue
		}
		candidate := c.cost(t, q, i, roundTrip)
		c.candidates = append(c.candidates, candidate)
		c.Best = min(c.Best, candidate.Expected)
		for n, expected := 0, candidate.Expected; n < len(lowest); n++ {
			if expected < lowest[n] {
				lowest[n], expected = expected, lowest[n]
			}
		}
	}
}

func (c *Choice) cost(t *Table, q *Query, i int32, roundTrip float32) Candidate {
	terms := &t.terms[i]
	candidate := Candidate{
		Edge: t.geometry.ids[i], index: i,
		Holder: c.flags[i]&isHolder != 0, Maybe: c.flags[i]&isMaybe != 0,
		RoundTrip: roundTrip, Queueing: terms.queueing, Penalty: terms.penalty,
	}
	if !candidate.Holder && len(c.holders) > 0 {
		nearest := math.Inf(1)
		for _, h := range c.holders {
			nearest = min(nearest, t.geometry.vectors[i].chord2(t.geometry.vectors[h]))
		}
		candidate.Fill = t.geometry.arcs.ms(nearest)
		candidate.Miss = missOf(candidate.Maybe, q.Requests)
	}
	candidate.Expected = roundTrip + candidate.Miss*candidate.Fill + terms.fixed
	return candidate
}

// group brings the candidates of the group to the front.
func (c *Choice) group() {
	for i := range c.candidates {
		if c.candidates[i].Expected <= c.Best+GroupMs {
			c.candidates[i], c.candidates[c.Group] = c.candidates[c.Group], c.candidates[i]
			c.Group++
		}
	}
}

// work takes the working set out of the group: the k edges that rendezvous
// hashing puts first.
func (c *Choice) work(t *Table, q *Query) {
	var spare float64
	for i := range c.candidates[:c.Group] {
		spare += t.terms[c.candidates[i].index].spare
	}
	k := workingSize(q.Bits, spare/float64(c.Group))
	k = min(k, c.Group)
	seed := unitSeed(&q.Unit)
	var scores [MostWorking]uint64
	var places [MostWorking]int32
	filled := 0
	for i := range c.candidates[:c.Group] {
		s, place := score(seed, c.candidates[i].Edge), int32(i)
		if filled == k && s <= scores[k-1] {
			continue
		}
		filled = min(filled+1, k)
		for n := range filled {
			if n == filled-1 || s > scores[n] {
				copy(scores[n+1:filled], scores[n:])
				copy(places[n+1:filled], places[n:])
				scores[n], places[n] = s, place
				break
			}
		}
	}
	for _, place := range places[:filled] {
		c.chosen = append(c.chosen, place)
		c.Working = append(c.Working, c.candidates[place].Edge)
	}
	c.working = filled
}

// workingSize is how many edges a unit is worth: so many that its demand takes
// half of their spare capacity.
func workingSize(bits, spare float64) int {
	k := math.Ceil(bits / (spare / 2))
	return int(min(max(k, LeastWorking), MostWorking))
}

// rest adds the best others, up to the edges of a ticket.
func (c *Choice) rest() {
	for len(c.chosen) < TicketEdges {
		best := int32(-1)
		for i := range c.candidates {
			if best >= 0 && c.candidates[i].Expected >= c.candidates[best].Expected {
				continue
			}
			if !slices.Contains(c.chosen, int32(i)) {
				best = int32(i)
			}
		}
		if best < 0 {
			return
		}
		c.chosen = append(c.chosen, best)
		c.Rest = append(c.Rest, c.candidates[best].Edge)
	}
}

// source names the holders nearest to the edge that heads the working set.
func (c *Choice) source(t *Table) {
	at := t.geometry.vectors[c.candidates[c.chosen[0]].index]
	slices.SortFunc(c.holders, func(a, b int32) int {
		return cmp.Or(cmp.Compare(at.chord2(t.geometry.vectors[a]), at.chord2(t.geometry.vectors[b])), cmp.Compare(a, b))
	})
	for _, h := range c.holders[:min(len(c.holders), TicketSources)] {
		c.Sources = append(c.Sources, t.geometry.ids[h])
	}
}

// Chosen gives the edges of Working and Rest with their terms.
func (c *Choice) Chosen(yield func(Candidate) bool) {
	for _, place := range c.chosen {
		if !yield(c.candidates[place]) {
			return
		}
	}
}
