package disk

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/stratos-mesh/stratos/sds"
)

// mend opens the index and makes index and files agree. The index tells what
// was acknowledged, the files what is there:
//
//   - temporary files go;
//   - an entry without a file goes;
//   - a file without an entry is adopted in the class of its folder, if it
//     hashes to its name;
//   - an index that cannot be read is set aside, and all files are adopted.
func (s *Store) mend() (err error) {
	if err := s.files.make(); err != nil {
		return err
	}
	if s.lock, err = s.files.fs.Lock(s.files.at(lockName)); err != nil {
		return fmt.Errorf("another process has the store open: %w", err)
	}
	if err := s.files.knowShards(); err != nil {
		return err
	}
	if err := s.openIndex(); err != nil {
		return err
	}
	if err := s.removeTemps(); err != nil {
		return err
	}
	err = s.reconcile()
	if !broken(err) {
		return err
	}
	if err := s.rebuild(err); err != nil {
		return err
	}
	return s.reconcile()
}

// openIndex opens the index, or a new one in place of one that is broken.
func (s *Store) openIndex() (err error) {
	if size, err := s.files.size(s.files.at(damagedName)); err != nil || size >= 0 {
		return errors.Join(err, s.rebuild(errors.New("a bad block was seen in it")))
	}
	s.index, err = openIndex(s.files.at(indexName), s.files.fs, s.log)
	if broken(err) {
		return s.rebuild(err)
	}
	return err
}

// markDamaged notes that the index has a bad block, which is in the way of
// Pebble's compactions for good: the next Open makes a new one.
func (s *Store) markDamaged() {
	if s.marked || !s.index.damaged.Load() {
		return
	}
	s.marked = true
	file, err := s.files.write(s.files.at(damagedName), nil)
	if err == nil {
		err = errors.Join(file.Sync(), file.Close(), s.files.syncDir(s.files.dir))
	}
	if err != nil {
		s.log.Error("the damage of the index was not noted", "err", err)
	}
}

// rebuild sets a broken index aside and begins a new one.
func (s *Store) rebuild(cause error) error {
	if s.index != nil {
		if err := s.index.close(); err != nil {
			s.log.Warn("the broken index did not close well", "err", err)
		}
		s.index = nil
	}
	aside := s.files.at(quarantineDir, indexName)
	s.log.Error("the index is broken; a new one is made from the files, blocks below 64 KiB are lost",
		"err", cause, "kept", aside)
	if err := s.files.fs.RemoveAll(aside); err != nil {
		return err
	}
	if err := s.files.fs.Rename(s.files.at(indexName), aside); err != nil {
		return err
	}
	if err := s.files.fs.MkdirAll(s.files.at(indexName), 0o755); err != nil {
		return err
	}
	if err := errors.Join(s.files.syncDir(s.files.dir), s.files.syncDir(s.files.at(quarantineDir))); err != nil {
		return err
	}
	if err := s.files.remove(s.files.at(damagedName)); err != nil {
		return err
	}
	s.counters.indexRebuilt.Store(true)
	var err error
	s.index, err = openIndex(s.files.at(indexName), s.files.fs, s.log)
	return err
}

func (s *Store) removeTemps() error {
	names, err := s.files.list(s.files.at(tempName))
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := s.files.fs.RemoveAll(s.files.at(tempName, name)); err != nil {
			return err
		}
		s.counters.tempsRemoved.Add(1)
	}
	return nil
}

