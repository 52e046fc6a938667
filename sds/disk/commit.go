package disk

import (
	"errors"
	"fmt"
	"sync"

	"github.com/stratos-mesh/stratos/sds"
)

// run is the committer. It owns every change: no lock, no race between a Put
// and a Delete of the same block. A group is what has come while the last one
// was being synced, so nobody waits for company that does not come.
func (s *Store) run() {
	defer close(s.ended)
	var held *request // taken from the queue but not into the last group
	for {
		g := &group{store: s, cids: map[sds.CID]struct{}{}}
		if held == nil {
			select {
			case r, open := <-s.queue:
				if !open {
					return
				}
				held = r
			case cid := <-s.touched:
				g.touch(cid)
			}
		}
		if held != nil {
			g.take(held)
			held = nil
		}
		held = g.gather()
		g.commit()
		s.markDamaged()
	}
}

// A group is a set of changes, each of another block, that share their syncs.
type group struct {
	store    *Store
	requests []*request
	touches  []sds.CID
	cids     map[sds.CID]struct{}
	bytes    int64 // of the puts

	batch   batch
	sync    bool             // something in the batch must be durable
	dirs    map[string]error // folders to sync, then what came of it
	planned [2]budget        // by class, what the group adds if all goes well
	room    [2]budget        // by class, what it does add
}

func (g *group) take(r *request) {
	g.requests = append(g.requests, r)
	g.cids[r.cid] = struct{}{}
	if r.change == changePut {
		g.bytes += r.size
	}
}

func (g *group) touch(cid sds.CID) { g.touches = append(g.touches, cid) }

// gather takes what is queued. It returns a request that must wait for the next
// group because this one already changes its block.
func (g *group) gather() *request {
	for len(g.requests) < groupBlocks && g.bytes < groupBytes {
		select {
		case r, open := <-g.store.queue:
			if !open {
				return nil
			}
			if _, twice := g.cids[r.cid]; twice {
				return r
			}
			g.take(r)
		case cid := <-g.store.touched:
			g.touch(cid)
		default:
			return nil
		}
	}
	return nil
}

// commit carries the group out. Its order is what recovery relies on: bytes are
// durable before they get their name, names before the index tells of them, and
// a file is gone before the index forgets it.
func (g *group) commit() {
	s := g.store
	g.batch = s.index.batch()
	g.dirs = map[string]error{}
	g.makeRoom()
	for _, r := range g.requests {
		if r.err == nil {
			r.err = g.decide(r)
		}
	}
	g.each(g.syncBytes)
	for _, r := range g.requests {
		if r.err == nil {
			r.err = g.move(r)
		}
	}
	g.syncDirs()
	for _, r := range g.requests {
		if r.err == nil {
			r.err = g.record(r)
		}
	}
	for _, cid := range g.touches {
		if err := g.use(cid); err != nil {
			s.log.Error("the use of a block was not noted", "cid", cid, "err", err)
		}
	}
	err := g.batch.commit(g.sync)
	if err != nil {
		err = fmt.Errorf("disk: commit %d changes: %w", len(g.requests), noRoom(err))
	} else {
		s.account(g.room)
	}
	if g.sync {
		s.counters.groups.Add(1)
	}
	for _, r := range g.requests {
		g.finish(r, err)
	}
}

// each runs a step for all requests that are well so far, some at a time.
func (g *group) each(step func(*request) error) {
	var wait sync.WaitGroup
	slots := make(chan struct{}, syncsAtOnce)
	for _, r := range g.requests {
		if r.err != nil {
			continue
		}
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			r.err = step(r)
		})
	}
	wait.Wait()
}

// syncDirs makes the names of the group durable.
func (g *group) syncDirs() {
	if len(g.dirs) == 0 {
		return
	}
	var (
		mu   sync.Mutex // guards dirs
		wait sync.WaitGroup
	)
	slots := make(chan struct{}, syncsAtOnce)
	names := make([]string, 0, len(g.dirs))
	for dir := range g.dirs {
		names = append(names, dir)
	}
	for _, dir := range names {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			err := g.store.files.syncDir(dir)
			mu.Lock()
			defer mu.Unlock()
			g.dirs[dir] = err
		})
	}
	wait.Wait()
}

// finish tells the caller of a request how it went.
func (g *group) finish(r *request, committed error) {
	s := g.store
	if r.err == nil {
		r.err = committed
	}
	s.discard(r) // a file that has not got its name
	if r.err == nil && r.change == changePut && r.plan.store {
		s.counters.writes.Add(1)
		s.counters.writtenBytes.Add(r.size)
	}
	if errors.Is(r.err, sds.ErrFull) {
		s.counters.full.Add(1)
	}
	if r.err == nil {
		r.err = r.plan.verdict
	}
	r.done <- r.err
}
