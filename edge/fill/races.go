package fill

import "sync"

// races is the budget of second questions for a slice that is on its way: a
// machine or a network that is slow as a whole must not be made slower by
// asking for everything twice. One fetch in 32 may be raced, and a few at once.
type races struct {
	mu sync.Mutex // guards following
	// left is in parts of one race.
	left int
}

const (
	raceCost = 32
	maxRaces = 2 * raceCost
)

func (r *races) earn() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = min(r.left+1, maxRaces)
}

// spend takes a race from the budget, if there is one.
func (r *races) spend() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left < raceCost {
		return false
	}
	r.left -= raceCost
	return true
}
