package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// patience without a new byte before a download gives up.
const patience = 30 * time.Second

// stallAfter without a byte an edge counts as failed.
const stallAfter = 5 * time.Second

// lie is what an edge sent that is not what was asked for.
type lie struct{ err error }

func (l *lie) Error() string { return "sent what does not match the root: " + l.err.Error() }
func (l *lie) Unwrap() error { return l.err }

// edges are where a name can be fetched, as the router says.
type edges struct {
	c      *cli
	t      *target
	name   string
	bundle bool

	mu     sync.Mutex // guards the following
	known  []source
	failed map[string]bool // until the router was asked again
	bad    map[string]bool // sent what is not under the root: never asked again
	lies   []error
	sent   map[string]bool
	moved  time.Time // when the last byte came
}

// source is a ticketed URL of the name on one edge.
type source struct {
	base   url.URL
	bundle bool
}

// url of a path inside the name.
func (s source) url(path string) *url.URL {
	u := s.base
	if s.bundle {
		u.Path = strings.TrimSuffix(u.Path, "/") + "/" + path
		u.RawPath = ""
	}
	return &u
}

// each tries an action at one edge after the other until one succeeds. When all
// have failed the router is asked again, for as long as bytes come now and then.
func (e *edges) each(ctx context.Context, try func(source) error) error {
	var errs []error
	began := time.Now()
	for {
		list, err := e.list(ctx)
		for _, s := range list {
			if !e.usable(s) {
				continue
			}
			if err = try(s); err == nil || ctx.Err() != nil || final(err) {
				return err
			}
			e.note(s, err)
			errs = remember(errs, fmt.Errorf("%s %w", s.base.Host, err))
		}
		if err != nil && final(err) || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if len(list) == 0 && err != nil {
			errs = remember(errs, err)
		}
		if e.allBad(list) || time.Since(e.lastByte(began)) > patience {
			return e.giveUp(errs)
		}
		e.forget()
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// remember keeps the last few errors: an edge that is tried for half a minute
// makes many.
func remember(errs []error, err error) []error {
	if slices.ContainsFunc(errs, func(e error) bool { return e.Error() == err.Error() }) {
		return errs
	}
	return append(errs[max(0, len(errs)-7):], err)
}

// giveUp says whether edges were away or lied.
func (e *edges) giveUp(errs []error) error {
	e.mu.Lock()
	lies := e.lies
	e.mu.Unlock()
	for _, l := range lies {
		errs = remember(errs, l)
	}
	err := errors.Join(append(errs, errors.New("no edge could serve it"))...)
	if len(lies) > 0 {
		return fail(exitCorrupt, "nothing of it was kept; tell the network's operators which edges these are", err)
	}
	return err
}

// final errors are the same at every edge.
func final(err error) bool {
	var f *failure
	return errors.As(err, &f) && (f.code == exitNotFound || f.code == exitRefused || f.code == exitCorrupt)
}

func (e *edges) usable(s source) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !e.failed[s.base.Host] && !e.bad[s.base.Host]
}

func (e *edges) allBad(list []source) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(list) > 0 && !slices.ContainsFunc(list, func(s source) bool { return !e.bad[s.base.Host] })
}

func (e *edges) note(s source, err error) {
	var l *lie
	e.mu.Lock()
	known := e.failed[s.base.Host] || e.bad[s.base.Host]
	if errors.As(err, &l) {
		e.bad[s.base.Host] = true
		e.lies = remember(e.lies, fmt.Errorf("%s %w", s.base.Host, err))
	} else if e.failed != nil {
		e.failed[s.base.Host] = true
	}
	e.mu.Unlock()
	if !known {
		e.c.note("%s: %v; going on at the next edge", s.base.Host, err)
	}
}

// forget has list ask the router again.
func (e *edges) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.known = nil
}

// got notes that an edge sent checked bytes.
func (e *edges) got(s source) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sent[s.base.Host] = true
	e.moved = time.Now()
}

func (e *edges) lastByte(began time.Time) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.moved.After(began) {
		return e.moved
	}
	return began
}

// used are the hosts that sent something.
func (e *edges) used() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]string, 0, len(e.sent))
	for host := range e.sent {
		out = append(out, host)
	}
	slices.Sort(out)
	return out
}

// list asks the router: first the edge that it sends us to, then the others that
// the same ticket names.
func (e *edges) list(ctx context.Context) ([]source, error) {
	e.mu.Lock()
	known := e.known
	e.mu.Unlock()
	if known != nil {
		return known, nil
	}
	resp, err := e.t.call(ctx, http.MethodGet, e.t.router+"/"+escape(e.name), nil, nil)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	first, err := resp.Location()
	if err != nil {
		return nil, fmt.Errorf("router answered %s without a Location", resp.Status)
	}
	out := []source{{*first, e.bundle}}
	var found decision
	// Without the explanation there is still the edge that was chosen.
	if err := e.t.callJSON(ctx, http.MethodGet, e.t.router+"/v1/route/"+escape(e.name), nil, nil, &found); err == nil {
		for _, candidate := range found.Candidates {
			base, err := url.Parse(candidate.URL)
			if err != nil || base.Host == "" || base.Host == first.Host {
				continue
			}
			other := *first
			other.Scheme, other.Host = base.Scheme, base.Host
			out = append(out, source{other, e.bundle})
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.known == nil {
		e.known, e.failed = out, map[string]bool{}
	}
	return e.known, nil
}

// open asks an edge for what is at an address, from a byte on. Reading fails
// when nothing comes for a while.
func (e *edges) open(ctx context.Context, s source, address string, from int64) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	b := &stallBody{ctx: ctx, cancel: cancel}
	b.timer = time.AfterFunc(stallAfter, func() { cancel(fmt.Errorf("no byte for %s", stallAfter)) })
	header := http.Header{"Accept-Encoding": {"identity"}}
	want := http.StatusOK
	if from > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", from))
		want = http.StatusPartialContent
	}
	resp, err := e.t.once(ctx, http.MethodGet, address, nil, header)
	if err != nil {
		cause := context.Cause(ctx)
		b.stop()
		return nil, errors.Join(cause, err)
	}
	b.ReadCloser = resp.Body
	if resp.StatusCode != want {
		err := fmt.Errorf("answered %s", resp.Status)
		b.Close()
		return nil, err
	}
	return b, nil
}

// stallBody fails when no byte comes for a while.
type stallBody struct {
	io.ReadCloser
	ctx    context.Context // of the request
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

func (b *stallBody) Read(p []byte) (int, error) {
	b.timer.Reset(stallAfter)
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && context.Cause(b.ctx) != nil {
		err = context.Cause(b.ctx)
	}
	return n, err
}

func (b *stallBody) stop() {
	b.timer.Stop()
	b.cancel(nil)
}

func (b *stallBody) Close() error {
	b.stop()
	return b.ReadCloser.Close()
}
