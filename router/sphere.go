package router

import "math"

const earthRadiusKm = 6371.0

// vector is a place as a point on the unit sphere: the distance of two places
// is then three multiplications away.
type vector struct{ x, y, z float64 }

func vectorOf(lat, lon float64) vector {
	lat, lon = lat*math.Pi/180, lon*math.Pi/180
	return vector{math.Cos(lat) * math.Cos(lon), math.Cos(lat) * math.Sin(lon), math.Sin(lat)}
}

// chord2 is the square of the straight line between two places, 0 to 4. It
// grows with their distance, so the nearest of several is found without a root
// or an arc, and for places close together it loses no digits as the cosine
// does.
func (a vector) chord2(b vector) float64 {
	x, y, z := a.x-b.x, a.y-b.y, a.z-b.z
	return x*x + y*y + z*z
}

// Km is the great-circle distance of two places.
func km(a, b vector) float64 {
	return 2 * earthRadiusKm * math.Asin(min(1, math.Sqrt(a.chord2(b))/2))
}

// roundTripMs is what a packet needs to a place so far away and back. Light in
// fibre does 100 km and back in a millisecond, cables are about 1.4 times as
// long as the great circle, and the last mile costs what it costs. Frankfurt to
// New York comes out at 91 ms, to Singapore at 149 ms.
func roundTripMs(km float64) float64 { return RoundTripBase + km/KmPerMs }

const (
	// KmPerMs is how far apart two places are for each millisecond of round trip.
	KmPerMs = 70
	// RoundTripBase in ms is the least that a round trip costs.
	RoundTripBase = 2
)

// arcs tabulates roundTripMs over half the chord; interpolated, it is exact to
// 0.1 ms but for the last 400 km before the antipode, and takes a quarter of the time of
// an arc sine.
type arcs [arcSteps + 2]float32

const arcSteps = 4096

func newArcs() *arcs {
	var t arcs
	for i := range t {
		half := min(1, float64(i)/arcSteps)
		t[i] = float32(roundTripMs(2 * earthRadiusKm * math.Asin(half)))
	}
	return &t
}

func (t *arcs) ms(chord2 float64) float32 {
	at := math.Sqrt(chord2) * (arcSteps / 2)
	i := min(uint(at), arcSteps)
	part := float32(at - float64(i))
	return t[i] + part*(t[i+1]-t[i])
}
