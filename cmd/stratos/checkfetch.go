package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/internal/hls"
)

const (
	// maxCheckSegment bounds a segment: 4 s of 4K have 16 MB.
	maxCheckSegment = 256 << 20
	// checkPatience bounds one answer.
	checkPatience = 2 * time.Minute
)

// answer is a file and how it was delivered.
type answer struct {
	url      *url.URL // after redirects
	body     []byte
	delivery hls.Delivery
}

// statusError is an answer that has no file.
type statusError struct {
	address string
	code    int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s: %d %s", e.address, e.code, http.StatusText(e.code))
}

// get fetches a file or a range of it, bounded.
func (s *stream) get(ctx context.Context, address string, part *hls.ByteRange, what hls.Delivered, limit int64) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	want := http.StatusOK
	if part != nil {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", part.Offset, part.Offset+part.Length-1))
		want = http.StatusPartialContent
	} else {
		req.Header.Set("Accept-Encoding", "gzip") // set by hand, it is also undone by hand
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, fail(exitUnreachable, "", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != want {
		code := exitFailed
		if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone {
			code = exitNotFound
		}
		return nil, fail(code, "", &statusError{address, resp.StatusCode})
	}
	encoding := resp.Header.Get("Content-Encoding")
	body := io.Reader(resp.Body)
	if strings.EqualFold(encoding, "gzip") {
		if body, err = gzip.NewReader(resp.Body); err != nil {
			return nil, fmt.Errorf("%s: %w", address, err)
		}
	}
	b, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	if int64(len(b)) > limit {
		return nil, errors.New(address + ": it is larger than " + size(limit))
	}
	return &answer{url: resp.Request.URL, body: b, delivery: hls.Delivery{
		URL: address, What: what, ContentType: resp.Header.Get("Content-Type"), ContentEncoding: encoding,
		Redirected: resp.Request.URL.String() != req.URL.String(),
	}}, nil
}
