package router

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/place"
	"github.com/stratos-mesh/stratos/sds"
)

// TestCachesAreFilledFewTimes sends Zipf requests for 1,000 units to ten edges
// that lie within a few milliseconds of each other, three of which hold each
// unit. What the edges fetch from holders must be little more than what was
// asked for at all, although every request is answered near by.
//
// Loads move while it runs, and the order within a working set is drawn per
// request, as an issuer does. An edge's cache has room for a fifth of the
// content.
func TestCachesAreFilledFewTimes(t *testing.T) {
	t.Parallel()
	const units, edgeCount, requests = 1000, 10, 200_000
	random := rand.New(rand.NewPCG(5, 6))
	now := time.Unix(1e9, 0)
	demand := newDemand(func() time.Time { return now })

	var edges []meta.Edge
	view := &place.View{}
	for i := range edgeCount {
		e := edgeAt(meta.EdgeID(i+1), fmt.Sprintf("r%d", i%5), 50+random.Float64(), 8+random.Float64())
		e.Capacity, e.Operator = 10e9, fmt.Sprintf("o%d", i)
		edges = append(edges, e)
		view.Edges = append(view.Edges, place.ViewEdge{ID: e.ID, Weight: 8, Region: e.Region, Operator: e.Operator})
	}
	sizes, keys, holders := make([]int64, units), make([]meta.UnitKey, units), make([][]meta.EdgeID, units)
	var total int64
	for i := range units {
		sizes[i] = 1<<20 + random.Int64N(64<<20)
		keys[i] = meta.UnitKey(sds.Sum(sds.Raw, fmt.Appendf(nil, "unit %d", i)).Digest)
		holders[i] = place.Place(keys[i], view, 3).Edges
		total += sizes[i]
	}
	caches := map[meta.EdgeID]*cacheModel{}
	for _, e := range edges {
		caches[e.ID] = &cacheModel{limit: total / 5, at: map[int]int{}}
	}
	popular := rand.NewZipf(random, 1.1, 2, units-1)
	table, choice := NewTable(edges, true, nil), new(Choice)
	asked := map[int]bool{}
	var distinct, filled, served int64
	worst := float32(0)
	for n := range requests {
		now = now.Add(5 * time.Millisecond)
		if n%1000 == 0 {
			for i := range edges {
				edges[i].Load.Sending = random.Int64N(5e9)
			}
			table = NewTable(edges, true, table)
		}
		unit := int(popular.Uint64())
		if !asked[unit] {
			asked[unit] = true
			distinct += sizes[unit]
		}
		q := Query{Lat: 50 + random.Float64(), Lon: 8 + random.Float64(), Unit: keys[unit], Holders: holders[unit]}
		q.Bits, q.Requests = demand.add(q.Unit, sizes[unit])
		Rank(table, &q, choice)
		first := choice.Working[random.IntN(min(len(choice.Working), TicketEdges))]
		worst = max(worst, choice.Best)
		served += sizes[unit]
		if !slices.Contains(holders[unit], first) && !caches[first].touch(unit, sizes[unit]) {
			filled += sizes[unit]
		}
	}
	ratio := float64(filled) / float64(distinct)
	t.Logf("%d of %d units asked for; filled %.2f times the distinct bytes, %.4f of the bytes served; best edge at most %.1f ms away",
		len(asked), units, ratio, float64(filled)/float64(served), worst)
	if ratio > 2.5 {
		t.Errorf("edges fetched %.2f times the distinct content from holders, want at most 2.5", ratio)
	}
}

// cacheModel is a cache of whole units that drops what was used longest ago.
type cacheModel struct {
	limit, used int64
	// at is when a unit was used last, on the cache's own clock.
	at    map[int]int
	sizes map[int]int64
	clock int
}

// touch uses a unit and tells whether it was there.
func (c *cacheModel) touch(unit int, size int64) bool {
	if c.sizes == nil {
		c.sizes = map[int]int64{}
	}
	c.clock++
	_, hit := c.at[unit]
	c.at[unit] = c.clock
	if hit {
		return true
	}
	c.sizes[unit], c.used = size, c.used+size
	for c.used > c.limit {
		oldest := -1
		for u, at := range c.at {
			if oldest < 0 || at < c.at[oldest] {
				oldest = u
			}
		}
		c.used -= c.sizes[oldest]
		delete(c.at, oldest)
		delete(c.sizes, oldest)
	}
	return false
}
