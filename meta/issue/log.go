package issue

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stratos-mesh/stratos/receipt"
)

// log keeps every signed ticket until its epoch is settled. Tickets are handed
// out before they are synced, which happens syncEvery later at the latest: what
// a crash loses, the edges that accepted it report.
//
// A file has frames: length 4 ‖ CRC32C of what follows 4 ‖ number 8 ‖ ticket.
type log struct {
	dir    string
	epochs int
	bytes  int64
	logger *slog.Logger

	wake chan struct{} // something waits
	room chan struct{} // closed and replaced when the buffer was taken
	stop chan struct{}
	done sync.WaitGroup

	mu      sync.Mutex // guards what follows
	pending []chunk
	size    int // of pending
	failed  error
	closed  bool

	out      *os.File // the writer's alone
	outEpoch uint64
}

// chunk is frames of one epoch.
type chunk struct {
	epoch  uint64
	frames []byte
}

const (
	syncEvery  = 100 * time.Millisecond
	maxPending = 32 << 20
	logSuffix  = ".log"
	frameHead  = 16
)

func openLog(cfg Config) (*log, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("ticket log: %w", err)
	}
	l := &log{
		dir: cfg.Dir, epochs: cfg.LogEpochs, bytes: cfg.LogBytes, logger: cfg.Logger,
		wake: make(chan struct{}, 1), room: make(chan struct{}), stop: make(chan struct{}),
	}
	l.done.Go(l.write)
	return l, nil
}

// add queues a ticket. It waits when the disk is behind, and fails when the disk
// has failed: a ticket that cannot be logged is not given away.
func (l *log) add(ctx context.Context, epoch, number uint64, ticket []byte) error {
	frame := make([]byte, frameHead, frameHead+len(ticket))
	binary.BigEndian.PutUint32(frame, uint32(len(ticket)))
	binary.BigEndian.PutUint64(frame[8:], number)
	frame = append(frame, ticket...)
	binary.BigEndian.PutUint32(frame[4:], crc32.Checksum(frame[8:], castagnoli()))
	for {
		l.mu.Lock()
		room, failed := l.room, l.failed
		switch {
		case failed != nil:
			l.mu.Unlock()
			return failed
		case l.closed:
			l.mu.Unlock()
			return errClosed
		case l.size < maxPending:
			l.put(epoch, frame)
			l.mu.Unlock()
			select {
			case l.wake <- struct{}{}:
			default:
			}
			return nil
		}
		l.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *log) put(epoch uint64, frame []byte) {
	if n := len(l.pending); n == 0 || l.pending[n-1].epoch != epoch {
		l.pending = append(l.pending, chunk{epoch: epoch})
	}
	last := &l.pending[len(l.pending)-1]
	last.frames = append(last.frames, frame...)
	l.size += len(frame)
}

// write takes what is pending, writes and syncs it, and rests as long as it may.
func (l *log) write() {
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		select {
		case <-l.wake:
			l.flush()
		case <-l.stop:
			l.flush()
			if l.out != nil {
				l.fail(l.out.Close())
			}
			return
		}
		// Half the bound: the sync itself takes time as well.
		rest.Reset(syncEvery / 2)
		select {
		case <-rest.C:
		case <-l.stop:
		}
	}
}

func (l *log) flush() {
	l.mu.Lock()
	pending := l.pending
	l.pending, l.size = nil, 0
	close(l.room)
	l.room = make(chan struct{})
	l.mu.Unlock()
	for _, c := range pending {
		l.fail(l.append(c.epoch, c.frames))
	}
}

func (l *log) fail(err error) {
	if err == nil {
		return
	}
	l.logger.Error("ticket log failed; no more tickets are signed", "error", err)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = fmt.Errorf("ticket log: %w", err)
}

func (l *log) append(epoch uint64, b []byte) error {
	if l.out == nil || l.outEpoch != epoch {
		if err := l.rotate(epoch); err != nil {
			return err
		}
	}
	_, err := l.out.Write(b)
	return errors.Join(err, l.out.Sync())
}

// rotate goes on to an epoch's file and lets the oldest go.
func (l *log) rotate(epoch uint64) error {
	if l.out != nil {
		if err := l.out.Close(); err != nil {
			return err
		}
		l.out = nil
	}
	path := logPath(l.dir, epoch)
	if err := cutTorn(path); err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	l.out, l.outEpoch = out, epoch
	if err := syncDir(l.dir); err != nil {
		return err
	}
	return l.expire(epoch)
}

func logPath(dir string, epoch uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016d%s", epoch, logSuffix))
}

// expire removes what is beyond the bounds, oldest first.
func (l *log) expire(running uint64) error {
	epochs, err := LoggedEpochs(l.dir)
	if err != nil {
		return err
	}
	var total int64
	for n, epoch := range slices.Backward(epochs) {
		info, err := os.Stat(logPath(l.dir, epoch))
		if err != nil {
			return err
		}
		total += info.Size()
		if epoch == running || len(epochs)-n <= l.epochs && total <= l.bytes {
			continue
		}
		if err := os.Remove(logPath(l.dir, epoch)); err != nil {
			return err
		}
	}
	return nil
}

func (l *log) close() error {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.stop)
	}
	l.mu.Unlock()
	l.done.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// LoggedEpochs lists the epochs in a log's folder, ascending.
func LoggedEpochs(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("ticket log: %w", err)
	}
	var out []uint64
	for _, e := range entries {
		text, found := strings.CutSuffix(e.Name(), logSuffix)
		if epoch, err := strconv.ParseUint(text, 10, 64); found && err == nil {
			out = append(out, epoch)
		}
	}
	slices.Sort(out)
	return out, nil
}

// ReadLog calls each for every ticket of an epoch, in the order of signing. A
// torn frame at the end is where it stops.
func ReadLog(dir string, epoch uint64, each func(number uint64, t *receipt.Ticket) error) error {
	_, err := scan(logPath(dir, epoch), func(number uint64, b []byte) error {
		t, err := receipt.DecodeTicket(b)
		if err != nil {
			return fmt.Errorf("ticket log of epoch %d: number %d: %w", epoch, number, err)
		}
		return each(number, t)
	})
	return err
}

// scan reads frames up to the first that is not whole, and returns where it
// begins.
func scan(path string, each func(number uint64, ticket []byte) error) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("ticket log: %w", err)
	}
	defer f.Close()
	in := newFrames(f)
	var end int64
	for {
		b, err := in.next()
		if errors.Is(err, io.EOF) || errors.Is(err, errTorn) {
			return end, nil
		}
		if err != nil {
			return 0, fmt.Errorf("ticket log: %w", err)
		}
		if err := each(binary.BigEndian.Uint64(b[8:]), b[frameHead:]); err != nil {
			return 0, err
		}
		end += int64(len(b))
	}
}

// cutTorn takes off what a crash left half written.
func cutTorn(path string) error {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	end, err := scan(path, func(uint64, []byte) error { return nil })
	if err != nil {
		return err
	}
	return os.Truncate(path, end)
}
