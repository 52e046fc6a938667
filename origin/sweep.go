package origin

import "time"

// sweepEvery is how often expired uploads and bundles are looked for, and
// complete uploads whose name could not move yet.
const sweepEvery = time.Minute

// sweepForever runs until Close.
func (o *Origin) sweepForever() {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			o.Sweep()
			o.uploads.goOn()
		case <-o.ctx.Done():
			return
		}
	}
}

// Sweep removes what has expired by now.
func (o *Origin) Sweep() {
	now := o.config().Now()
	o.uploads.sweep(now)
	o.bundles.sweep(now)
	o.assets.sweep(now)
}
