package edge

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/stratos-mesh/stratos/edge/outside"
	"github.com/stratos-mesh/stratos/meta"
)

// udp opens a client's UDP port for QUIC.
func udp(t *testing.T) *quic.Transport {
	t.Helper()
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	transport := &quic.Transport{Conn: socket}
	t.Cleanup(func() {
		_ = transport.Close()
		_ = socket.Close()
	})
	return transport
}

// http3Client speaks HTTP/3 from one UDP port; the connection is told.
func (e *caddyEdge) http3Client(t *testing.T, from *quic.Transport) (*http.Client, func() *quic.Conn) {
	t.Helper()
	var conn *quic.Conn
	transport := &http3.Transport{
		TLSClientConfig: &tls.Config{RootCAs: e.roots},
		Dial: func(ctx context.Context, addr string, config *tls.Config, q *quic.Config) (*quic.Conn, error) {
			to, err := net.ResolveUDPAddr("udp4", addr)
			if err != nil {
				return nil, err
			}
			conn, err = from.DialEarly(ctx, to, config, q)
			return conn, err
		},
	}
	t.Cleanup(func() { _ = transport.Close() })
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}, func() *quic.Conn { return conn }
}

func TestHTTP3(t *testing.T) {
	w := newWorld(t, 0)
	e := w.withCaddy(t, "", "")
	film := content(6, 6<<20)
	p := w.publish("acme/film", map[string][]byte{"0.mp4": film}, e.testEdge)
	url := e.secure + "/t/" + w.ticket(p, nil, e.testEdge) + "/acme/film/0.mp4"

	t.Run("is announced over HTTP/2", func(t *testing.T) {
		r, err := e.client(true).Head(url)
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Body.Close()
		if got := r.Header.Get("Alt-Svc"); !strings.Contains(got, `h3=":`+e.port+`"`) || r.ProtoMajor != 2 {
			t.Errorf("%s, Alt-Svc %q", r.Proto, got)
		}
	})
	t.Run("is seen from outside", func(t *testing.T) {
		dialler := outside.Dialler{ChainID: func() string { return testChain }, Roots: func() *x509.CertPool { return e.roots }}
		r := dialler.Dial(t.Context(), &meta.Edge{ID: e.id, Key: e.signer.Key(), URL: e.plain, TLSURL: e.secure})
		for _, part := range r.Parts() {
			want := meta.DialOK
			if part.Name == "IPv6" {
				want = meta.NotAnnounced
			}
			if part.Result.Outcome != want {
				t.Errorf("%s: %+v", part.Name, part.Result)
			}
		}
	})
	t.Run("brings a whole object and ranges", func(t *testing.T) {
		client, _ := e.http3Client(t, udp(t))
		r, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || r.ProtoMajor != 3 || r.StatusCode != 200 || !bytes.Equal(body, film) {
			t.Errorf("%s, status %d, %d bytes, %v", r.Proto, r.StatusCode, len(body), err)
		}
		for field, part := range map[string][]byte{"bytes=0-9": film[:10], "bytes=1048570-2097200": film[1048570:2097201], "bytes=-5": film[len(film)-5:]} {
			request, err := http.NewRequest(http.MethodGet, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Range", field)
			r, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(r.Body)
			if err != nil || r.StatusCode != 206 || !bytes.Equal(body, part) {
				t.Errorf("%s: status %d, %d bytes, %v", field, r.StatusCode, len(body), err)
			}
		}
	})
	t.Run("goes on from another port of the client", func(t *testing.T) {
		client, conn := e.http3Client(t, udp(t))
		r, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Body.Close() }()
		got := make([]byte, 1<<20)
		if _, err := io.ReadFull(r.Body, got); err != nil {
			t.Fatal(err)
		}
		before := conn().LocalAddr().String()
		path, err := conn().AddPath(udp(t))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := path.Probe(ctx); err != nil {
			t.Fatal(err)
		}
		if err := path.Switch(); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(r.Body)
		if err != nil || !bytes.Equal(append(got, rest...), film) {
			t.Errorf("after the switch: %d bytes more, %v", len(rest), err)
		}
		if after := conn().LocalAddr().String(); after == before {
			t.Errorf("still at %s", after)
		}
	})
	t.Run("falls back when UDP is closed", func(t *testing.T) {
		// A client that tries HTTP/3 at a port without an answer, then TCP.
		nobody, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = nobody.Close() }()
		from := udp(t)
		h3 := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: e.roots}, Dial: func(ctx context.Context, _ string, config *tls.Config, q *quic.Config) (*quic.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
			defer cancel()
			return from.DialEarly(ctx, nobody.LocalAddr(), config, q)
		}}
		defer func() { _ = h3.Close() }()
		client := http.Client{Transport: fallback{h3, e.client(true).Transport}}
		r, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || r.ProtoMajor != 2 || !bytes.Equal(body, film) {
			t.Errorf("%s, %d bytes, %v", r.Proto, len(body), err)
		}
	})
}

// fallback does as browsers do.
type fallback struct{ first, second http.RoundTripper }

func (f fallback) RoundTrip(r *http.Request) (*http.Response, error) {
	if response, err := f.first.RoundTrip(r); err == nil {
		return response, nil
	}
	return f.second.RoundTrip(r)
}
