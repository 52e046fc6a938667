package disk

import (
	"fmt"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/stratos-mesh/stratos/sds"
)

// budget counts bytes and blocks.
type budget struct{ bytes, blocks int64 }

func (b budget) plus(bytes, blocks int64) budget {
	return budget{b.bytes + bytes, b.blocks + blocks}
}

// victimsAtOnce bounds what one round of eviction holds in memory.
const victimsAtOnce = 64

// SetLimits replaces Config.PinnedLimit and Config.CachedLimit while the store
// is open. A lower limit evicts nothing by itself: the next Put does.
func (s *Store) SetLimits(pinned, cached int64) {
	s.limits[sds.Pinned].Store(max(pinned, 0))
	s.limits[sds.Cached].Store(max(cached, 0))
}

func (s *Store) limit(class sds.Class) int64 { return s.limits[class].Load() }

// account adds what a commit has changed. Only the committer calls it, so what
// others read may be old, never torn.
func (s *Store) account(room [2]budget) {
	for class, b := range room {
		atomic.AddInt64(&s.usage[class].bytes, b.bytes)
		atomic.AddInt64(&s.usage[class].blocks, b.blocks)
	}
}

func (s *Store) used(class sds.Class) budget {
	return budget{atomic.LoadInt64(&s.usage[class].bytes), atomic.LoadInt64(&s.usage[class].blocks)}
}

// fits tells whether more bytes fit the limit of a class.
func (s *Store) fits(class sds.Class, more int64) error {
	limit, used := s.limit(class), s.used(class).bytes
	if limit > 0 && used+more > limit {
		return fmt.Errorf("disk: %w: %s blocks have %d of %d bytes, %d more do not fit",
			sds.ErrFull, className(class), used, limit, more)
	}
	return nil
}

// admit is fits for one block before it is written: the cached class makes room
// for whatever is not larger than all of it.
func (s *Store) admit(class sds.Class, size int64) error {
	if class == sds.Cached {
		if limit := s.limit(sds.Cached); limit > 0 && size > limit {
			return fmt.Errorf("disk: %w: %d bytes in a cached class of %d", sds.ErrFull, size, limit)
		}
		return nil
	}
	return s.fits(class, size)
}

// makeRoom evicts until the group's blocks fit, by the limit of the cached
// class and by what the disk has free. If they still do not, its puts fail.
func (g *group) makeRoom() {
	s := g.store
	var cached int64
	for _, r := range g.requests {
		if r.change == changePut && r.class == sds.Cached && r.hasBytes() {
			cached += r.size
		}
	}
	if limit := s.limit(sds.Cached); limit > 0 && cached > 0 {
		s.evict(s.used(sds.Cached).bytes + cached - limit)
	}
	if s.config.MinFree < 0 || g.bytes == 0 {
		return
	}
	disk, err := s.files.fs.GetDiskUsage(s.config.Dir)
	if err != nil {
		return // some file systems cannot tell; the write will
	}
	if short := s.config.MinFree + g.bytes - int64(disk.AvailBytes); short > 0 && s.evict(short) < short {
		for _, r := range g.requests {
			if r.hasBytes() {
				r.err = fmt.Errorf("disk: %w: the disk has %d bytes free, %d shall stay so",
					sds.ErrFull, disk.AvailBytes, s.config.MinFree)
			}
		}
	}
}

// evict forgets the cached blocks that were not read for longest, until so many
// bytes are free again. It returns how many were freed. Nothing is synced: what
// comes back after a crash is evicted again.
func (s *Store) evict(bytes int64) (freed int64) {
	for again := false; freed < bytes; {
		n, err := s.evictSome(bytes - freed)
		freed += n
		switch {
		case err != nil:
			s.log.Error("eviction failed", "err", err)
			return freed
		case n > 0:
		case again || s.oldest == nil:
			return freed
		default: // the clock went back, or nothing is left: look once more
			s.oldest, again = nil, true
		}
	}
	return freed
}

// evictSome is a round of evict over at most victimsAtOnce blocks.
func (s *Store) evictSome(bytes int64) (freed int64, err error) {
	victims, err := s.victims(bytes)
	if err != nil || len(victims) == 0 {
		return 0, err
	}
	b := s.index.batch()
	var room [2]budget
	for _, v := range victims {
		if err := b.drop(v.cid, v.entry); err != nil {
			return 0, err
		}
		room[sds.Cached] = room[sds.Cached].plus(-v.size, -1)
	}
	if err := b.commit(false); err != nil {
		return 0, err
	}
	s.account(room)
	for _, v := range victims {
		if !v.inline {
			if err := s.files.remove(s.files.block(sds.Cached, v.cid)); err != nil {
				s.log.Error("an evicted file stays", "cid", v.cid, "err", err)
				continue
			}
		}
		freed += v.size
		s.counters.evicted.Add(1)
		s.counters.evictedBytes.Add(v.size)
	}
	return freed, nil
}

type victim struct {
	cid sds.CID
	entry
}

// victims lists the cached blocks that were not read for longest. It begins
// where it ended before: walking over the graves of earlier victims would cost
// more each time.
func (s *Store) victims(bytes int64) ([]victim, error) {
	lower := []byte{usedPrefix}
	if s.oldest != nil {
		lower = s.oldest
	}
	it, err := s.index.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: []byte{usedPrefix + 1}})
	if err != nil {
		return nil, err
	}
	var found []victim
	for ok := it.First(); ok && bytes > 0 && len(found) < victimsAtOnce; ok = it.Next() {
		s.oldest = append([]byte{}, it.Key()...)
		cid, err := idOf(it.Key())
		if err != nil {
			return nil, closeAfter(err, it)
		}
		e, known, err := s.index.get(cid)
		if err != nil {
			return nil, closeAfter(err, it)
		}
		if !known || e.class != sds.Cached || string(it.Key()) != string(usedKey(e.used, cid)) {
			continue // no change leaves such a key behind; it is not ours to trust
		}
		found = append(found, victim{cid, e})
		bytes -= e.size
	}
	return found, it.Close()
}
