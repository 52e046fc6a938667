package edge

import (
	"bytes"
	"fmt"
	"net"
	"testing"
)

func TestViewersThatTakeNothingHoldBoundedMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	e := w.addEdge(EdgeConfig{Memory: 8 << 20})
	const slices = 28
	p := w.publish("acme/film", map[string][]byte{"long.mp4": content(1, slices<<20), "small.bin": content(2, 10_000)}, e)
	path := "/t/" + w.ticket(p, nil, e) + "/acme/film/"
	var stalled []net.Conn
	for i := range slices {
		conn, err := net.Dial("tcp", e.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
		stalled = append(stalled, conn)
		if _, err := fmt.Fprintf(conn, "GET %slong.mp4 HTTP/1.1\r\nHost: x\r\nRange: bytes=%d-\r\n\r\n", path, i<<20); err != nil {
			t.Fatal(err)
		}
	}
	w.eventually("all answers are under way or waiting", func() bool { return e.viewers.UnderWay() >= slices/2 })
	for range 20 {
		held, limit := e.viewers.Held()
		if held > limit || limit != 16<<20 {
			t.Fatalf("%d bytes are held, limit %d", held, limit)
		}
		if r, body := e.get(t, path+"small.bin"); r.StatusCode != 200 || !bytes.Equal(body, p.files["small.bin"]) {
			t.Fatalf("a small object meanwhile: status %d, %d bytes", r.StatusCode, len(body))
		}
	}
	for _, conn := range stalled {
		_ = conn.Close()
	}
	w.eventually("what they held is free again", func() bool {
		held, _ := e.viewers.Held()
		return held == 0 && e.viewers.UnderWay() == 0
	})
}
