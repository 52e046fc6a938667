package viewstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// purgePerBatch bounds how many expired keys a batch clears on its way.
const purgePerBatch = 100

type embeddedScope struct {
	store  *Embedded
	name   string
	prefix string
	begun  bool // guarded by store.mu
}

func (s *embeddedScope) Begin(ctx context.Context) (fresh bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if s.store.closed {
		return false, fmt.Errorf("%w: closed", ErrUnavailable)
	}
	_, closer, err := s.store.db.Get([]byte("g" + s.name))
	switch {
	case err == nil:
		closer.Close()
	case errors.Is(err, pebble.ErrNotFound):
		fresh = true
		if err := s.store.db.Set([]byte("g"+s.name), make([]byte, 16), pebble.NoSync); err != nil {
			return false, fmt.Errorf("%w: begin %s: %w", ErrUnavailable, s.name, err)
		}
	default:
		return false, fmt.Errorf("%w: begin %s: %w", ErrUnavailable, s.name, err)
	}
	s.begun = true
	return fresh, nil
}

// ready tells why a call cannot go on. The caller holds store.mu.
func (s *embeddedScope) ready(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case s.store.closed:
		return fmt.Errorf("%w: closed", ErrUnavailable)
	case !s.begun:
		return fmt.Errorf("scope %s: %w", s.name, ErrWiped)
	}
	return nil
}

func (s *embeddedScope) Get(ctx context.Context, key string) ([]byte, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	value, _, err := s.read(key)
	return value, err
}

// read returns a live value and its end. The caller holds store.mu.
func (s *embeddedScope) read(key string) (value []byte, end int64, err error) {
	raw, closer, err := s.store.db.Get([]byte(s.prefix + key))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, 0, fmt.Errorf("%s/%.200q: %w", s.name, key, ErrNotFound)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%w: read %s/%.200q: %w", ErrUnavailable, s.name, key, err)
	}
	defer closer.Close()
	end, value = s.split(raw)
	if end != 0 && end <= s.store.now().UnixMilli() {
		return nil, end, fmt.Errorf("%s/%.200q: %w", s.name, key, ErrNotFound)
	}
	return bytes.Clone(value), end, nil
}

func (s *embeddedScope) split(raw []byte) (end int64, value []byte) {
	return int64(binary.BigEndian.Uint64(raw)), raw[8:]
}

func (s *embeddedScope) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	var b Batch
	b.Set(key, value, ttl)
	return s.Apply(ctx, &b)
}

func (s *embeddedScope) Delete(ctx context.Context, key string) error {
	var b Batch
	b.Delete(key)
	return s.Apply(ctx, &b)
}

func (s *embeddedScope) Scan(ctx context.Context, prefix, cursor string, limit int) ([]Entry, error) {
	if err := checkScan(prefix, cursor, limit); err != nil {
		return nil, err
	}
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	lower := s.prefix + prefix
	if next := s.prefix + cursor + "\x00"; cursor != "" && next > lower {
		lower = next
	}
	upper, _ := after(s.prefix + prefix) // there is one: the prefix begins with "v"
	iter, err := s.store.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: []byte(lower), UpperBound: []byte(upper)})
	if err != nil {
		return nil, fmt.Errorf("%w: scan %s: %w", ErrUnavailable, s.name, err)
	}
	defer iter.Close()
	now := s.store.now().UnixMilli()
	var entries []Entry
	for ok := iter.First(); ok && len(entries) < limit; ok = iter.Next() {
		raw, err := iter.ValueAndErr()
		if err != nil {
			return nil, fmt.Errorf("%w: scan %s: %w", ErrUnavailable, s.name, err)
		}
		if end, value := s.split(raw); end == 0 || end > now {
			entries = append(entries, Entry{Key: string(iter.Key()[len(s.prefix):]), Value: bytes.Clone(value)})
		}
	}
	if err := iter.Error(); err != nil {
		return nil, fmt.Errorf("%w: scan %s: %w", ErrUnavailable, s.name, err)
	}
	return entries, nil
}

func (s *embeddedScope) Apply(ctx context.Context, b *Batch) error {
	if err := b.check(); err != nil {
		return err
	}
	s.store.write.Lock()
	defer s.store.write.Unlock()
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	if err := s.ready(ctx); err != nil {
		return err
	}
	if err := s.expected(b); err != nil {
		return err
	}
	write := s.store.db.NewBatch()
	defer write.Close()
	now := s.store.now().UnixMilli()
	if err := s.purge(ctx, write, now); err != nil {
		return err
	}
	for _, o := range b.ops {
		key := []byte(s.prefix + o.key)
		switch o.kind {
		case opSet:
			raw := make([]byte, 8, 8+len(o.value))
			if o.ttl > 0 {
				end := uint64(now + ceilMillis(o.ttl))
				binary.BigEndian.PutUint64(raw, end)
				write.Set(s.expiry(end, o.key), nil, nil)
			}
			write.Set(key, append(raw, o.value...), nil)
		case opDelete:
			write.Delete(key, nil)
		}
	}
	if err := write.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("%w: write %s: %w", ErrUnavailable, s.name, err)
	}
	return nil
}

func (s *embeddedScope) expected(b *Batch) error {
	for _, o := range b.ops {
		if o.kind != opExpect && o.kind != opAbsent {
			continue
		}
		got, _, err := s.read(o.key)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if (err != nil) != (o.kind == opAbsent) || !bytes.Equal(got, o.value) {
			return fmt.Errorf("%s/%.200q: %w", s.name, o.key, ErrConflict)
		}
	}
	return nil
}

func (s *embeddedScope) expiry(end uint64, key string) []byte {
	out := binary.BigEndian.AppendUint64([]byte{'x'}, end)
	return append(append(out, s.prefix[1:]...), key...)
}

// purge removes keys of any scope whose time is over. An entry of the list
// whose key was set again since has another end and only leaves the list.
func (s *embeddedScope) purge(ctx context.Context, write *pebble.Batch, now int64) error {
	upper := binary.BigEndian.AppendUint64([]byte{'x'}, uint64(now)+1)
	iter, err := s.store.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: []byte{'x'}, UpperBound: upper})
	if err != nil {
		return fmt.Errorf("%w: purge: %w", ErrUnavailable, err)
	}
	defer iter.Close()
	count := 0
	for ok := iter.First(); ok && count < purgePerBatch; ok = iter.Next() {
		count++
		listed := bytes.Clone(iter.Key())
		write.Delete(listed, nil)
		key := append([]byte{'v'}, listed[9:]...)
		raw, closer, err := s.store.db.Get(key)
		if errors.Is(err, pebble.ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%w: purge: %w", ErrUnavailable, err)
		}
		if bytes.Equal(raw[:8], listed[1:9]) {
			write.Delete(key, nil)
		}
		closer.Close()
	}
	if err := iter.Error(); err != nil {
		return fmt.Errorf("%w: purge: %w", ErrUnavailable, err)
	}
	return nil
}
