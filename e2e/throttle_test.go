package e2e

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// throttle is a TCP proxy that passes what clients send at a limited speed.
type throttle struct {
	listener net.Listener
	to       string
	rate     atomic.Int64 // bytes per second; 0 is as fast as it goes
	sent     atomic.Int64 // bytes passed from clients
}

func newThrottle(t *testing.T, to string, bytesPerSecond int64) *throttle {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &throttle{listener: listener, to: to}
	h.set(bytesPerSecond)
	go h.serve()
	t.Cleanup(func() { listener.Close() })
	return h
}

func (h *throttle) address() string { return h.listener.Addr().String() }

func (h *throttle) set(bytesPerSecond int64) { h.rate.Store(bytesPerSecond) }

func (h *throttle) serve() {
	for {
		in, err := h.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer in.Close()
			out, err := net.Dial("tcp", h.to)
			if err != nil {
				return
			}
			defer out.Close()
			go func() { io.Copy(in, out); in.Close() }()
			h.pass(out, in)
		}()
	}
}

func (h *throttle) pass(to io.Writer, from io.Reader) {
	piece := make([]byte, 64<<10)
	for {
		n, err := from.Read(piece)
		if _, writeErr := to.Write(piece[:n]); err != nil || writeErr != nil {
			return
		}
		h.sent.Add(int64(n))
		if rate := h.rate.Load(); rate > 0 {
			time.Sleep(time.Duration(int64(n) * int64(time.Second) / rate))
		}
	}
}
