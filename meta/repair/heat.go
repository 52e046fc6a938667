package repair

import (
	"math"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

// HeatConfig says what is hot. The zero value has the defaults named below.
type HeatConfig struct {
	// Step is the sessions per minute that are worth a replica more; each
	// doubling is worth another. 0 is 300.
	Step float64
	// HalfLife in which a rate that is not renewed halves; 0 is 5 minutes.
	HalfLife time.Duration
	// MaxExtra replicas; 0 is 8.
	MaxExtra int
	// MaxUnits that are watched; 0 is 10,000. Others are cold.
	MaxUnits int
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Heat watches how often units are asked for and how many replicas more that
// is worth. A unit warms at a threshold and cools only below half of it, so
// that one at the edge is not copied and dropped by turns.
type Heat struct {
	config HeatConfig

	mu      sync.Mutex // guards all below
	units   map[meta.UnitKey]*warmth
	ignored int64
}

type warmth struct {
	rate  float64 // sessions per minute at the time at
	at    time.Time
	extra int
}

// NewHeat makes a Heat in which everything is cold.
func NewHeat(config HeatConfig) *Heat {
	if config.Step == 0 {
		config.Step = 300
	}
	if config.HalfLife == 0 {
		config.HalfLife = 5 * time.Minute
	}
	if config.MaxExtra == 0 {
		config.MaxExtra = 8
	}
	if config.MaxUnits == 0 {
		config.MaxUnits = 10_000
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Heat{config: config, units: make(map[meta.UnitKey]*warmth)}
}

// Note says that sessions of a unit began.
func (h *Heat) Note(unit meta.UnitKey, sessions int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.config.Now()
	w := h.units[unit]
	if w == nil {
		if len(h.units) >= h.config.MaxUnits {
			h.cool(now)
		}
		if len(h.units) >= h.config.MaxUnits {
			h.ignored++
			return
		}
		w = &warmth{at: now}
		h.units[unit] = w
	}
	// In a steady state r = n·k, where k turns a count into a rate per minute.
	k := math.Ln2 / h.config.HalfLife.Minutes()
	w.rate, w.at = h.rate(w, now)+float64(sessions)*k, now
}

// Extra is how many replicas more than wanted a unit should have now.
func (h *Heat) Extra(unit meta.UnitKey) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.units[unit]
	if w == nil {
		return 0
	}
	rate := h.rate(w, h.config.Now())
	for w.extra < h.config.MaxExtra && rate >= h.threshold(w.extra+1) {
		w.extra++
	}
	for w.extra > 0 && rate < h.threshold(w.extra)/2 {
		w.extra--
	}
	return w.extra
}

// Ignored counts notes that found no room.
func (h *Heat) Ignored() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ignored
}

func (h *Heat) threshold(extra int) float64 { return h.config.Step * math.Exp2(float64(extra-1)) }

func (h *Heat) rate(w *warmth, now time.Time) float64 {
	return w.rate * math.Exp2(-float64(now.Sub(w.at))/float64(h.config.HalfLife))
}

// cool forgets units that are far from warm. The caller holds mu.
func (h *Heat) cool(now time.Time) {
	for unit, w := range h.units {
		if w.extra == 0 && h.rate(w, now) < h.config.Step/20 {
			delete(h.units, unit)
		}
	}
}
