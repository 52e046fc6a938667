package outside

import (
	"context"
	"crypto/tls"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/stratos-mesh/stratos/meta"
)

// http3 asks the same question over QUIC, at the address that answered over TCP.
func (d *Dialler) http3(ctx context.Context, u *url.URL, at netip.AddrPort, target *meta.Edge) meta.DialResult {
	transport := &http3.Transport{
		TLSClientConfig: &tls.Config{RootCAs: d.roots(), ServerName: u.Hostname(), MinVersion: tls.VersionTLS13},
		Dial: func(ctx context.Context, _ string, secure *tls.Config, config *quic.Config) (*quic.Conn, error) {
			ctx, cancel := d.step(ctx)
			defer cancel()
			return quic.DialAddr(ctx, at.String(), secure, config)
		},
	}
	defer func() { _ = transport.Close() }()
	if _, err := d.ask(ctx, transport, u, target); err != nil {
		return closed("UDP", strconv.Itoa(int(at.Port())), "UDP", err)
	}
	return passed()
}

// offersHTTP3 finds HTTP/3 at the same host in Alt-Svc (RFC 7838, section 3).
func offersHTTP3(fields []string) (port uint16, offered bool) {
	for _, field := range fields {
		for offer := range strings.SplitSeq(field, ",") {
			offer, _, _ = strings.Cut(offer, ";")
			authority, is := strings.CutPrefix(strings.TrimSpace(offer), "h3=")
			if !is {
				continue
			}
			number, is := strings.CutPrefix(strings.Trim(authority, `" `), ":")
			if n, err := strconv.ParseUint(number, 10, 16); is && err == nil && n > 0 {
				return uint16(n), true
			}
		}
	}
	return 0, false
}
