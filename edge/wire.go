package edge

import (
	"context"
	"net"
	"syscall"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// wire is a viewer's TCP connection. An answer that is larger than the buffer
// of an HTTP server leaves it in two writes, which the kernel would send at
// once, each in packets of its own. Corked, they leave together: half of the
// packets and wake-ups for small objects.
type wire struct {
	raw      syscall.RawConn
	on, off  func(fd uintptr)
	released func()
}

type wireKey struct{}

// watchWires has the server of a handler remember its connections.
func watchWires(ctx caddy.Context) {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || !canCork {
		return
	}
	server.RegisterConnContext(func(ctx context.Context, c net.Conn) context.Context {
		if ctx.Value(wireKey{}) != nil {
			return ctx // another handler of the same server was first
		}
		if w := newWire(c); w != nil {
			return context.WithValue(ctx, wireKey{}, w)
		}
		return ctx
	})
}

func newWire(c net.Conn) *wire {
	for {
		if tcp, ok := c.(*net.TCPConn); ok {
			raw, err := tcp.SyscallConn()
			if err != nil {
				return nil
			}
			w := &wire{raw: raw, on: func(fd uintptr) { setCork(fd, 1) }, off: func(fd uintptr) { setCork(fd, 0) }}
			w.released = w.release
			return w
		}
		inner, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		c = inner.NetConn()
	}
}

// hold corks the connection of a request until the function it returns is
// called; the kernel waits 200 ms at most in any case.
func hold(ctx context.Context) func() {
	w, ok := ctx.Value(wireKey{}).(*wire)
	if !ok {
		return func() {}
	}
	_ = w.raw.Control(w.on) // a connection that is gone says so when it is written to
	return w.released
}

func (w *wire) release() { _ = w.raw.Control(w.off) }
