package disk

import (
	"errors"
	"fmt"
	"slices"

	"github.com/stratos-mesh/stratos/sds"
)

// judge reads a block that somebody found wrong and plans what becomes of it.
// A good one stays: it may have come after the bad one was read.
func (g *group) judge(r *request) {
	s := g.store
	if !r.plan.found {
		r.plan.verdict = fmt.Errorf("disk: %s: %w", r.cid, sds.ErrNotFound)
		return
	}
	_, err := s.load(r.cid, r.plan.had, false)
	switch {
	case err == nil:
	case errors.Is(err, sds.ErrNotFound):
		r.plan.remove = true
		s.counters.missing.Add(1)
	case errors.Is(err, sds.ErrCorrupt):
		r.plan.aside = true
		s.counters.corrupt.Add(1)
	}
	if err != nil {
		r.plan.verdict = fmt.Errorf("disk: %w", err)
		s.log.Warn("a block is lost", "cid", r.cid, "class", className(r.plan.had.class), "err", err)
	}
}

// putAside moves a corrupt block into the quarantine folder, where a person can
// look at it. The index forgets it in any case.
func (g *group) putAside(r *request) error {
	s := g.store
	name := s.files.quarantined(r.cid)
	if r.plan.had.inline {
		value, err := s.index.value(r.cid)
		if err != nil {
			return nil // the index cannot read it either; there is nothing to keep
		}
		file, err := s.files.write(name, value)
		if err != nil {
			return err
		}
		s.trimQuarantine()
		return file.Close()
	}
	class := r.plan.had.class
	r.plan.dir = s.files.shard(class, r.cid.Digest[0])
	g.dirs[r.plan.dir] = nil
	err := s.files.fs.Rename(s.files.block(class, r.cid), name)
	if err != nil {
		// Better no trace than a file that comes back at the next start.
		return s.files.remove(s.files.block(class, r.cid))
	}
	s.trimQuarantine()
	return nil
}

// trimQuarantine keeps the newest of what was put aside.
func (s *Store) trimQuarantine() {
	names, err := s.files.fs.List(s.files.at(quarantineDir))
	if err != nil {
		s.log.Warn("the quarantine cannot be listed", "err", err)
		return
	}
	type old struct {
		name string
		when int64
	}
	var all []old
	for _, name := range names {
		info, err := s.files.fs.Stat(s.files.at(quarantineDir, name))
		if err == nil && !info.IsDir() {
			all = append(all, old{name, info.ModTime().UnixNano()})
		}
	}
	slices.SortFunc(all, func(a, b old) int { return int(min(max(a.when-b.when, -1), 1)) })
	for len(all) > s.config.QuarantineFiles {
		if err := s.files.remove(s.files.at(quarantineDir, all[0].name)); err != nil {
			s.log.Warn("a file in quarantine stays", "file", all[0].name, "err", err)
		}
		all = all[1:]
	}
}
