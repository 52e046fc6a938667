package index

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/layout"
	"github.com/stratos-mesh/stratos/meta/viewstore"
)

// A dump is the index as it stands: version 1, then every key and value.
//
//	version 4 ‖ ( length of the key 4 ‖ length of the value 4 ‖ key ‖ value )*
const dumpVersion = 1

// DropRemoved forgets names that were removed before a time: they are then as
// if they had never been.
func (x *Index) DropRemoved(ctx context.Context, before time.Time) (dropped int, err error) {
	b := &viewstore.Batch{}
	flush := func() error {
		if dropped%maxWrites != 0 || dropped == 0 {
			return nil
		}
		err := x.scope.Apply(ctx, b)
		b = &viewstore.Batch{}
		return err
	}
	err = viewstore.All(ctx, x.scope, "d/", func(e viewstore.Entry) error {
		n, err := decodeName(meta.Name(strings.TrimPrefix(e.Key, "d/")), e.Value)
		if err != nil || !n.Modified.Before(before) {
			return err
		}
		b.Delete(e.Key)
		dropped++
		return flush()
	})
	if err == nil {
		err = x.scope.Apply(ctx, b)
	}
	if err != nil {
		return 0, fmt.Errorf("index: drop removed names: %w", err)
	}
	return dropped, nil
}

// Dump writes all of the index, which must be at a height and stay there
// meanwhile.
func (x *Index) Dump(ctx context.Context, height uint64, w io.Writer) error {
	if _, err := w.Write(binary.BigEndian.AppendUint32(nil, dumpVersion)); err != nil {
		return err
	}
	at := func() error {
		if s, err := x.State(ctx); err != nil || s.Height != height {
			return fmt.Errorf("index: dump of height %d, but it is at %d: %w", height, s.Height, errors.Join(err, errMoved))
		}
		return nil
	}
	if err := at(); err != nil {
		return err
	}
	err := viewstore.All(ctx, x.scope, "", func(e viewstore.Entry) error {
		head := binary.BigEndian.AppendUint32(nil, uint32(len(e.Key)))
		head = binary.BigEndian.AppendUint32(head, uint32(len(e.Value)))
		_, err := w.Write(append(append(head, e.Key...), e.Value...))
		return err
	})
	if err != nil {
		return fmt.Errorf("index: dump: %w", err)
	}
	return at()
}

// Restore fills an empty index from a dump. The height comes last: one that was
// interrupted is still empty for all who look.
func (x *Index) Restore(ctx context.Context, r io.Reader) error {
	var word [8]byte
	if _, err := io.ReadFull(r, word[:4]); err != nil || binary.BigEndian.Uint32(word[:]) != dumpVersion {
		return fmt.Errorf("index: a dump of another version: %w", errors.Join(err, layout.ErrMalformed))
	}
	var state []byte
	b, writes, bytes := &viewstore.Batch{}, 0, 0
	for {
		_, err := io.ReadFull(r, word[:])
		if err == io.EOF {
			break
		}
		keys, values := binary.BigEndian.Uint32(word[:]), binary.BigEndian.Uint32(word[4:])
		if err == nil && (keys > viewstore.MaxKey || values > viewstore.MaxValue) {
			err = layout.ErrMalformed
		}
		if err != nil {
			return fmt.Errorf("index: restore: %w", err)
		}
		text := make([]byte, int(keys)+int(values))
		if _, err := io.ReadFull(r, text); err != nil {
			return fmt.Errorf("index: restore: %w", err)
		}
		key, value := string(text[:keys]), text[keys:]
		if key == stateKey {
			state = value
			continue
		}
		b.Set(key, value, 0)
		if writes, bytes = writes+1, bytes+len(text); writes >= maxWrites || bytes >= viewstore.MaxBatchBytes/4 {
			if err := x.scope.Apply(ctx, b); err != nil {
				return fmt.Errorf("index: restore: %w", err)
			}
			b, writes, bytes = &viewstore.Batch{}, 0, 0
		}
	}
	if state == nil {
		return fmt.Errorf("index: restore: %w: a dump without a height", layout.ErrMalformed)
	}
	if err := x.scope.Apply(ctx, b); err != nil {
		return fmt.Errorf("index: restore: %w", err)
	}
	b = &viewstore.Batch{}
	b.Set(stateKey, state, 0)
	if err := x.scope.Apply(ctx, b); err != nil {
		return fmt.Errorf("index: restore: %w", err)
	}
	return nil
}
