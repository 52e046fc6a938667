package disk

import (
	"github.com/stratos-mesh/stratos/sds"
)

// Touch says that blocks were used though not read here, as a cache in memory
// in front of this store does, whose hottest blocks would otherwise look
// forgotten. It never waits: what does not fit the queue is counted and lost.
func (s *Store) Touch(cids ...sds.CID) {
	if s.enter() != nil {
		return
	}
	defer s.leave()
	for _, cid := range cids {
		e, found, err := s.index.get(cid)
		if err == nil && found {
			s.noteUse(cid, e)
		}
	}
}

// noteUse asks the committer to write down that a block was read, unless that
// was written not long ago.
func (s *Store) noteUse(cid sds.CID, e entry) {
	if !s.stale(e) {
		return
	}
	select {
	case s.touched <- cid:
	default:
		s.counters.touchesLost.Add(1)
	}
}

func (s *Store) stale(e entry) bool {
	age := s.clock.now().Unix() - e.used
	return e.class == sds.Cached && (age < 0 || age >= int64(s.config.UseResolution.Seconds()))
}

// use moves a block to the end of the order of last use. A block that the group
// changes is new or going anyway.
func (g *group) use(cid sds.CID) error {
	if _, changed := g.cids[cid]; changed {
		return nil
	}
	g.cids[cid] = struct{}{}
	e, found, err := g.store.index.get(cid)
	if err != nil || !found || !g.store.stale(e) {
		return err
	}
	if err := g.batch.unuse(cid, e); err != nil {
		return err
	}
	e.used = g.store.clock.now().Unix()
	return g.batch.put(cid, e, nil)
}
