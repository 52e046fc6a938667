package outside

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"syscall"

	"github.com/stratos-mesh/stratos/meta"
)

// probe is what was seen at one address.
type probe struct {
	address               netip.Addr
	tcp, certificate, key meta.DialResult
	altSvc                []string
}

// probe connects to one address, step by step, so that each thing that can be
// wrong has its own result.
func (d *Dialler) probe(ctx context.Context, u *url.URL, address netip.Addr, family string, target *meta.Edge) probe {
	p := probe{address: address, tcp: passed(), key: untried("the handshake failed")}
	dialling, cancel := d.step(ctx)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(dialling, "tcp", net.JoinHostPort(address.String(), portOf(u)))
	if err != nil {
		p.tcp, p.key = closed("TCP", portOf(u), family, err), untried("nothing answers")
		if u.Scheme == "https" {
			p.certificate = untried("nothing answers")
		}
		return p
	}
	defer func() { _ = conn.Close() }()
	if u.Scheme == "https" {
		secure := tls.Client(conn, &tls.Config{RootCAs: d.roots(), ServerName: u.Hostname(), MinVersion: tls.VersionTLS12})
		shaking, cancel := d.step(ctx)
		defer cancel()
		if err := secure.HandshakeContext(shaking); err != nil {
			p.certificate = failed("%s at %s", reason(err), address)
			return p
		}
		p.certificate, conn = passed(), secure
	}
	once := func(context.Context, string, string) (net.Conn, error) { return conn, nil }
	transport := &http.Transport{DialContext: once, DialTLSContext: once, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10}
	defer transport.CloseIdleConnections()
	header, err := d.ask(ctx, transport, u, target)
	if p.key = passed(); err != nil {
		p.key = failed("%s at %s", reason(err), address)
	}
	p.altSvc = header.Values("Alt-Svc")
	return p
}

// ask has a node prove its key. It follows no redirects: the node itself must
// answer.
func (d *Dialler) ask(ctx context.Context, transport http.RoundTripper, u *url.URL, target *meta.Edge) (http.Header, error) {
	ctx, cancel := d.step(ctx)
	defer cancel()
	address, nonce := question(u)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return response.Header, errors.New("it answers " + http.StatusText(response.StatusCode) + " to " + Path)
	}
	var id Identity
	if err := json.NewDecoder(io.LimitReader(response.Body, 16<<10)).Decode(&id); err != nil {
		return response.Header, errors.New("what answers there is no node of this network")
	}
	return response.Header, id.Verify(target.Key, d.ChainID(), nonce)
}

// closed says why there was no connection; where it is this side that lacks the
// protocol, that nothing can be said.
func closed(protocol, port, family string, err error) meta.DialResult {
	switch {
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT):
		return untried("the dialling edge has no %s", family)
	case errors.Is(err, syscall.ECONNREFUSED):
		return failed("%s port %s refuses connections", protocol, port)
	case timedOut(err):
		return failed("%s port %s does not answer", protocol, port)
	}
	return failed("%s port %s: %s", protocol, port, reason(err))
}

func timedOut(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// reason is an error without the addresses that the net package puts around it.
func reason(err error) string {
	var certificate *tls.CertificateVerificationError
	var operation *net.OpError
	switch {
	case errors.As(err, &certificate):
		return certificate.Err.Error()
	case timedOut(err):
		return "no answer in time"
	case errors.As(err, &operation):
		return operation.Err.Error()
	case errors.Is(err, io.EOF):
		return "the connection was closed"
	}
	return err.Error()
}
