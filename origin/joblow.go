package origin

import (
	"math"
	"slices"
	"time"

	"github.com/stratos-mesh/stratos/transcode"
)

// The low rungs are made first and shown while the others are made, so they must
// be made several times faster than they play. Which ones that are is guessed from
// the pixels, so that the first try is mostly right; then it is measured, and with
// too slow a result one rung less is tried.

// Processor seconds that a second of video costs, measured with ffmpeg's H.264
// decoder, scaler and x264 at veryfast on one core of a server of 2024: for each
// pixel of the source decoding and, for each rung, scaling, and for each pixel of
// a rung encoding.
const (
	decodeCost = 2.9e-9
	scaleCost  = 0.7e-9
	encodeCost = 11e-9
	// otherCost multiplies decoding of codecs newer than H.264.
	otherCost = 2
	// lowMost are the most rungs of the low pass, lowLines the most lines of one.
	lowMost  = 3
	lowLines = 500
	// lowMargin is how much faster than necessary a guess must be.
	lowMargin = 1.25
	// lowPatience is how long a pass is measured before it counts as too slow.
	lowPatience = 2500 * time.Millisecond
)

// lowest rungs first.
func lowest(plan transcode.Plan) []transcode.Rung {
	var all []transcode.Rung
	for _, r := range plan.Rungs {
		if r.Codec == transcode.H264 && min(r.Width, r.Height) < lowLines {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b transcode.Rung) int { return a.Width*a.Height - b.Width*b.Height })
	return all[:min(len(all), lowMost)]
}

// lowCosts are the processor seconds that a second of video costs with the
// lowest rung, with the two lowest, and so on.
func lowCosts(plan transcode.Plan) (sums []float64) {
	v := plan.Source.Video
	if v == nil {
		return nil
	}
	rate := func(r transcode.Ratio) float64 { return float64(r.Num) / math.Max(1, float64(r.Den)) }
	pixels := float64(v.Width*v.Height) * rate(v.Rate)
	sum := pixels * decodeCost
	if v.Codec != "h264" {
		sum *= otherCost
	}
	for _, r := range lowest(plan) {
		sum += pixels*scaleCost + float64(r.Width*r.Height)*rate(plan.Rate)/float64(max(1, r.Divide))*encodeCost
		sums = append(sums, sum)
	}
	return sums
}

// guessLow chooses the low rungs for so many cores: as many as they make fast
// enough together, and at least one.
func guessLow(plan transcode.Plan, cores int) (names []string) {
	rungs := lowest(plan)
	for i, cost := range lowCosts(plan) {
		if i > 0 && float64(cores)/cost < playSpeed*lowMargin {
			break
		}
		names = append(names, rungs[i].Name)
	}
	return names
}

// tooSlow takes the largest rungs out of the low pass when its first piece, after
// a while, is made too slowly for viewers to begin, nothing was shown yet, and
// without them it should be fast enough: starting again costs what was done. mu of
// jobs is held.
func (j *job) tooSlow(t *task, now time.Time) bool {
	speed := t.progress.Speed
	if t.class != classLow || t.work.Piece.Index != 0 || t.lease == nil || now.Sub(t.lease.since) < lowPatience ||
		speed == 0 || speed >= playSpeed || j.asset.state().Sequence > 0 {
		return false
	}
	costs := lowCosts(j.plan)
	for n := len(j.low) - 1; n > 0 && len(j.low) <= len(costs); n-- {
		if speed*costs[len(j.low)-1]/costs[n-1] >= playSpeed {
			j.regroup(j.low[:n])
			return true
		}
	}
	return false
}

// lowSpeed is how fast the low rungs are made, measured; 0 before it can be told.
func (j *job) lowSpeed() float64 {
	q := j.asset.origin.assets.jobs
	q.mu.Lock()
	defer q.mu.Unlock()
	speed := 0.0
	for _, t := range j.tasks {
		if t.class == classLow {
			speed = max(speed, t.progress.Speed)
		}
	}
	for p, made := range j.made {
		if len(j.low) > 0 && p.rendition == j.low[len(j.low)-1] {
			speed = max(speed, made)
		}
	}
	return speed
}

// lowRungs are those of the low pass now.
func (j *job) lowRungs() []string {
	q := j.asset.origin.assets.jobs
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(j.low)
}
