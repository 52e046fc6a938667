package viewstore

import (
	"fmt"
	"strings"
	"time"
)

// Batch is a list of changes to one scope that take effect together. The zero
// value is empty and ready. It is for one goroutine.
type Batch struct {
	ops   []op
	bytes int
}

type opKind byte

const (
	opSet    opKind = 'S'
	opDelete opKind = 'D'
	opExpect opKind = 'E'
	opAbsent opKind = 'A'
)

type op struct {
	kind  opKind
	key   string
	value []byte
	ttl   time.Duration
}

func (b *Batch) add(o op) {
	b.ops = append(b.ops, o)
	b.bytes += len(o.key) + len(o.value)
}

// Set keeps a value, for ttl if that is above zero. The batch keeps the slice
// until it is applied.
func (b *Batch) Set(key string, value []byte, ttl time.Duration) {
	b.add(op{kind: opSet, key: key, value: value, ttl: ttl})
}

// Delete forgets a key.
func (b *Batch) Delete(key string) { b.add(op{kind: opDelete, key: key}) }

// Expect makes the batch fail with ErrConflict unless the key's value before
// the batch is this one; nil expects that there is no such key.
func (b *Batch) Expect(key string, value []byte) {
	if value == nil {
		b.add(op{kind: opAbsent, key: key})
		return
	}
	b.add(op{kind: opExpect, key: key, value: value})
}

// Len counts the operations.
func (b *Batch) Len() int { return len(b.ops) }

// Full tells that the batch should be applied before it grows further. Asked
// after each operation, it leaves room for one more of the largest size.
func (b *Batch) Full() bool {
	return len(b.ops) >= MaxBatch-1 || b.bytes >= MaxBatchBytes-2*(MaxKey+MaxValue)
}

func (b *Batch) check() error {
	if len(b.ops) > MaxBatch || b.bytes > MaxBatchBytes {
		return fmt.Errorf("%w: batch of %d operations and %d bytes, at most %d and %d",
			ErrInvalid, len(b.ops), b.bytes, MaxBatch, MaxBatchBytes)
	}
	for _, o := range b.ops {
		if err := checkKey(o.key); err != nil {
			return err
		}
		if len(o.value) > MaxValue {
			return fmt.Errorf("%w: value of %.80q has %d bytes, at most %d", ErrInvalid, o.key, len(o.value), MaxValue)
		}
	}
	return nil
}

func checkKey(key string) error {
	if len(key) == 0 || len(key) > MaxKey {
		return fmt.Errorf("%w: key of %d bytes, want 1 to %d", ErrInvalid, len(key), MaxKey)
	}
	return nil
}

func checkScan(prefix, after string, limit int) error {
	if len(prefix) > MaxKey || len(after) > MaxKey {
		return fmt.Errorf("%w: prefix or cursor longer than %d bytes", ErrInvalid, MaxKey)
	}
	if limit < 1 || limit > MaxScan {
		return fmt.Errorf("%w: limit %d, want 1 to %d", ErrInvalid, limit, MaxScan)
	}
	return nil
}

func mustScope(name string) {
	bad := func(r rune) bool { return r == '{' || r == '}' || r < ' ' || r == 0x7f }
	if len(name) == 0 || len(name) > MaxScope || strings.ContainsFunc(name, bad) {
		panic(fmt.Sprintf("viewstore: scope name %.200q is not allowed", name))
	}
}

// after is the smallest string above every string that starts with prefix, and
// false when there is none.
func after(prefix string) (string, bool) {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			return prefix[:i] + string([]byte{prefix[i] + 1}), true
		}
	}
	return "", false
}

// ceilMillis rounds a time to live up, so that none above zero becomes zero.
func ceilMillis(ttl time.Duration) int64 {
	return int64((ttl + time.Millisecond - 1) / time.Millisecond)
}
