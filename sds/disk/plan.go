package disk

import (
	"errors"
	"fmt"

	"github.com/stratos-mesh/stratos/sds"
)

// A plan is what a request turns out to need once the committer has looked.
type plan struct {
	had     entry // what the index holds
	found   bool  // whether it holds anything
	store   bool  // write the block that the request brings
	promote bool  // make a cached block pinned
	remove  bool  // forget the block
	aside   bool  // move the block to quarantine
	verdict error // what the caller of a change that worked is told
	dir     string
}

// decide looks at what is there and plans one request.
func (g *group) decide(r *request) error {
	s := g.store
	if r.change == changeNote {
		return nil
	}
	had, found, err := s.index.get(r.cid)
	if err != nil {
		return err
	}
	r.plan.had, r.plan.found = had, found
	switch r.change {
	case changeDelete:
		r.plan.remove = found
	case changeCondemn:
		g.judge(r)
	case changePut:
		return g.decidePut(r)
	}
	return nil
}

func (g *group) decidePut(r *request) error {
	s, had := g.store, r.plan.had
	if r.plan.found && s.intact(r.cid, had) {
		if r.class == sds.Cached || had.class == sds.Pinned {
			return nil
		}
		if err := s.fits(sds.Pinned, g.planned[sds.Pinned].bytes+had.size); err != nil {
			return err
		}
		r.plan.promote = true
		g.planned[sds.Pinned] = g.planned[sds.Pinned].plus(had.size, 1)
		return nil
	}
	if !r.hasBytes() {
		return errGone
	}
	class := r.class
	if r.plan.found { // but its file is lost
		class = max(class, had.class)
	}
	if err := s.fits(class, g.planned[class].bytes+r.size); err != nil {
		return err
	}
	r.class, r.plan.store = class, true
	g.planned[class] = g.planned[class].plus(r.size, 1)
	return nil
}

// syncBytes makes the bytes of one request durable, if its class asks for it.
func (g *group) syncBytes(r *request) error {
	s := g.store
	switch {
	case r.plan.store && r.file != nil:
		var err error
		if s.synced(r.class) {
			err = r.file.Sync()
		}
		err = errors.Join(err, r.file.Close())
		r.file = nil
		if err != nil {
			return fmt.Errorf("disk: sync %s: %w", r.cid, errors.Join(noRoom(err), s.files.remove(r.temp)))
		}
	case r.plan.promote && !r.plan.had.inline:
		return s.files.syncFile(s.files.block(sds.Cached, r.cid))
	}
	return nil
}

// move gives the file of a request its name, or takes it away.
func (g *group) move(r *request) error {
	s := g.store
	switch {
	case r.plan.store && r.value == nil:
		r.plan.dir = s.files.shard(r.class, r.cid.Digest[0])
		if err := s.files.rename(r.temp, r.class, r.cid); err != nil {
			return errors.Join(err, s.files.remove(r.temp))
		}
		if r.plan.found && r.plan.had.class != r.class {
			if err := s.files.remove(s.files.block(r.plan.had.class, r.cid)); err != nil {
				return err
			}
		}
	case r.plan.promote && !r.plan.had.inline:
		r.plan.dir = s.files.shard(sds.Pinned, r.cid.Digest[0])
		if err := s.files.rename(s.files.block(sds.Cached, r.cid), sds.Pinned, r.cid); err != nil {
			return err
		}
	case r.plan.remove && !r.plan.had.inline:
		r.plan.dir = s.files.shard(r.plan.had.class, r.cid.Digest[0])
		if err := s.files.remove(s.files.block(r.plan.had.class, r.cid)); err != nil {
			return err
		}
	case r.plan.aside:
		return g.putAside(r)
	default:
		return nil
	}
	if !r.plan.store || s.synced(r.class) {
		g.dirs[r.plan.dir] = nil
	}
	return nil
}

// record puts into the batch what the index shall say of a request.
func (g *group) record(r *request) error {
	s := g.store
	if err := g.dirs[r.plan.dir]; err != nil {
		return fmt.Errorf("disk: sync folder of %s: %w", r.cid, err)
	}
	had, now := r.plan.had, s.clock.now().Unix()
	switch {
	case r.change == changeNote:
		return g.batch.note(r.key, r.note)
	case r.plan.store:
		// A value costs the index's own sync only, so it is always durable.
		g.sync = g.sync || s.synced(r.class) || r.value != nil
		e := entry{class: r.class, inline: r.value != nil, size: r.size, stored: now, used: now}
		var err error
		if r.plan.found {
			err = g.drop(r.cid, had)
		}
		g.room[e.class] = g.room[e.class].plus(e.size, 1)
		return errors.Join(err, g.batch.put(r.cid, e, r.value))
	case r.plan.promote:
		g.sync = true
		e := had
		e.class = sds.Pinned
		g.room[sds.Cached] = g.room[sds.Cached].plus(-e.size, -1)
		g.room[sds.Pinned] = g.room[sds.Pinned].plus(e.size, 1)
		return errors.Join(g.batch.unuse(r.cid, had), g.batch.put(r.cid, e, nil))
	case r.plan.remove || r.plan.aside:
		g.sync = true
		return g.drop(r.cid, had)
	}
	return nil
}

func (g *group) drop(cid sds.CID, e entry) error {
	g.room[e.class] = g.room[e.class].plus(-e.size, -1)
	return g.batch.drop(cid, e)
}
