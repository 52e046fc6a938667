package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestSlowClientsCostLittleAndKeepNobodyWaiting(t *testing.T) {
	n := start(t, "--edges", "2")
	want := content(170, 32<<20)
	n.stratos("put", folderFile(t, "film.bin", want), "slow/film.bin")
	film := n.ticketed("slow/film.bin", "198.18.0.9")
	target, err := url.Parse(film)
	if err != nil {
		t.Fatal(err)
	}
	edge := target.Host
	origin, router := strings.TrimPrefix(n.Origin, "http://"), strings.TrimPrefix(n.Router, "http://")

	var slow sync.WaitGroup
	defer slow.Wait()
	dial := func(host string) net.Conn {
		conn, err := net.DialTimeout("tcp", host, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	// Headers byte by byte, at every door.
	done := make(chan struct{})
	defer close(done)
	for _, host := range []string{edge, origin, router} {
		for range 200 {
			conn := dial(host)
			slow.Go(func() {
				tick := time.NewTicker(100 * time.Millisecond)
				defer tick.Stop()
				for _, b := range []byte("GET /slow/film.bin HTTP/1.1\r\nHost: " + host + "\r\nX-Slow: " + strings.Repeat("x", 10_000)) {
					if _, err := conn.Write([]byte{b}); err != nil {
						return
					}
					select {
					case <-tick.C:
					case <-done:
						return
					}
				}
			})
		}
	}
	// Readers that never read, of a file that no socket's buffers hold.
	for range 100 {
		conn := dial(edge)
		if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target.RequestURI(), edge)
	}
	// Uploads that stop after some bytes.
	for i := range 20 {
		conn := n.put(t, fmt.Sprintf("slow/never-%d.bin", i), 100<<20)
		t.Cleanup(func() { conn.Close() })
		if _, err := conn.Write(want[:2<<20]); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	for range 5 {
		if got := n.fetch("slow/film.bin", 20*time.Second); !bytes.Equal(got, want) {
			t.Fatalf("a client beside slow ones got %d bytes, want %d, or others", len(got), len(want))
		}
	}
	t.Logf("five downloads of 32 MiB beside 920 slow clients: %s", time.Since(began).Round(time.Millisecond))
	n.stratos("put", folderFile(t, "b.txt", []byte("b")), "slow/b.txt")
	n.checkMemory()
}
