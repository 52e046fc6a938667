package edge

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/stratos-mesh/stratos/edge/serve"
)

// Wires is the Caddy listener wrapper `caddy.listeners.stratos`. An HTTP server
// writes an answer that is larger than its buffer in two pieces, each a record
// of TLS, a system call and packets of its own. The connections of this wrapper
// bring the pieces together, which is most of what a small object costs. They
// come after TLS, where Caddy puts a wrapper that is alone in its list. Only
// HTTP/1.1 gains: on HTTP/2 bringing frames together measured no better.
// Everything works without it, slower.
type Wires struct{}

// CaddyModule returns the module's name.
func (*Wires) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.listeners.stratos", New: func() caddy.Module { return new(Wires) }}
}

// UnmarshalCaddyfile reads `stratos`, which has no options.
func (*Wires) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the wrapper's name
	if d.NextArg() || d.NextBlock(0) {
		return d.ArgErr()
	}
	return nil
}

// WrapListener wraps the connections of a listener.
func (*Wires) WrapListener(l net.Listener) net.Listener { return wires{l} }

type wires struct{ net.Listener }

func (l wires) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	w := &wire{Conn: c}
	w.local = local{c.LocalAddr(), w}
	if secure, ok := c.(secured); ok {
		return &secureWire{w, secure}, nil
	}
	return w, nil
}

// wire is a viewer's connection. Its writer is one at a time, as an HTTP server
// is; nothing here is locked.
type wire struct {
	net.Conn
	local local
	// holding is between Hold and Release.
	holding bool
	lines   serve.Lines
	held    *[]byte
}

// local is the connection's own address. An HTTP server gives it to every
// request, and so the request's wire too.
type local struct {
	net.Addr
	wire *wire
}

// LocalAddr is the connection's own address.
func (w *wire) LocalAddr() net.Addr { return &w.local }

// wireOf finds the wire of a request of HTTP/1.1. It is bare when no other
// handler looks at the answer's header on its way.
func wireOf(w http.ResponseWriter, r *http.Request) (found serve.Wire, bare bool) {
	address, ok := r.Context().Value(http.LocalAddrContextKey).(*local)
	if !ok || r.ProtoMajor != 1 || r.ProtoMinor != 1 {
		return nil, false
	}
	_, bare = w.(*caddyhttp.IdleTimeoutWriter)
	return address.wire, bare
}

// maxHeld is the largest record of TLS: what is larger leaves in several
// pieces in any case.
const maxHeld = 16 << 10

var heldPool = sync.Pool{New: func() any {
	b := make([]byte, 0, maxHeld)
	return &b
}}

// Hold keeps what is written until Release, up to maxHeld, and puts lines into
// the head of the answer, after its status line.
func (w *wire) Hold(lines serve.Lines) { w.holding, w.lines = true, lines }

var errNoHead = errors.New("the head of an answer was not written")

// Release writes what is held.
func (w *wire) Release() error {
	w.holding = false
	if w.lines != (serve.Lines{}) {
		w.lines = serve.Lines{}
		return errNoHead
	}
	return w.flush()
}

// Write writes, or holds what Hold asked for.
func (w *wire) Write(p []byte) (int, error) {
	if !w.holding {
		return w.Conn.Write(p)
	}
	if w.lines != (serve.Lines{}) {
		return w.writeHead(p)
	}
	if w.keep(p) {
		return len(p), nil
	}
	if err := w.flush(); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}

// keep puts p to what is held, if there is room.
func (w *wire) keep(p []byte) bool {
	if w.held == nil {
		if len(p) > maxHeld {
			return false
		}
		w.held = heldPool.Get().(*[]byte)
	}
	if len(*w.held)+len(p) > maxHeld {
		return false
	}
	*w.held = append(*w.held, p...)
	return true
}

// writeHead holds the first piece of an answer, with the lines in it.
func (w *wire) writeHead(p []byte) (int, error) {
	status := strings.Index(string(p[:min(len(p), 64)]), "\r\n") + len("\r\n")
	if status < len("\r\n") {
		return 0, errNoHead
	}
	w.held = heldPool.Get().(*[]byte)
	b := append(*w.held, p[:status]...)
	for _, line := range w.lines {
		b = append(b, line...)
	}
	*w.held = append(b, p[status:]...)
	w.lines = serve.Lines{}
	return len(p), nil
}

func (w *wire) flush() error {
	if w.held == nil {
		return nil
	}
	_, err := w.Conn.Write(*w.held)
	*w.held = (*w.held)[:0]
	heldPool.Put(w.held)
	w.held = nil
	return err
}

// ReadFrom lets files of other handlers go the system's short way.
func (w *wire) ReadFrom(r io.Reader) (int64, error) {
	if to, ok := w.Conn.(io.ReaderFrom); ok {
		return to.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{w}, r)
}

// CloseWrite ends what is written and leaves the rest open, as an HTTP server
// does before it closes.
func (w *wire) CloseWrite() error {
	if to, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		return to.CloseWrite()
	}
	return nil
}

// NetConn is the connection below.
func (w *wire) NetConn() net.Conn { return w.Conn }

type secured interface{ ConnectionState() tls.ConnectionState }

// secureWire is one over TLS; Caddy asks it for the connection's state.
type secureWire struct {
	*wire
	secured
}

var (
	_ caddy.ListenerWrapper = (*Wires)(nil)
	_ caddyfile.Unmarshaler = (*Wires)(nil)
	_ serve.Wire            = (*wire)(nil)
)
