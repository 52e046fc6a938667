package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/stratos-mesh/stratos/sds"
)

// Get returns a block, hashed as it was read; see sds.Store.
func (s *Store) Get(ctx context.Context, cid sds.CID) ([]byte, error) {
	block, class, err := s.get(ctx, cid)
	if errors.Is(err, sds.ErrCorrupt) && s.config.OnCorrupt != nil {
		s.config.OnCorrupt(cid, class)
	}
	return block, err
}

func (s *Store) get(ctx context.Context, cid sds.CID) ([]byte, sds.Class, error) {
	if err := s.enter(); err != nil {
		return nil, 0, err
	}
	defer s.leave()
	for again := false; ; again = true {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		e, found, err := s.index.get(cid)
		if err != nil {
			return nil, 0, err
		}
		if !found {
			return nil, 0, fmt.Errorf("disk: %s: %w", cid, sds.ErrNotFound)
		}
		block, err := s.load(cid, e, false)
		if err == nil {
			s.counters.reads.Add(1)
			s.counters.readBytes.Add(e.size)
			s.noteUse(cid, e)
			return block, e.class, nil
		}
		if !suspect(err) || again {
			return nil, e.class, fmt.Errorf("disk: read %s: %w", cid, err)
		}
		// The committer looks for itself, so that two readers of one bad file
		// cannot put aside the good one that came after it. When it finds
		// nothing wrong, the block was moved between our two steps.
		if err := s.submit(ctx, &request{change: changeCondemn, cid: cid}); err != nil {
			return nil, e.class, err
		}
	}
}

// suspect tells an error that says something about the block from one of the
// machine, like too many open files.
func suspect(err error) bool {
	return errors.Is(err, sds.ErrCorrupt) || errors.Is(err, sds.ErrNotFound)
}

// load reads a block and checks it. Wrong bytes and those the disk cannot give
// are ErrCorrupt; none are ErrNotFound. With fresh, the system's copy in memory
// is passed over, so that it is the disk that is checked.
func (s *Store) load(cid sds.CID, e entry, fresh bool) ([]byte, error) {
	block, err := s.bytes(cid, e, fresh)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: the file of %s is gone", sds.ErrNotFound, cid)
	case errors.Is(err, syscall.EIO) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%w: %w", sds.ErrCorrupt, err)
	case err != nil:
		return nil, err
	}
	if sum := sds.Sum(cid.Codec, block); sum != cid {
		return nil, fmt.Errorf("%w: %d bytes under %s are %s", sds.ErrCorrupt, len(block), cid, sum)
	}
	return block, nil
}

// bytes reads a block as it is.
func (s *Store) bytes(cid sds.CID, e entry, fresh bool) ([]byte, error) {
	if e.inline {
		block, err := s.index.value(cid)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", sds.ErrCorrupt, err)
		}
		if block == nil {
			return nil, fs.ErrNotExist
		}
		return block, nil
	}
	file, err := s.files.fs.Open(s.files.block(e.class, cid))
	if errors.Is(err, fs.ErrNotExist) {
		// A file changes its folder before the index tells of it.
		file, err = s.files.fs.Open(s.files.block(sds.Pinned, cid))
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if fresh {
		dropCached(file)
		defer dropCached(file)
	}
	block := make([]byte, e.size)
	if _, err := io.ReadFull(file, block); err != nil {
		return nil, err
	}
	return block, nil
}

// intact tells whether the bytes that an entry speaks of are there, by size.
func (s *Store) intact(cid sds.CID, e entry) bool {
	if e.inline {
		return true
	}
	size, err := s.files.size(s.files.block(e.class, cid))
	return err == nil && size == e.size
}

// Has tells whether the index knows a block; see sds.Store.
func (s *Store) Has(ctx context.Context, cid sds.CID) (bool, error) {
	_, found, err := s.look(ctx, cid)
	return found, err
}

// Size tells the size of a block without reading it, ErrNotFound if there is
// none.
func (s *Store) Size(ctx context.Context, cid sds.CID) (int64, error) {
	e, found, err := s.look(ctx, cid)
	if err == nil && !found {
		err = fmt.Errorf("disk: %s: %w", cid, sds.ErrNotFound)
	}
	return e.size, err
}

func (s *Store) look(ctx context.Context, cid sds.CID) (entry, bool, error) {
	if err := s.enter(); err != nil {
		return entry{}, false, err
	}
	defer s.leave()
	if err := ctx.Err(); err != nil {
		return entry{}, false, err
	}
	return s.index.get(cid)
}
