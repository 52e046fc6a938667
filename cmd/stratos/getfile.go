package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/stratos-mesh/stratos/sds"
)

// download fetches what a plan lists.
type download struct {
	c    *cli
	plan *plan
	jobs int

	progress progress
	fetched  atomic.Int64 // bytes that came and were checked
	kept     atomic.Int64 // bytes that were there already
	size     atomic.Int64
}

// stream writes the one file of a plan to a writer.
func (d *download) stream(ctx context.Context, out io.Writer) error {
	d.progress = d.c.progress("download", d.plan.bytes)
	defer d.progress.done()
	w := &d.plan.files[0]
	spans, err := w.spans(ctx)
	if err != nil {
		return err
	}
	return d.fetch(ctx, w, spans, 0, writerSink{out})
}

// into writes all files of a plan below a folder, several at once.
func (d *download) into(ctx context.Context, dir string) error {
	f, err := openFolder(dir, d.plan)
	if err != nil {
		return err
	}
	defer f.close()
	d.progress = d.c.progress("download", d.plan.bytes)
	defer d.progress.done()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(d.jobs)
	for i := range d.plan.files {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return d.file(ctx, f, &d.plan.files[i]) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return f.finish(d.plan.dirs)
}

// file fetches one file below a folder, unless it is there.
func (d *download) file(ctx context.Context, f *folder, w *wanted) error {
	spans, err := w.spans(ctx)
	if err != nil {
		return err
	}
	if same, size, err := f.has(ctx, w, spans); err != nil {
		return err
	} else if same {
		d.there(size)
		return nil
	}
	part, err := f.part(ctx, w, spans)
	if err != nil {
		return err
	}
	defer part.close()
	d.there(part.size)
	if err := d.fetch(ctx, w, spans[part.spans:], part.size, part); err != nil {
		return fmt.Errorf("%s: %w", w.path, err)
	}
	return part.publish()
}

func (d *download) there(n int64) {
	d.kept.Add(n)
	d.size.Add(n)
	d.progress.add(int(n))
}

// fetch gets the slices of a file that are missing, from byte at on. Only what
// is what its name says reaches the sink.
func (d *download) fetch(ctx context.Context, w *wanted, missing []sds.Span, at int64, out sink) error {
	if len(missing) == 0 {
		return nil
	}
	if missing[0].CID == sds.Sum(sds.Raw, nil) { // an empty file
		return out.slice(0, nil)
	}
	buffer := make([]byte, sds.MaxBlockSize)
	e := d.plan.edges
	return e.each(ctx, func(s source) error {
		body, err := e.open(ctx, s, s.url(w.url).String(), at)
		if err != nil {
			return err
		}
		defer body.Close()
		for len(missing) > 0 {
			block, err := readSlice(body, buffer, missing[0], w.cid.Codec == sds.Raw)
			if err != nil {
				return err
			}
			if err := out.slice(at, block); err != nil {
				return fail(exitRefused, "is there room and leave to write?", err)
			}
			e.got(s)
			at += int64(len(block))
			d.fetched.Add(int64(len(block)))
			d.size.Add(int64(len(block)))
			d.progress.add(len(block))
			missing = missing[1:]
		}
		return nil
	})
}

// readSlice reads a slice and checks it. The size of a file of one slice is not
// known for sure, so all that comes is it.
func readSlice(body io.Reader, buffer []byte, span sds.Span, single bool) ([]byte, error) {
	var block []byte
	var err error
	switch {
	case single:
		block, err = io.ReadAll(io.LimitReader(body, sds.MaxBlockSize+1))
	case span.To > len(buffer):
		err = fail(exitRefused, "", fmt.Errorf("slice %s of %d bytes: %w", span.CID, span.To, sds.ErrTooLarge))
	default:
		block = buffer[:span.To]
		if _, err = io.ReadFull(body, block); errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
	}
	if err != nil {
		return nil, err
	}
	if sds.Sum(sds.Raw, block) != span.CID {
		return nil, &lie{fmt.Errorf("slice %s: %w", span.CID, sds.ErrCorrupt)}
	}
	return block, nil
}
