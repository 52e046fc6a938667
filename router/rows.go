package router

import "math"

// mostRows is for how many edges rows are remembered: all of them together then
// take 32 MiB at most.
const mostRows = 4096

// row has the round trips from an edge to all others in 1/64 ms; nil where rows
// are not remembered. Whoever asks first works it out.
func (g *geometry) row(i int32) []uint16 {
	if g.rows == nil {
		return nil
	}
	if row := g.rows[i].Load(); row != nil {
		return *row
	}
	row := make([]uint16, len(g.vectors))
	for j := range row {
		row[j] = g.between(uint32(j), g.vectors[i])
	}
	g.rows[i].Store(&row)
	return row
}

// between is the round trip from an edge to a place in 1/64 ms.
func (g *geometry) between(i uint32, at vector) uint16 {
	return uint16(g.arcs.ms(g.vectors[i].chord2(at)) * perMs)
}

// nearest is the round trip in ms from an edge to the nearest of others: what
// their rows say, for networks that have none.
func (g *geometry) nearest(i uint32, others []int32) float32 {
	near := uint16(math.MaxUint16)
	for _, other := range others {
		near = min(near, g.between(i, g.vectors[other]))
	}
	return float32(near) * (1.0 / perMs)
}
