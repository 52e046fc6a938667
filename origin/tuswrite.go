package origin

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/origin/pipeline"
	"github.com/stratos-mesh/stratos/sds"
)

// While a long PATCH runs its state is saved every so often: that is what a crash
// may cost. Saving waits for the blocks under way, so a fast upload should not
// do it often; the clock is looked at after so many bytes, on slow lines too.
const (
	checkpointEvery = 5 * time.Second
	checkpointBytes = 1 << 20
)

// route is the way of an upload's blocks: a session, its own or its bundle's,
// and what is asked of the meta node.
type route struct {
	request meta.Upload
	session *pipeline.Session
}

// route opens the session of an upload.
func (u *uploads) route(ctx context.Context, s *upload) (*route, error) {
	if s.Bundle != "" {
		b := u.origin.bundles.get(s.Bundle)
		if b == nil {
			return nil, errNoBundle()
		}
		session, err := b.session(ctx)
		return &route{session: session}, err
	}
	request := meta.Upload{Name: s.Name, Kind: meta.Object, MaxBytes: covering(max(s.Size, s.Offset)), Replicas: u.origin.config().Replicas}
	if _, err := hex.Decode(request.ID[:], []byte(s.ID)); err != nil {
		return nil, fmt.Errorf("upload %s: %w", s.ID, err)
	}
	session, err := u.origin.writer.Open(ctx, request, s.grant(), s.Offset)
	return &route{request: request, session: session}, err
}

// splitter goes on where the state says.
func (s *upload) resume(sink sds.Sink) (*sds.Splitter, error) {
	if len(s.splitter) == 0 {
		return sds.NewSplitter(sink), nil
	}
	return sds.ResumeSplitter(s.splitter, sink)
}

// write takes the bytes of a PATCH. With a checksum, the state on disk stays as
// it was until the digest agrees; without, it is saved now and then and at the
// end, also of a body that broke off.
func (u *uploads) write(ctx context.Context, head *upload, src io.Reader, sum *checksum) (int64, error) {
	s, err := u.loadWhole(head.ID)
	if err != nil {
		return 0, err
	}
	start := s.Offset
	way, err := u.route(ctx, s)
	if err != nil {
		return 0, err
	}
	batch := way.session.Batch(ctx, s.Tally)
	defer batch.Close()
	splitter, err := s.resume(way.session.Sink(batch))
	if err != nil {
		return 0, fmt.Errorf("upload %s: %w", s.ID, err)
	}
	keep := func() error {
		if s.Tally, err = batch.Wait(); err != nil {
			return err
		}
		if s.splitter, err = splitter.State(); err != nil {
			return err
		}
		g := way.session.Grant()
		s.Offset, s.Grant = splitter.Size(), g.Encode()
		return u.save(s)
	}
	if sum != nil {
		err = pour(ctx, src, splitter, sum.hash)
	}
	saved := time.Now()
	for done := sum != nil; !done && err == nil; {
		before := splitter.Size()
		if err = splitter.ReadAll(ctx, io.LimitReader(src, checkpointBytes)); err != nil {
			break
		}
		if done = splitter.Size()-before < checkpointBytes; !done && time.Since(saved) >= checkpointEvery {
			err, saved = keep(), time.Now()
		}
	}
	u.origin.counters.BytesIn.Add(splitter.Size() - start)
	if err != nil {
		return s.Offset - start, err
	}
	if sum != nil {
		if err := sum.agrees(); err != nil {
			return 0, err
		}
	}
	if err := keep(); err != nil {
		return s.Offset - start, err
	}
	*head = *s
	return s.Offset - start, nil
}

// writePart takes the bytes of a partial upload: they stay in a file here until
// the final upload cuts all parts as one stream.
func (u *uploads) writePart(_ context.Context, s *upload, src io.Reader, sum *checksum) (n int64, err error) {
	f, err := os.OpenFile(u.part(s.ID), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, fmt.Errorf("upload %s: %w", s.ID, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	// What lies behind the offset was never acknowledged.
	if err := f.Truncate(s.Offset); err != nil {
		return 0, fmt.Errorf("upload %s: %w", s.ID, err)
	}
	if _, err := f.Seek(s.Offset, io.SeekStart); err != nil {
		return 0, fmt.Errorf("upload %s: %w", s.ID, err)
	}
	to := io.Writer(f)
	if sum != nil {
		to = io.MultiWriter(f, sum.hash)
	}
	n, err = io.Copy(to, src)
	u.origin.counters.BytesIn.Add(n)
	if err != nil {
		return 0, fmt.Errorf("upload %s: %w", s.ID, err)
	}
	if sum != nil {
		if err := sum.agrees(); err != nil {
			return 0, errors.Join(err, f.Truncate(s.Offset))
		}
	}
	if err := f.Sync(); err != nil {
		return 0, fmt.Errorf("upload %s: %w", s.ID, err)
	}
	s.Offset += n
	if err := u.save(s); err != nil {
		s.Offset -= n
		return 0, err
	}
	if s.complete() && s.Partial {
		u.count(s.Key, -1)
	}
	return n, nil
}

// patience keeps the answer's write deadline ahead until stop is called.
func (t *tusRequest) patience(ctx context.Context) (stop func()) {
	if t.control == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(20 * time.Second)
		defer ticker.Stop()
		for ctx.Err() == nil {
			_ = t.control.SetWriteDeadline(time.Now().Add(2 * time.Minute))
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
