package edge

import (
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/inventory"
)

// warm remembers the units of which something was cached lately. It becomes
// the Bloom filter that says "certainly not here" for all others.
type warm struct {
	mu      sync.Mutex // guards following
	units   map[meta.UnitKey]time.Time
	changed bool
	sent    time.Time
}

const (
	// maxWarm is what the filter has room for.
	maxWarm = 200_000
	// warmTime is how long a unit counts after its last fill.
	warmTime = 6 * time.Hour
	// filterEvery is how often a filter that changed is sent, and how often one
	// that did not.
	filterEvery, filterAnyway = 10 * time.Second, 10 * time.Minute
)

func newWarm() *warm { return &warm{units: make(map[meta.UnitKey]time.Time)} }

func (w *warm) add(unit meta.UnitKey) {
	if unit == (meta.UnitKey{}) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.units[unit]; !known {
		if len(w.units) >= maxWarm {
			for old := range w.units { // any: the filter is a hint
				delete(w.units, old)
				break
			}
		}
		w.changed = true
	}
	w.units[unit] = time.Now()
}

// filter is what the next beat carries, nil when there is nothing new.
func (w *warm) filter() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	since := now.Sub(w.sent)
	if since < filterEvery || !w.changed && since < filterAnyway {
		return nil
	}
	keys := make([]meta.UnitKey, 0, len(w.units))
	for unit, at := range w.units {
		if now.Sub(at) > warmTime {
			delete(w.units, unit)
			continue
		}
		keys = append(keys, unit)
	}
	w.changed, w.sent = false, now
	return inventory.EncodeFilter(keys)
}
