package disk

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/stratos-mesh/stratos/sds"
)

// pageSize is how many entries are read from the index at a time, so that a
// slow walk neither pins old tables of the index nor holds the store open.
const pageSize = 512

// listed is an entry with its name.
type listed struct {
	cid sds.CID
	entry
}

// List names every block, in the order of the hashes; see sds.Lister. Each may
// call the store.
func (s *Store) List(ctx context.Context, each func(sds.Info) error) error {
	var after []byte
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		page, err := s.page(after)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, l := range page {
			if err := ctx.Err(); err != nil {
				return err
			}
			info := sds.Info{CID: l.cid, Size: l.size, Class: l.class, Stored: time.Unix(l.stored, 0)}
			if err := each(info); err != nil {
				return err
			}
		}
		after = entryKey(page[len(page)-1].cid)
	}
}

// page reads the entries that come after a key.
func (s *Store) page(after []byte) ([]listed, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	lower := []byte{entryPrefix}
	if after != nil {
		lower = append(append([]byte{}, after...), 0)
	}
	return s.index.entries(lower, []byte{entryPrefix + 1}, pageSize)
}

// entries reads at most limit entries between two keys; no limit when it is 0.
func (x *index) entries(lower, upper []byte, limit int) ([]listed, error) {
	it, err := x.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, err
	}
	var page []listed
	for ok := it.First(); ok && (limit == 0 || len(page) < limit); ok = it.Next() {
		cid, err := idOf(it.Key())
		if err != nil {
			return nil, closeAfter(err, it)
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, closeAfter(err, it)
		}
		e, err := decodeEntry(value)
		if err != nil {
			return nil, closeAfter(err, it)
		}
		page = append(page, listed{cid, e})
	}
	return page, it.Close()
}

func closeAfter(err error, c io.Closer) error { return errors.Join(err, c.Close()) }
