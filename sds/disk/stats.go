package disk

import (
	"sync/atomic"

	"github.com/stratos-mesh/stratos/sds"
)

// Stats is what a store has done since it was opened, for metrics. All but
// Pinned and Cached only grow.
type Stats struct {
	Pinned, Cached sds.Budget

	Reads, ReadBytes     int64 // blocks that Get has returned
	Writes, WrittenBytes int64 // blocks that Put has stored, repetitions aside
	Groups               int64 // commits that were synced; writes share them

	Evicted, EvictedBytes int64 // cached blocks that made room
	Full                  int64 // puts that were refused for want of room
	Corrupt               int64 // blocks put aside because their hash was wrong
	Missing               int64 // blocks forgotten because their file was gone
	TouchesLost           int64 // uses not noted because too many came at once

	Scrubbed, ScrubbedBytes int64 // blocks that Scrub has read again
	ScrubPasses             int64 // times that Scrub has been through

	// What Open found.
	TempsRemoved int64 // files whose writing a crash had interrupted
	Adopted      int64 // files that the index did not know and now does
	Dropped      int64 // entries without a file, and files that could be no block
	IndexRebuilt bool  // the index was broken and made anew from the files
}

type counters struct {
	reads, readBytes, writes, writtenBytes, groups    atomic.Int64
	evicted, evictedBytes, full, corrupt, missing     atomic.Int64
	touchesLost, scrubbed, scrubbedBytes, scrubPasses atomic.Int64
	tempsRemoved, adopted, dropped                    atomic.Int64
	indexRebuilt                                      atomic.Bool
}

// Stats returns the counters. It costs next to nothing and works after Close.
func (s *Store) Stats() Stats {
	c := &s.counters
	pinned, cached := s.Usage()
	return Stats{
		Pinned: pinned, Cached: cached,
		Reads: c.reads.Load(), ReadBytes: c.readBytes.Load(),
		Writes: c.writes.Load(), WrittenBytes: c.writtenBytes.Load(), Groups: c.groups.Load(),
		Evicted: c.evicted.Load(), EvictedBytes: c.evictedBytes.Load(), Full: c.full.Load(),
		Corrupt: c.corrupt.Load(), Missing: c.missing.Load(), TouchesLost: c.touchesLost.Load(),
		Scrubbed: c.scrubbed.Load(), ScrubbedBytes: c.scrubbedBytes.Load(), ScrubPasses: c.scrubPasses.Load(),
		TempsRemoved: c.tempsRemoved.Load(), Adopted: c.adopted.Load(), Dropped: c.dropped.Load(),
		IndexRebuilt: c.indexRebuilt.Load(),
	}
}

// Usage tells how full the classes are; see sds.Usage.
func (s *Store) Usage() (pinned, cached sds.Budget) {
	p, c := s.used(sds.Pinned), s.used(sds.Cached)
	return sds.Budget{Bytes: p.bytes, Blocks: p.blocks, Limit: s.limit(sds.Pinned)},
		sds.Budget{Bytes: c.bytes, Blocks: c.blocks, Limit: s.limit(sds.Cached)}
}
