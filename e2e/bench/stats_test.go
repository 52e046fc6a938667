package main

import "testing"

func TestRatiosOfPairs(t *testing.T) {
	t.Parallel()
	twice := []sample{{perSecond: 20}, {perSecond: 200}, {perSecond: 2}}
	once := []sample{{perSecond: 10}, {perSecond: 100}, {perSecond: 1}}
	got := ratios(twice, once, func(a, b sample) float64 { return a.perSecond / b.perSecond })
	if want := (interval{2, 2, 2}); got != want {
		t.Errorf("got %v, want %v: a drift that hits both sides of a pair must not show", got, want)
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		values []float64
		want   float64
	}{
		"of one":            {[]float64{3}, 3},
		"of an odd number":  {[]float64{9, 1, 5}, 5},
		"of an even number": {[]float64{4, 1, 3, 2}, 2.5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := median(c.values); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
