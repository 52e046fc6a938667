// Package repair keeps as many replicas of every unit as are wanted, on edges
// that placement likes, without ever doing more harm than the failure did.
//
// It is a pure function with a small clerk:
//
//	Make       looks at one Snapshot and says what is missing, most endangered
//	           first, and what is too much; plan.go
//	Scheduler  turns that into Work for edges within their rates, gives it out
//	           with beats until it is done, failed or too late, and retries
//	Heat       raises the replicas of units in demand; heat.go
//	Numbers    numbers work so that no number is ever used twice; numbers.go
//
// The rules:
//
//   - A copy counts while its edge is live or suspect. A draining edge's copy is
//     a source, and handed over. A down edge's copy is neither, but remembered:
//     when the edge returns, it counts at once and what is under way in its place
//     is called off.
//   - Nothing is copied before every live edge's inventory was compared, for
//     what was not reported may exist.
//   - In a halt only units with one replica left are copied, and only when it is
//     calm; package health has the reasons.
//   - Repairs to an edge and from an edge take at most a quarter of its rate.
//   - What is too much is dropped after Config.SurplusAfter, and only when the
//     edges that keep the unit have verified their copies since.
//
// A node calls Tick every beat's interval, Finished with what a beat brings
// after it gave the beat's changes to the inventory, and Work for the reply.
package repair

import (
	"iter"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/health"
	"github.com/stratos-mesh/stratos/meta/inventory"
	"github.com/stratos-mesh/stratos/meta/place"
)

// Item is a version of a unit that should be held: a shard of a live record.
type Item struct {
	Unit   meta.UnitKey
	Shard  int
	Record meta.Record
	// Durable are the edges of the publication: they have every block, though
	// they may not have said so in their inventory yet. They are asked to check
	// and say so. Believed for durableFor after Record.Modified, and as long as
	// nobody says that he has it for durableLease; later they may have dropped
	// it again.
	Durable []meta.EdgeID
}

// Items makes the items of a record.
func Items(record meta.Record, durable []meta.EdgeID) []*Item {
	out := make([]*Item, len(record.Units))
	for shard, unit := range record.Units {
		out[shard] = &Item{Unit: unit, Shard: shard, Record: record, Durable: durable}
	}
	return out
}

// Version is what inventories hold of an item.
func (i *Item) Version() inventory.Version {
	return inventory.Version{Unit: i.Unit, Root: i.Record.Root}
}

// Size is about how many bytes a replica has.
func (i *Item) Size() int64 {
	if i.Shard < len(i.Record.Units)-1 {
		return meta.ShardSize
	}
	return max(i.Record.Size-int64(i.Shard)*meta.ShardSize, 0)
}

// Edge is what repair must know of an edge.
type Edge struct {
	ID     meta.EdgeID
	State  meta.EdgeState
	Region string
	// Capacity in bits per second; 0 is Config.DefaultCapacity.
	Capacity int64
	// PinnedFree is room for pinned bytes; 0 is not known.
	PinnedFree int64
	// Synced: its inventory was compared by this process.
	Synced bool
}

// Snapshot is all that a plan depends on.
type Snapshot struct {
	// Edges that are known, each once.
	Edges []Edge
	// View that placement uses; edges outside it are no targets.
	View *place.View
	// Items that should be held.
	Items iter.Seq[*Item]
	// Copies tells who holds a version.
	Copies func(inventory.Version) []inventory.Copy
	// Halt is health's judgement.
	Halt health.Halt
	// Heat tells how many replicas more than its record's a unit should have;
	// nil is none.
	Heat func(meta.UnitKey) int

	// Filled in by the Scheduler:

	// Now is the time of the snapshot.
	Now time.Time
	// Waiting is why nothing may be copied yet, however calm it is.
	Waiting string
	// Underway are edges that were given a version already.
	Underway func(inventory.Version) []meta.EdgeID
	// Avoid tells edges that failed at a version lately.
	Avoid func(inventory.Version, meta.EdgeID) bool
}

// Config of a Scheduler. Defaults fills it.
type Config struct {
	// SurplusAfter is how long a version has too many replicas before one is
	// dropped.
	SurplusAfter time.Duration
	// DefaultCapacity in bits per second of an edge that was not measured.
	DefaultCapacity int64
	// RetryFirst and RetryMost bound the time between tries, which doubles.
	RetryFirst, RetryMost time.Duration
	// Patience is how long work may take beyond three times what is expected.
	Patience time.Duration
	// SyncPatience is how long one edge without a compared inventory holds up
	// repair.
	SyncPatience time.Duration
	// Number gives each work a number of its own.
	Number func() uint64
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Defaults are the values of a real network, or of one for development. Number
// is left to be set.
func Defaults(development bool) Config {
	c := Config{
		SurplusAfter: 24 * time.Hour, DefaultCapacity: 200e6,
		RetryFirst: 5 * time.Second, RetryMost: 10 * time.Minute,
		Patience: time.Minute, SyncPatience: 10 * time.Minute,
	}
	if development {
		c.SurplusAfter, c.DefaultCapacity = time.Minute, 1e9
		c.RetryFirst, c.RetryMost = time.Second, 15*time.Second
		c.Patience, c.SyncPatience = 15*time.Second, 15*time.Second
	}
	return c
}

// Bounds of what one Tick makes and of what edges are asked at once.
const (
	// maxTasks under way on an edge, and maxChecks of these that verify.
	maxTasks, maxChecks = 8, 4
	// maxSources in a work.
	maxSources = 4
	// maxListed entries of status.
	maxListed = 1000

	// claimPatience is how long a holding may come after the word that it is
	// done.
	claimPatience = 15 * time.Second

	durableFor, durableLease = 10 * time.Minute, 24 * time.Hour
)
