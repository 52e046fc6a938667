package edge

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/edge/serve"
)

// recorder is a connection that keeps its writes apart.
type recorder struct {
	net.Conn
	in     io.Reader
	writes []string
	broken error
}

func (r *recorder) Read(p []byte) (int, error) { return r.in.Read(p) }

func (r *recorder) Write(p []byte) (int, error) {
	r.writes = append(r.writes, string(p))
	return len(p), r.broken
}

func TestAHeldAnswerLeavesInOnePiece(t *testing.T) {
	t.Parallel()
	lines := serve.Lines{"A: ", "1", "\r\nB: ", "2", "\r\n"}
	large := strings.Repeat("x", maxHeld)
	for name, test := range map[string]struct {
		lines  serve.Lines
		writes []string
		want   []string
	}{
		"head and body":               {serve.Lines{}, []string{"HTTP/1.1 200 OK\r\n\r\nbo", "dy"}, []string{"HTTP/1.1 200 OK\r\n\r\nbody"}},
		"lines follow the status":     {lines, []string{"HTTP/1.1 200 OK\r\nC: 3\r\n\r\nbo", "dy"}, []string{"HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\nbody"}},
		"a body larger than a record": {lines, []string{"HTTP/1.1 200 OK\r\n\r\nb", large, "y"}, []string{"HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\n\r\nb", large, "y"}},
		"nothing is written":          {serve.Lines{}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := &recorder{}
			w := &wire{Conn: conn}
			w.Hold(test.lines)
			for _, p := range test.writes {
				if n, err := w.Write([]byte(p)); n != len(p) || err != nil {
					t.Fatalf("wrote %d of %d: %v", n, len(p), err)
				}
			}
			if err := w.Release(); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(test.want, conn.writes); diff != "" {
				t.Error(diff)
			}
			if _, err := w.Write([]byte("next")); err != nil || conn.writes[len(conn.writes)-1] != "next" {
				t.Errorf("after Release something is held: %q, %v", conn.writes, err)
			}
		})
	}
}

func TestReleaseTellsWhatWasNotSent(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	conn := &recorder{broken: broken}
	w := &wire{Conn: conn}
	w.Hold(serve.Lines{})
	_, _ = w.Write([]byte("head"))
	if err := w.Release(); !errors.Is(err, broken) {
		t.Errorf("a broken connection: %v", err)
	}
	w.Hold(serve.Lines{"A: 1\r\n"})
	if err := w.Release(); !errors.Is(err, errNoHead) {
		t.Errorf("lines without a head: %v", err)
	}
	w.Hold(serve.Lines{"A: 1\r\n"})
	if _, err := w.Write([]byte("no head at all")); !errors.Is(err, errNoHead) {
		t.Errorf("a head that is none: %v", err)
	}
}

// TestTheWireChangesNoAnswer compares answers over a wire, where the head is
// written as lines, with those of the edge behind a server of its own.
func TestTheWireChangesNoAnswer(t *testing.T) {
	w := newWorld(t, 0)
	e := w.withCaddy(t, "", "")
	files := map[string][]byte{
		"page.html": content(1, 10_000), "o.bin": content(2, 20_000), "s.m4s": content(3, 60_000),
		"small.json": content(4, 100), "index.m3u8": content(5, 9_000),
	}
	p := w.publish("acme/film", files, e.testEdge)
	bare := &http.Server{Handler: e.node}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = bare.Serve(l) }() // ends with Close
	t.Cleanup(func() { _ = bare.Close() })
	held, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = bare.Serve(new(Wires).WrapListener(held)) }() // the same
	path := "/t/" + w.ticket(p, nil, e.testEdge) + "/acme/film/"
	for name, body := range files {
		var want http.Header
		for i, base := range []string{"http://" + l.Addr().String(), "http://" + held.Addr().String(), e.plain, e.secure} {
			for range 2 { // the first brings it into memory
				r, err := e.client(false).Get(base + path + name)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(r.Body)
				_ = r.Body.Close()
				if err != nil || !bytes.Equal(got, body) || r.StatusCode != http.StatusOK {
					t.Fatalf("%s from %s: status %d, %d bytes, %v", name, base, r.StatusCode, len(got), err)
				}
				for _, other := range []string{"Date", "Alt-Svc", "Server-Timing", "Cache-Status"} {
					r.Header.Del(other)
				}
				if i == 0 {
					want = r.Header
				}
				if diff := cmp.Diff(want, r.Header); diff != "" {
					t.Errorf("%s from %s:\n%s", name, base, diff)
				}
			}
		}
	}
}
