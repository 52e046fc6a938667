package router

import (
	"encoding/binary"
	"math"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

const (
	// demandWindow is the time in which a request's weight falls to a third.
	demandWindow = time.Minute
	// demandUnits bounds the units counted; the least asked for makes room.
	demandUnits = 1 << 16
	demandWays  = 8
	// demandCap is the most that one request adds, in bytes: nobody reads a file
	// of a terabyte within the window.
	demandCap = 256 << 20
)

// demand counts requests and bytes per unit, decaying, in a table of fixed size:
// sets of a few units, of which the coldest is forgotten when another comes.
type demand struct {
	now  func() time.Time
	sets [demandUnits / demandWays]demandSet
}

type demandSet struct {
	mu    sync.Mutex // guards units
	units [demandWays]demandUnit
}

type demandUnit struct {
	key      meta.UnitKey
	requests float64
	bytes    float64
	// at is the time of the counts, in seconds since 1970.
	at float64
}

func newDemand(now func() time.Time) *demand { return &demand{now: now} }

// add counts a request for so many bytes, and returns the demand for the unit:
// bits a second, and requests in the window before this one.
func (d *demand) add(key meta.UnitKey, bytes int64) (bits, requests float64) {
	now := float64(d.now().UnixNano()) / 1e9
	set := &d.sets[binary.BigEndian.Uint64(key[8:16])%uint64(len(d.sets))]
	set.mu.Lock()
	defer set.mu.Unlock()
	u, coldest := (*demandUnit)(nil), &set.units[0]
	for i := range set.units {
		at := &set.units[i]
		if at.key == key && at.at > 0 {
			u = at
			break
		}
		if at.heat(now) < coldest.heat(now) {
			coldest = at
		}
	}
	if u == nil {
		u = coldest
		*u = demandUnit{key: key, at: now}
	}
	keep := u.decay(now)
	requests = u.requests * keep
	u.requests, u.bytes, u.at = requests+1, u.bytes*keep+float64(min(max(bytes, 0), demandCap)), now
	return u.bytes * 8 / demandWindow.Seconds(), requests
}

// look returns the demand without counting.
func (d *demand) look(key meta.UnitKey) (bits, requests float64) {
	now := float64(d.now().UnixNano()) / 1e9
	set := &d.sets[binary.BigEndian.Uint64(key[8:16])%uint64(len(d.sets))]
	set.mu.Lock()
	defer set.mu.Unlock()
	for i := range set.units {
		if u := &set.units[i]; u.key == key && u.at > 0 {
			keep := u.decay(now)
			return u.bytes * keep * 8 / demandWindow.Seconds(), u.requests * keep
		}
	}
	return 0, 0
}

func (u *demandUnit) decay(now float64) float64 {
	return math.Exp(-max(now-u.at, 0) / demandWindow.Seconds())
}

func (u *demandUnit) heat(now float64) float64 { return u.requests * u.decay(now) }
