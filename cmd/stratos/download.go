package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/sds"
)

// patience without a new byte before a download gives up.
const patience = 30 * time.Second

// stallAfter without a byte an edge counts as failed.
const stallAfter = 5 * time.Second

// download fetches one object from whichever edges have it.
type download struct {
	c    *cli
	t    *target
	name string

	at       int64 // bytes that arrived
	total    int64 // -1 until an edge says
	root     sds.CID
	used     []string // hosts that sent bytes
	splitter *sds.Splitter
	progress progress
}

func (d *download) run(ctx context.Context, out io.Writer) error {
	d.total = -1
	d.progress = progress{add: func(int) {}, done: func() {}}
	defer func() { d.progress.done() }()
	d.splitter = sds.NewSplitter(discard)
	deadline := time.Now().Add(patience)
	failed := map[string]bool{}
	for d.at != d.total {
		addresses, err := d.sources(ctx)
		if err == nil {
			err = d.round(ctx, out, addresses, failed, &deadline)
		}
		switch {
		case err == nil:
			continue
		case ctx.Err() != nil:
			return ctx.Err()
		case final(err) || time.Now().After(deadline):
			return err
		}
		clear(failed) // all were tried: the router may know better by now
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	built, err := d.splitter.Finish(ctx)
	if err != nil {
		return err
	}
	if built.Root != d.root {
		return fmt.Errorf("what %v sent does not match: got root %s, want %s", d.used, built.Root, d.root)
	}
	return nil
}

// final errors are the same at every edge.
func final(err error) bool {
	var f *failure
	return errors.As(err, &f) && (f.code == exitNotFound || f.code == exitRefused)
}

// round tries the edges in turn until one of them finishes.
func (d *download) round(ctx context.Context, out io.Writer, addresses []string, failed map[string]bool, deadline *time.Time) error {
	var errs []error
	for _, address := range addresses {
		u, err := url.Parse(address)
		if err != nil || failed[u.Host] {
			continue
		}
		before := d.at
		err = d.from(ctx, out, address)
		if d.at > before {
			d.used = append(d.used, u.Host)
			*deadline = time.Now().Add(patience)
		}
		if err == nil || ctx.Err() != nil || final(err) {
			return err
		}
		failed[u.Host] = true
		errs = append(errs, err)
		d.c.note("%s: %v; going on at the next edge", u.Host, err)
	}
	return errors.Join(append(errs, errors.New("no edge could serve it"))...)
}

// sources asks the router: first the edge that it sends us to, then the others
// that the same ticket names.
func (d *download) sources(ctx context.Context) ([]string, error) {
	resp, err := d.t.call(ctx, http.MethodGet, d.t.router+"/"+escape(d.name), nil, nil)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	first, err := resp.Location()
	if err != nil {
		return nil, fmt.Errorf("router answered %s without a Location", resp.Status)
	}
	var decision struct {
		Candidates []struct {
			URL string `json:"url"`
		} `json:"candidates"`
	}
	out := []string{first.String()}
	// Without the explanation there is still the edge that was chosen.
	if err := d.t.callJSON(ctx, http.MethodGet, d.t.router+"/v1/route/"+escape(d.name), nil, nil, &decision); err == nil {
		for _, candidate := range decision.Candidates {
			base, err := url.Parse(candidate.URL)
			if err != nil || base.Host == "" || base.Host == first.Host {
				continue
			}
			other := *first
			other.Scheme, other.Host = base.Scheme, base.Host
			out = append(out, other.String())
		}
	}
	return out, nil
}

// from fetches what is missing from one edge.
func (d *download) from(ctx context.Context, out io.Writer, address string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(stallAfter, func() { cancel(fmt.Errorf("no byte for %s", stallAfter)) })
	defer stall.Stop()
	header := http.Header{"Accept-Encoding": {"identity"}}
	if d.at > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", d.at))
	}
	resp, err := d.t.call(ctx, http.MethodGet, address, nil, header)
	if err != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	defer resp.Body.Close()
	if err := d.check(resp); err != nil {
		return err
	}
	_, err = io.Copy(writerFunc(func(p []byte) (int, error) {
		stall.Reset(stallAfter)
		if d.at+int64(len(p)) > d.total {
			return 0, fmt.Errorf("more than the %d bytes it has", d.total)
		}
		if _, err := out.Write(p); err != nil {
			return 0, fail(exitRefused, "", err)
		}
		if _, err := d.splitter.Write(ctx, p); err != nil {
			return 0, err
		}
		d.at += int64(len(p))
		d.progress.add(len(p))
		return len(p), nil
	}), resp.Body)
	if err == nil && d.at != d.total {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && context.Cause(ctx) != nil {
		err = context.Cause(ctx)
	}
	return err
}

// check holds an answer against what earlier ones said.
func (d *download) check(resp *http.Response) error {
	total := resp.ContentLength
	switch {
	case resp.StatusCode == http.StatusPartialContent:
		_, after, _ := strings.Cut(resp.Header.Get("Content-Range"), "/")
		n, err := strconv.ParseInt(after, 10, 64)
		if err != nil {
			return fmt.Errorf("Content-Range %q", resp.Header.Get("Content-Range"))
		}
		total = n
	case resp.StatusCode != http.StatusOK || d.at > 0:
		return fmt.Errorf("answered %s", resp.Status)
	}
	root, err := sds.Parse(strings.Trim(resp.Header.Get("ETag"), `"`))
	if err != nil {
		return fmt.Errorf("ETag %q is no CID", resp.Header.Get("ETag"))
	}
	if d.total < 0 {
		d.total, d.root = total, root
		d.progress = d.c.progress("download", total)
		return nil
	}
	if total != d.total || root != d.root {
		return fmt.Errorf("has another version: %s, want %s", root, d.root)
	}
	return nil
}
