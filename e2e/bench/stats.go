package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// interval is a median with its 95 % bootstrap interval (Efron 1979, percentile
// method, 2,000 resamples, fixed seed).
type interval struct{ median, low, high float64 }

func (i interval) String() string { return fmt.Sprintf("%.2f [%.2f–%.2f]", i.median, i.low, i.high) }

// ratios pairs the rounds of two servers.
func ratios(a, b []sample, ratio func(a, b sample) float64) interval {
	values := make([]float64, len(a))
	for i := range a {
		values[i] = ratio(a[i], b[i])
	}
	rng := rand.New(rand.NewPCG(1, 2))
	medians := make([]float64, 2000)
	draw := make([]float64, len(values))
	for i := range medians {
		for j := range draw {
			draw[j] = values[rng.IntN(len(values))]
		}
		medians[i] = median(draw)
	}
	slices.Sort(medians)
	return interval{median(values), medians[len(medians)*25/1000], medians[len(medians)*975/1000]}
}

func medianOf(samples []sample, value func(sample) float64) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = value(s)
	}
	return median(values)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}
