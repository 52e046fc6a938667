package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// http3 asks for one file over HTTP/3, as h2load does over HTTP/2: 8 connections
// with 4 streams each. The generator is this process; the CPU time of the server
// is what counts.
func (w workload) http3(ctx context.Context, o options, s *server) (requests, perSecond float64, err error) {
	const connections, streams = 8, 4
	url := s.base(w) + "/" + w.one()
	length := time.Duration(o.seconds * float64(time.Second))
	ctx, cancel := context.WithTimeout(ctx, length+10*time.Second)
	defer cancel()
	var done atomic.Int64
	var failed error
	var once sync.Once
	var askers sync.WaitGroup
	begun := time.Now()
	for range connections {
		transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // loopback, and the same for all
		defer transport.Close()
		for range streams {
			askers.Go(func() {
				buffer := make([]byte, 64<<10)
				for time.Since(begun) < length {
					if err := askHTTP3(ctx, transport, url, buffer); err != nil {
						once.Do(func() { failed = err })
						return
					}
					done.Add(1)
				}
			})
		}
	}
	askers.Wait()
	if failed != nil {
		return 0, 0, fmt.Errorf("HTTP/3: %w", failed)
	}
	return float64(done.Load()), float64(done.Load()) / time.Since(begun).Seconds(), nil
}

func askHTTP3(ctx context.Context, transport *http3.Transport, url string, buffer []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, response.Body, buffer)
	if err == nil && (response.StatusCode != http.StatusOK || n != response.ContentLength) {
		return fmt.Errorf("%s with %d of %d bytes", response.Status, n, response.ContentLength)
	}
	return err
}
