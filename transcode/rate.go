package transcode

import "math"

// usual rates, rising. A variable rate takes the next one.
var usual = [...]Ratio{
	{1, 1},
	{5, 1},
	{10, 1},
	{12, 1},
	{15, 1},
	{24000, 1001},
	{24, 1},
	{25, 1},
	{30000, 1001},
	{30, 1},
	{48, 1},
	{50, 1},
	{60000, 1001},
	{60, 1},
	{100, 1},
	{120000, 1001},
	{120, 1},
	{240, 1},
}

// frameRate decides on the constant rate that stands for a track. lowest is the
// rate on whose grid all frames lie, average the frames by the time; containers
// round both.
func frameRate(lowest, average Ratio, interlaced bool) (Ratio, bool) {
	if average.Num == 0 {
		average = lowest
	}
	if lowest.Num == 0 || interlaced { // the grid of interlaced video counts fields
		lowest = average
	}
	avg, low := average.Float(), lowest.Float()
	if avg == 0 {
		return Ratio{25, 1}, true
	}
	variable := math.Abs(low-avg)/avg > 0.01
	if !variable {
		if near, ok := nearest(avg, 0.002); ok {
			return near, false
		}
		if (average.Den == 1 || average.Den == 1001 && average.Num%1000 == 0) && avg <= 240 {
			return average, false // odd, but whole frames still make two seconds
		}
		return next(avg), false
	}
	// Bursts at the grid's rate are what a screen recording is watched for.
	if near, ok := nearest(low, 0.002); ok && low <= 60 {
		return near, true
	}
	return next(avg), true
}

func nearest(f, within float64) (Ratio, bool) {
	best, off := Ratio{}, within
	for _, r := range usual {
		if d := math.Abs(r.Float()-f) / f; d < off {
			best, off = r, d
		}
	}
	return best, best.Num != 0
}

func next(f float64) Ratio {
	for _, r := range usual {
		if r.Float() >= f*0.998 {
			return r
		}
	}
	return usual[len(usual)-1]
}
