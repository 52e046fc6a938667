package origin

import (
	"slices"

	"github.com/stratos-mesh/stratos/origin/work"
	"github.com/stratos-mesh/stratos/transcode"
)

// weight of a part of the work: its pixels, with something for what has none.
func (j *job) weight(rendition string, piece transcode.Piece) float64 {
	area := 20_000.0
	for _, r := range j.plan.Rungs {
		if r.Name == rendition {
			area = max(area, float64(r.Width*r.Height))
		}
	}
	return area * (piece.To - piece.From).Seconds()
}

// shares of the work done, and the speed of what runs; mu of jobs is held.
func (j *job) shares() (done, speed float64) {
	var left, total float64
	for _, r := range j.plan.Rungs {
		total += j.weight(r.Name, j.plan.Whole())
	}
	for _, name := range j.sounds() {
		total += j.weight(name, j.plan.Whole())
	}
	for _, t := range j.tasks {
		for _, name := range t.work.Renditions {
			left += j.weight(name, t.work.Piece) * (1 - t.progress.Done)
		}
		if t.lease != nil && t.kind == work.Video {
			speed += t.progress.Speed
		}
	}
	if total == 0 {
		return 0, speed
	}
	return max(0, 1-left/total), speed
}

// progress of one rendition, and the speed at which it is made now.
func (j *job) progress(name string) (done, speed float64) {
	q := j.asset.origin.assets.jobs
	q.mu.Lock()
	defer q.mu.Unlock()
	left := 0.0
	for _, t := range j.tasks {
		if !slices.Contains(t.work.Renditions, name) {
			continue
		}
		left += (t.work.Piece.To - t.work.Piece.From).Seconds() * (1 - t.progress.Done)
		if t.lease != nil {
			speed += t.progress.Speed
		}
	}
	if whole := j.plan.Length.Seconds(); whole > 0 {
		done = max(0, 1-left/whole)
	}
	return done, speed
}

// total is the progress of all, the speed of what runs, and the seconds that
// are left at the pace so far.
func (j *job) total() (done, speed, left float64) {
	q := j.asset.origin.assets.jobs
	q.mu.Lock()
	defer q.mu.Unlock()
	done, speed = j.shares()
	elapsed := q.now().Sub(j.began).Seconds()
	if made := done - j.before; made > 0.01 && elapsed > 1 {
		left = elapsed / made * (1 - done)
	}
	return done, speed, left
}
