package disk

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/stratos-mesh/stratos/sds"
)

// Scrub reads every block again within Config.ScrubPeriod and puts aside those
// that no longer hash to their names; Config.OnCorrupt hears of each. It runs
// until ctx ends, which is what it then returns; run one at a time, in a
// goroutine that its caller owns. Where it is survives a restart.
//
// A pass is spread over half the period: a block that was stored just behind
// the scrubber waits for the rest of this pass and most of the next.
func (s *Store) Scrub(ctx context.Context) error {
	p, err := s.loadProgress()
	if err != nil {
		return err
	}
	for {
		if p.began.IsZero() || p.began.After(s.clock.now()) {
			p = progress{began: s.clock.now()}
		}
		if err := s.scrubPass(ctx, &p); err != nil {
			return err
		}
		s.counters.scrubPasses.Add(1)
		rest := p.began.Add(s.config.ScrubPeriod / 2).Sub(s.clock.now())
		if err := s.clock.sleep(ctx, max(rest, time.Second)); err != nil {
			return err
		}
		p = progress{}
	}
}

// progress is how far a pass is: when it began, the bytes it has read and the
// key of the last entry it has checked.
type progress struct {
	began time.Time
	bytes int64
	after []byte
}

func (s *Store) scrubPass(ctx context.Context, p *progress) error {
	for {
		page, err := s.page(p.after)
		if err != nil {
			return err
		}
		for _, l := range page {
			if err := s.scrubOne(ctx, l); err != nil {
				return err
			}
			p.bytes += l.size
			if err := s.clock.sleep(ctx, s.pause(l.size, p)); err != nil {
				return err
			}
		}
		if len(page) == 0 {
			p.after = nil
			return s.saveProgress(ctx, progress{began: p.began})
		}
		p.after = entryKey(page[len(page)-1].cid)
		if err := s.saveProgress(ctx, *p); err != nil {
			return err
		}
	}
}

// scrubOne checks a block. Its only errors are those that end the scrub.
func (s *Store) scrubOne(ctx context.Context, l listed) error {
	if err := s.enter(); err != nil {
		return err
	}
	_, err := s.load(l.cid, l.entry, true)
	if suspect(err) {
		err = s.submit(ctx, &request{change: changeCondemn, cid: l.cid})
	}
	s.leave()
	s.counters.scrubbed.Add(1)
	s.counters.scrubbedBytes.Add(l.size)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, sds.ErrCorrupt) && s.config.OnCorrupt != nil:
		s.config.OnCorrupt(l.cid, l.class)
	case err != nil && !suspect(err):
		s.log.Warn("a block could not be scrubbed", "cid", l.cid, "err", err)
	}
	return nil
}

// pause spreads what is left of a pass over the time that is left for it, as
// far as the rate allows.
func (s *Store) pause(size int64, p *progress) time.Duration {
	rate := float64(s.config.ScrubRate)
	left := p.began.Add(s.config.ScrubPeriod / 2).Sub(s.clock.now()).Seconds()
	all := s.used(sds.Pinned).bytes + s.used(sds.Cached).bytes
	if left > 0 {
		rate = min(rate, float64(max(all-p.bytes, size, 1))/left)
	}
	return time.Duration(float64(size) / max(rate, 1) * float64(time.Second))
}

// saveProgress keeps the progress in the index: seconds, bytes, key.
func (s *Store) saveProgress(ctx context.Context, p progress) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	note := binary.BigEndian.AppendUint64(nil, uint64(p.began.Unix()))
	note = binary.BigEndian.AppendUint64(note, uint64(p.bytes))
	return s.submit(ctx, &request{change: changeNote, key: []byte{scrubPrefix}, note: append(note, p.after...)})
}

func (s *Store) loadProgress() (progress, error) {
	if err := s.enter(); err != nil {
		return progress{}, err
	}
	defer s.leave()
	note, closer, err := s.index.db.Get([]byte{scrubPrefix})
	if errors.Is(err, pebble.ErrNotFound) {
		return progress{}, nil
	}
	if err != nil {
		return progress{}, err
	}
	defer closer.Close()
	if len(note) < 16 {
		return progress{}, nil
	}
	p := progress{
		began: time.Unix(int64(binary.BigEndian.Uint64(note)), 0),
		bytes: int64(binary.BigEndian.Uint64(note[8:])),
	}
	if key := note[16:]; len(key) == 1+idSize && key[0] == entryPrefix {
		p.after = append([]byte{}, key...)
	}
	return p, nil
}
