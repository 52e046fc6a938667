package browser

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Proxy is an HTTP proxy between a page and everything that it asks: a road on
// which hosts can be cut off, bytes changed and the rate limited.
type Proxy struct {
	server    *http.Server
	listener  net.Listener
	transport *http.Transport

	mu      sync.Mutex // guards the rest
	changed chan struct{}
	cut     map[string]bool
	flip    map[string]bool
	rate    int // bytes a second over all hosts; 0 is no limit
	free    time.Time
	flipped int
}

// NewProxy starts a proxy on loopback.
func NewProxy() (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: listener, transport: &http.Transport{}, changed: make(chan struct{}), cut: map[string]bool{}, flip: map[string]bool{}}
	p.server = &http.Server{Handler: http.HandlerFunc(p.serve)}
	go p.server.Serve(listener)
	return p, nil
}

// URL is what pages take as their proxy.
func (p *Proxy) URL() string { return "http://" + p.listener.Addr().String() }

// Close ends the proxy and every connection.
func (p *Proxy) Close() { p.server.Close(); p.transport.CloseIdleConnections() }

// Cut makes a host:port silent, as a cable that was pulled: connections stay
// open, and neither a byte nor a reset comes. false joins it again.
func (p *Proxy) Cut(host string, cut bool) { p.change(func() { p.cut[host] = cut }) }

// Flip makes a host:port send media segments with one bit changed.
func (p *Proxy) Flip(host string, flip bool) { p.change(func() { p.flip[host] = flip }) }

// Limit is the rate of the viewer's line in bytes a second; 0 is no limit.
func (p *Proxy) Limit(rate int) { p.change(func() { p.rate = rate }) }

// Flipped is how many segments were changed.
func (p *Proxy) Flipped() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.flipped
}

func (p *Proxy) change(set func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	set()
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	if !p.pass(r.Context(), r.URL.Host, 0) {
		panic(http.ErrAbortHandler)
	}
	out := r.Clone(r.Context())
	out.RequestURI = ""
	out.Header.Del("Proxy-Connection")
	resp, err := p.transport.RoundTrip(out)
	if err != nil { // as without a proxy: the connection breaks
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	body, at := io.Reader(resp.Body), int64(-1)
	if p.flips(r.URL.Host) && resp.StatusCode < 300 && strings.HasSuffix(r.URL.Path, ".m4s") {
		at = resp.ContentLength / 2
	}
	w.WriteHeader(resp.StatusCode)
	p.copy(w, r, body, at)
}

// copy passes a body on in pieces, changing one bit of the byte at flip.
func (p *Proxy) copy(w http.ResponseWriter, r *http.Request, body io.Reader, flip int64) {
	piece := make([]byte, 8<<10)
	sent := int64(0)
	for {
		n, err := body.Read(piece)
		if flip >= sent && flip < sent+int64(n) {
			piece[flip-sent] ^= 1
			p.mu.Lock()
			p.flipped++
			p.mu.Unlock()
		}
		if !p.pass(r.Context(), r.URL.Host, n) {
			panic(http.ErrAbortHandler)
		}
		if _, werr := w.Write(piece[:n]); werr != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		sent += int64(n)
		if err == io.EOF {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

func (p *Proxy) flips(host string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.flip[host]
}

// pass waits until n bytes from a host may go on; false when nobody waits for
// them any more.
func (p *Proxy) pass(ctx context.Context, host string, n int) bool {
	for {
		p.mu.Lock()
		cut, changed, wait := p.cut[host], p.changed, time.Duration(0)
		if !cut && p.rate > 0 {
			now := time.Now()
			if p.free.Before(now) {
				p.free = now
			}
			wait = p.free.Sub(now)
			p.free = p.free.Add(time.Duration(n) * time.Second / time.Duration(p.rate))
		}
		p.mu.Unlock()
		if !cut {
			return pause(ctx, wait)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