// reconcile goes through the folders, so that no more than a 256th of all names
// is in memory at a time.
func (s *Store) reconcile() error {
	s.usage = [2]budget{}
	for first := range 256 {
		if err := s.reconcileShard(byte(first)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) reconcileShard(first byte) error {
	lower, upper := []byte{entryPrefix, first}, []byte{entryPrefix, first + 1}
	if first == 255 {
		upper = []byte{entryPrefix + 1}
	}
	known, err := s.index.entries(lower, upper, 0)
	if err != nil {
		return err
	}
	var names [2][]sds.CID // by class, sorted
	for _, class := range []sds.Class{sds.Cached, sds.Pinned} {
		if names[class], err = s.names(class, first); err != nil {
			return err
		}
	}
	b := s.index.batch()
	for _, l := range known {
		present, err := s.settle(b, l, &names)
		if err != nil {
			return err
		}
		if present {
			s.usage[l.class] = s.usage[l.class].plus(l.size, 1)
		}
	}
	for _, class := range []sds.Class{sds.Pinned, sds.Cached} {
		if err := s.adoptAll(b, class, names[class]); err != nil {
			return err
		}
	}
	return b.commit(!b.pebble.Empty())
}

// settle finds the file of an entry and takes its name off the lists. An entry
// without a file goes.
func (s *Store) settle(b batch, l listed, names *[2][]sds.CID) (bool, error) {
	if l.inline {
		return true, nil
	}
	if take(&names[l.class], l.cid) {
		return true, nil
	}
	// A crash while it was pinned leaves a cached block in the other folder;
	// the name goes back, for nothing else expects it there.
	other := 1 - l.class
	if take(&names[other], l.cid) {
		err := s.files.rename(s.files.block(other, l.cid), l.class, l.cid)
		return true, errors.Join(err, s.files.syncDir(s.files.shard(l.class, l.cid.Digest[0])))
	}
	s.counters.dropped.Add(1)
	return false, b.drop(l.cid, l.entry)
}

// adoptAll takes in the files of a folder that no entry speaks of.
func (s *Store) adoptAll(b batch, class sds.Class, cids []sds.CID) error {
	if len(cids) == 0 {
		return nil
	}
	for _, cid := range cids {
		if err := s.adopt(b, class, cid); err != nil {
			return err
		}
	}
	return s.files.syncDir(s.files.shard(class, cids[0].Digest[0]))
}

func (s *Store) adopt(b batch, class sds.Class, cid sds.CID) error {
	name := s.files.block(class, cid)
	info, err := s.files.fs.Stat(name)
	if err != nil {
		return err
	}
	if class == sds.Cached {
		// The same block may have been adopted as pinned a moment ago.
		if size, err := s.files.size(s.files.block(sds.Pinned, cid)); err != nil || size >= 0 {
			return errors.Join(err, s.files.remove(name))
		}
	}
	when := info.ModTime().Unix()
	e := entry{class: class, size: info.Size(), stored: when, used: when}
	good := e.size > 0 && e.size <= sds.MaxBlockSize
	// When all are adopted, hashing them would keep the node from starting for
	// an hour; Get and Scrub find what is wrong.
	if good && !s.counters.indexRebuilt.Load() {
		_, err := s.load(cid, e, false)
		good = err == nil
	}
	if !good {
		s.counters.dropped.Add(1)
		return s.files.remove(name)
	}
	s.counters.adopted.Add(1)
	s.usage[class] = s.usage[class].plus(e.size, 1)
	return b.put(cid, e, nil)
}

// names lists the blocks of one folder, sorted. What is no block's name is left
// alone.
func (s *Store) names(class sds.Class, first byte) ([]sds.CID, error) {
	dir := s.files.shard(class, first)
	list, err := s.files.list(dir)
	if err != nil {
		return nil, err
	}
	cids := make([]sds.CID, 0, len(list))
	for _, name := range list {
		cid, err := sds.Parse(name)
		if err != nil || cid.Digest[0] != first || cid.String() != name {
			s.log.Warn("a file that is not ours", "file", fmt.Sprintf("%s/%.100s", dir, name))
			continue
		}
		cids = append(cids, cid)
	}
	slices.SortFunc(cids, compare)
	return cids, nil
}

func compare(a, b sds.CID) int {
	if c := bytes.Compare(a.Digest[:], b.Digest[:]); c != 0 {
		return c
	}
	return int(a.Codec) - int(b.Codec)
}

// take removes a CID from a sorted list and tells whether it was there.
func take(list *[]sds.CID, cid sds.CID) bool {
	i, found := slices.BinarySearchFunc(*list, cid, compare)
	if found {
		*list = slices.Delete(*list, i, i+1)
	}
	return found
}
