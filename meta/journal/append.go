package journal

import (
	"context"
	"fmt"
)

// Append adds records and returns when they are synced.
func (f *File) Append(ctx context.Context, records ...*Record) (uint64, error) {
	if len(records) == 0 {
		return f.Height(), nil
	}
	a := &appending{done: make(chan struct{})}
	for _, rec := range records {
		b := rec.Encode()
		if len(b) > MaxRecord {
			return 0, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(b), MaxRecord)
		}
		a.records = append(a.records, b)
	}
	select {
	case f.queue <- a:
	case <-f.stop:
		return 0, ErrClosed
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	select {
	case <-a.done:
		return a.height, a.err
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-f.gone:
	}
	select {
	case <-a.done: // in the writer's last batch
		return a.height, a.err
	default:
		return 0, ErrClosed
	}
}

// write is the writer's loop: it takes all that waits, writes it, syncs once,
// and answers everybody.
func (f *File) write() {
	for {
		var batch []*appending
		select {
		case a := <-f.queue:
			batch = append(batch, a)
		case <-f.stop:
			// What was sent before is still written.
			select {
			case a := <-f.queue:
				batch = append(batch, a)
			default:
				close(f.gone)
				return
			}
		}
		size := weigh(batch[0])
	gather:
		for size < batchBytes {
			select {
			case a := <-f.queue:
				batch = append(batch, a)
				size += weigh(a)
			default:
				break gather
			}
		}
		err := f.commit(batch)
		for _, a := range batch {
			a.err = err
			close(a.done)
		}
	}
}

func weigh(a *appending) (n int) {
	for _, b := range a.records {
		n += len(b) + frameSize
	}
	return n
}

// commit writes one batch. After a write or a sync that failed nobody knows what
// is on the disk, so the journal takes nothing more until it is opened again.
func (f *File) commit(batch []*appending) error {
	f.mu.Lock()
	failed, synced, newest := f.failed, f.height, f.segments[len(f.segments)-1]
	full := newest.size >= f.segmentBytes && newest.next > newest.first
	f.mu.Unlock()
	if failed != nil {
		return failed
	}
	if full {
		if err := f.begin(); err != nil {
			return f.fail(err)
		}
	}
	var buf []byte
	var sizes []int
	height := synced
	for _, a := range batch {
		for _, b := range a.records {
			height++
			before := len(buf)
			buf = appendFrame(buf, frame{height: height, synced: synced, record: b})
			sizes = append(sizes, len(buf)-before)
		}
		a.height = height
	}
	if _, err := f.out.Write(buf); err != nil {
		return f.fail(fmt.Errorf("journal: write: %w", err))
	}
	if err := f.out.Sync(); err != nil {
		return f.fail(fmt.Errorf("journal: sync: %w", err))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	newest = f.segments[len(f.segments)-1]
	for _, size := range sizes {
		newest.note(size)
	}
	f.height = height
	close(f.changed)
	f.changed = make(chan struct{})
	return nil
}

func (f *File) fail(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = fmt.Errorf("%w after a failure: %w", ErrClosed, err)
	return f.failed
}
