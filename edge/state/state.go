// Package state keeps what an edge must remember over a restart: the units it
// was given, the leases of uploads, the revocations in force, and the network
// as it last saw it, so that it serves on without a meta node.
//
//	key                              value         written
//	n                 meta.Network, JSON           when it changes
//	u ‖ unit ‖ shard ‖ root digest   Unit, JSON    before work is called done
//	v ‖ number        meta.Revocation.Encode       before the beat that reports it
//	l ‖ upload        Lease, JSON                  before the first slice
//	c ‖ upload ‖ CID  empty                        with each slice, not synced
package state

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// State is a small embedded database.
type State struct{ db *pebble.DB }

// Open opens or makes the state in a folder of its own.
func Open(dir string, logger *slog.Logger) (*State, error) {
	db, err := pebble.Open(dir, &pebble.Options{
		MemTableSize: 1 << 20, Logger: quiet{logger}, MaxOpenFiles: 64,
	})
	if err != nil {
		return nil, fmt.Errorf("state of the edge in %s: %w", dir, err)
	}
	return &State{db: db}, nil
}

// Close closes the database.
func (s *State) Close() error { return s.db.Close() }

// Unit is a unit, or the part of one, that this edge was given, with the record
// that it belongs to.
type Unit struct {
	Unit   meta.UnitKey
	Shard  int
	Record meta.Record
	// Complete: every block was pinned and verified when it was last looked at.
	Complete bool
	// Share per mille of the bytes that were there, while not complete.
	Share uint16
	// Sources that had it when it was given.
	Sources []meta.EdgeID
	// Without are objects that are banned and were left out of a complete unit.
	Without []sds.CID `json:",omitempty"`
}

// Lease holds the slices of an upload until a name is published, or a day more.
type Lease struct {
	Upload [16]byte
	Unit   meta.UnitKey
	Until  time.Time
	// Bytes stored under it.
	Bytes int64
}

// UnitID tells what an edge was given from all else: loose objects share units,
// and two versions of a name are in one unit while the older one rests.
type UnitID struct {
	Unit  meta.UnitKey
	Shard int
	Root  sds.CID
}

// ID is the unit's identity.
func (u *Unit) ID() UnitID { return UnitID{u.Unit, u.Shard, u.Record.Root} }

func (id UnitID) key() []byte {
	b := binary.BigEndian.AppendUint32(append([]byte{'u'}, id.Unit[:]...), uint32(id.Shard))
	return append(b, id.Root.Bytes()...)
}

// PutUnit remembers a unit, over what was known of it.
func (s *State) PutUnit(u Unit) error { return s.put(u.ID().key(), u) }

// DropUnit forgets a unit.
func (s *State) DropUnit(id UnitID) error {
	return s.db.Delete(id.key(), pebble.Sync)
}

// Units lists the units.
func (s *State) Units() ([]Unit, error) { return list[Unit](s, 'u') }

// PutLease remembers an upload's lease.
func (s *State) PutLease(l Lease) error { return s.put(append([]byte{'l'}, l.Upload[:]...), l) }

// Leases lists the uploads' leases.
func (s *State) Leases() ([]Lease, error) { return list[Lease](s, 'l') }

// DropLease forgets a lease and the slices under it.
func (s *State) DropLease(upload [16]byte) error {
	b := s.db.NewBatch()
	from := append([]byte{'c'}, upload[:]...)
	if err := errors.Join(b.Delete(append([]byte{'l'}, upload[:]...), nil), b.DeleteRange(from, after(from), nil)); err != nil {
		return err
	}
	return b.Commit(pebble.Sync)
}

// Leased notes a slice under a lease. It is not synced: who loses it to a power
// cut has the slice's own time of storing left, see the sweep.
func (s *State) Leased(upload [16]byte, cid sds.CID) error {
	return s.db.Set(append(append([]byte{'c'}, upload[:]...), cid.Bytes()...), nil, pebble.NoSync)
}

// Release ends the protection of the slices of uploads to a unit that brought a
// manifest: it is made last, so what such an upload brought is published, and
// kept by its root from now on. The leases themselves stay, and with them the
// count of bytes under their grants.
func (s *State) Release(unit meta.UnitKey, manifest sds.CID) error {
	leases, err := s.Leases()
	if err != nil {
		return err
	}
	b := s.db.NewBatch()
	for _, l := range leases {
		if l.Unit != unit {
			continue
		}
		from := append([]byte{'c'}, l.Upload[:]...)
		_, closer, err := s.db.Get(append(slices.Clone(from), manifest.Bytes()...))
		if errors.Is(err, pebble.ErrNotFound) {
			continue
		}
		if err == nil {
			err = errors.Join(closer.Close(), b.DeleteRange(from, after(from), nil))
		}
		if err != nil {
			return err
		}
	}
	return b.Commit(pebble.Sync)
}

// EachLeased calls each for every slice under any lease.
func (s *State) EachLeased(each func(upload [16]byte, cid sds.CID) error) error {
	return s.each([]byte{'c'}, func(key, _ []byte) error {
		if len(key) < 17 {
			return nil
		}
		cid, err := sds.ParseBytes(key[17:])
		if err != nil {
			return err
		}
		return each([16]byte(key[1:17]), cid)
	})
}

// PutRevocations remembers revocations.
func (s *State) PutRevocations(list []meta.Revocation) error {
	b := s.db.NewBatch()
	for i := range list {
		key := binary.BigEndian.AppendUint64([]byte{'v'}, list[i].Number)
		if err := b.Set(key, list[i].Encode(), nil); err != nil {
			return err
		}
	}
	return b.Commit(pebble.Sync)
}

// Revocations lists them by number.
func (s *State) Revocations() ([]meta.Revocation, error) {
	var out []meta.Revocation
	err := s.each([]byte{'v'}, func(_, value []byte) error {
		r, err := meta.DecodeRevocation(value)
		if err != nil {
			return err
		}
		out = append(out, *r)
		return nil
	})
	return out, err
}

// PutNetwork remembers the network.
func (s *State) PutNetwork(n *meta.Network) error { return s.put([]byte{'n'}, n) }

// Network returns the last one, nil when there never was one.
func (s *State) Network() (*meta.Network, error) {
	networks, err := list[meta.Network](s, 'n')
	if err != nil || len(networks) == 0 {
		return nil, err
	}
	return &networks[0], nil
}

func (s *State) put(key []byte, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return s.db.Set(key, text, pebble.Sync)
}

func list[T any](s *State, prefix byte) ([]T, error) {
	var out []T
	err := s.each([]byte{prefix}, func(_, value []byte) error {
		var v T
		if err := json.Unmarshal(value, &v); err != nil {
			return err
		}
		out = append(out, v)
		return nil
	})
	return out, err
}

func (s *State) each(prefix []byte, each func(key, value []byte) error) (err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		if err := each(it.Key(), it.Value()); err != nil {
			return fmt.Errorf("state: entry %x: %w", it.Key(), err)
		}
	}
	return nil
}

// after is the first key behind all that begin with prefix.
func after(prefix []byte) []byte {
	end := slices.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// quiet passes what pebble has to say to the debug level.
type quiet struct{ log *slog.Logger }

func (q quiet) Infof(format string, args ...any)  { q.log.Debug(fmt.Sprintf(format, args...)) }
func (q quiet) Errorf(format string, args ...any) { q.log.Error(fmt.Sprintf(format, args...)) }
func (q quiet) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
