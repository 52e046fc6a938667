package inventory

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/viewstore"
	"github.com/stratos-mesh/stratos/sds"
)

// Keys in the scope, owned by this package, without an end:
//
//	h ‖ edge (4) ‖ unit (32) ‖ binary CID (36, or nothing)  state (1) ‖ share (2)
//	c ‖ edge (4)                                            Bloom filter
//
// Integers are big endian.
const (
	holdingKeys = "h"
	filterKeys  = "c"
)

func holdingKey(id meta.EdgeID, v Version) string {
	out := binary.BigEndian.AppendUint32([]byte(holdingKeys), uint32(id))
	out = append(out, v.Unit[:]...)
	if v.Root.Defined() {
		out = append(out, v.Root.Bytes()...)
	}
	return string(out)
}

func filterKey(id meta.EdgeID) string {
	return string(binary.BigEndian.AppendUint32([]byte(filterKeys), uint32(id)))
}

func parseHolding(entry viewstore.Entry) (id meta.EdgeID, h meta.Holding, err error) {
	key, value := []byte(entry.Key), entry.Value
	if len(key) < 37 || len(value) != 3 {
		return 0, h, fmt.Errorf("inventory: entry of %d and %d bytes in the view store", len(key), len(value))
	}
	if len(key) > 37 {
		if h.Root, err = sds.ParseBytes(key[37:]); err != nil {
			return 0, h, fmt.Errorf("inventory: entry in the view store: %w", err)
		}
	}
	copy(h.Unit[:], key[5:37])
	h.State, h.Share = meta.HoldingState(value[0]), binary.BigEndian.Uint16(value[1:])
	return meta.EdgeID(binary.BigEndian.Uint32(key[1:])), h, nil
}

// Load begins the scope and believes what it has, on top of what memory has
// already. Entries that cannot be read are skipped: the next digest brings them
// back.
func (v *Inventory) Load(ctx context.Context) error {
	if v.config.Scope == nil {
		return nil
	}
	v.persist.Lock()
	defer v.persist.Unlock()
	if _, err := v.config.Scope.Begin(ctx); err != nil {
		return fmt.Errorf("inventory: %w", err)
	}
	err := viewstore.All(ctx, v.config.Scope, "", func(entry viewstore.Entry) error {
		v.mu.Lock()
		defer v.mu.Unlock()
		switch {
		case strings.HasPrefix(entry.Key, holdingKeys):
			if id, h, err := parseHolding(entry); err == nil && h.State != meta.Gone {
				v.put(id, v.of(id), h) // what a bound refuses now was let in by a larger one
			}
		case strings.HasPrefix(entry.Key, filterKeys) && len(entry.Key) == 5:
			if filter, err := decodeFilter(entry.Value); err == nil {
				v.of(meta.EdgeID(binary.BigEndian.Uint32([]byte(entry.Key[1:])))).filter = filter
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("inventory: load: %w", err)
	}
	return nil
}

// save writes changes; the caller holds persist. When the scope was wiped all
// of memory is written, which has the changes already.
func (v *Inventory) save(ctx context.Context, id meta.EdgeID, changes []meta.Holding) error {
	if v.config.Scope == nil || len(changes) == 0 {
		return nil
	}
	write := newWriter(ctx, v.config.Scope)
	for _, h := range changes {
		write.holding(id, h)
	}
	return v.written(ctx, write.flush())
}

func (v *Inventory) saveFilter(ctx context.Context, id meta.EdgeID, encoded []byte) error {
	if v.config.Scope == nil {
		return nil
	}
	var err error
	if encoded == nil {
		err = v.config.Scope.Delete(ctx, filterKey(id))
	} else {
		err = v.config.Scope.Set(ctx, filterKey(id), encoded, 0)
	}
	return v.written(ctx, err)
}

func (v *Inventory) written(ctx context.Context, err error) error {
	if errors.Is(err, viewstore.ErrWiped) {
		if _, err = v.config.Scope.Begin(ctx); err == nil {
			err = v.saveAll(ctx)
		}
	}
	if err != nil {
		return fmt.Errorf("inventory: save: %w", err)
	}
	return nil
}

func (v *Inventory) saveAll(ctx context.Context) error {
	type filled struct {
		id       meta.EdgeID
		holdings []meta.Holding
		filter   []byte
	}
	var all []filled
	v.mu.RLock()
	for id, e := range v.edges {
		f := filled{id: id}
		for _, h := range e.holdings {
			f.holdings = append(f.holdings, h)
		}
		if e.filter != nil {
			f.filter, _ = e.filter.MarshalBinary() // into a bytes.Buffer, which does not fail
		}
		all = append(all, f)
	}
	v.mu.RUnlock()
	write := newWriter(ctx, v.config.Scope)
	for _, f := range all {
		for _, h := range f.holdings {
			write.holding(f.id, h)
		}
		if f.filter != nil {
			write.batch.Set(filterKey(f.id), f.filter, 0)
			write.more()
		}
	}
	return write.flush()
}

// writer fills batches and applies them when they are full.
type writer struct {
	ctx   context.Context
	scope viewstore.Scope
	batch *viewstore.Batch
	err   error
}

func newWriter(ctx context.Context, scope viewstore.Scope) *writer {
	return &writer{ctx: ctx, scope: scope, batch: new(viewstore.Batch)}
}

func (w *writer) holding(id meta.EdgeID, h meta.Holding) {
	key := holdingKey(id, Version{h.Unit, h.Root})
	if h.State == meta.Gone {
		w.batch.Delete(key)
	} else {
		w.batch.Set(key, binary.BigEndian.AppendUint16([]byte{byte(h.State)}, h.Share), 0)
	}
	w.more()
}

func (w *writer) more() {
	if w.batch.Full() {
		w.flush()
	}
}

func (w *writer) flush() error {
	if w.err == nil && w.batch.Len() > 0 {
		w.err = w.scope.Apply(w.ctx, w.batch)
		w.batch = new(viewstore.Batch)
	}
	return w.err
}
