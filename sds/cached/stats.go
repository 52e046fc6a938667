package cached

// Stats is what a store has done, for metrics. All but Blocks and Bytes only
// grow.
type Stats struct {
	Hits, Misses int64
	// Reads are the misses that went to the store below, one for all who wait;
	// Fetches those of them that it did not have; Failures those that came to
	// nothing.
	Reads, Fetches, Failures int64
	Evicted                  int64
	Blocks, Bytes, Limit     int64 // in memory now
}

// Stats returns the counters.
func (s *Store) Stats() Stats {
	c := s.blocks.Stats()
	return Stats{
		Hits: int64(c.Hits), Misses: int64(c.Misses), Evicted: int64(c.Evictions),
		Reads: s.reads.Load(), Fetches: s.fetches.Load(), Failures: s.failures.Load(),
		Blocks: int64(s.blocks.EstimatedSize()), Bytes: int64(s.blocks.WeightedSize()), Limit: s.limit.Load(),
	}
}
