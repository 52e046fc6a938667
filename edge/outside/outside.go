// Package outside looks at an edge from where viewers are: does it answer at the
// addresses that it announces, over IPv4 and IPv6, with a certificate that is
// trusted, as the node that it says it is, and over HTTP/3 where it offers that.
//
// Both ends are here: Identity is what a node answers (identity.go), a Dialler
// asks (dial.go over TCP, http3.go over QUIC).
package outside

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/meta"
)

// Resolver is the part of net.Resolver that a Dialler needs.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Dialler dials edges.
type Dialler struct {
	// ChainID that proofs of keys are bound to.
	ChainID func() string
	// Roots that certificates must lead to; nil is the system's.
	Roots func() *x509.CertPool
	// Resolver of host names; nil is the system's.
	Resolver Resolver
	// Patience with a connection, a handshake or an answer; 0 is 5 s.
	Patience time.Duration
}

const (
	// timeout of all of a report.
	timeout = 40 * time.Second
	// mostAddresses of a family are tried.
	mostAddresses = 2
)

// step bounds one step of a dial.
func (d *Dialler) step(ctx context.Context) (context.Context, context.CancelFunc) {
	patience := d.Patience
	if patience <= 0 {
		patience = 5 * time.Second
	}
	return context.WithTimeout(ctx, patience)
}

// Dial looks at everything that an edge announces. What it says of several URLs
// is the worst.
func (d *Dialler) Dial(ctx context.Context, target *meta.Edge) meta.DialReport {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var out meta.DialReport
	for _, base := range []string{target.TLSURL, target.URL} {
		if base == "" {
			continue
		}
		u, err := url.Parse(base)
		if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
			worst(&out.IPv4, failed("%q is no URL", base))
			continue
		}
		r := d.dialURL(ctx, u, target)
		worst(&out.IPv4, r.IPv4)
		worst(&out.IPv6, r.IPv6)
		worst(&out.Certificate, r.Certificate)
		worst(&out.Key, r.Key)
		worst(&out.HTTP3, r.HTTP3)
	}
	out.Target = target.ID
	return out
}

// dialURL tries each address of a URL's host until one of its family answers.
func (d *Dialler) dialURL(ctx context.Context, u *url.URL, target *meta.Edge) meta.DialReport {
	r := meta.DialReport{Key: untried("nothing answers")}
	if u.Scheme == "https" {
		r.Certificate = untried("nothing answers")
	}
	best := probe{key: r.Key, certificate: r.Certificate}
	for _, family := range []struct {
		network, name string
		result        *meta.DialResult
	}{{"ip4", "IPv4", &r.IPv4}, {"ip6", "IPv6", &r.IPv6}} {
		addresses, err := d.lookup(ctx, family.network, u.Hostname())
		if err != nil {
			*family.result = untried("the name was not resolved: %v", err)
			continue
		}
		for _, address := range addresses[:min(len(addresses), mostAddresses)] {
			p := d.probe(ctx, u, address, family.name, target)
			*family.result = p.tcp
			if p.tcp.Outcome != meta.DialOK {
				continue
			}
			// What is wrong behind any address is wrong.
			if best.tcp.Outcome != meta.DialOK {
				best = p
			} else {
				worst(&best.certificate, p.certificate)
				worst(&best.key, p.key)
			}
			break
		}
	}
	if r.IPv4.Outcome == meta.NotAnnounced && r.IPv6.Outcome == meta.NotAnnounced {
		r.IPv4 = failed("%s has no address", u.Hostname())
	}
	r.Certificate, r.Key = best.certificate, best.key
	if port, offered := offersHTTP3(best.altSvc); offered && u.Scheme == "https" && best.key.Outcome == meta.DialOK {
		r.HTTP3 = d.http3(ctx, u, netip.AddrPortFrom(best.address, port), target)
	}
	return r
}

// lookup finds a host's addresses of a family; none is no error.
func (d *Dialler) lookup(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if address, err := netip.ParseAddr(host); err == nil {
		address = address.Unmap()
		if address.Is4() != (network == "ip4") {
			return nil, nil
		}
		return []netip.Addr{address}, nil
	}
	var resolver Resolver = net.DefaultResolver
	if d.Resolver != nil {
		resolver = d.Resolver
	}
	ctx, cancel := d.step(ctx)
	defer cancel()
	addresses, err := resolver.LookupNetIP(ctx, network, host)
	var none *net.DNSError
	if errors.As(err, &none) && none.IsNotFound {
		return nil, nil // no such name, or none of the family
	}
	return addresses, err
}

func (d *Dialler) roots() *x509.CertPool {
	if d.Roots == nil {
		return nil
	}
	return d.Roots()
}

// question is what is asked of a node, and the nonce that it must sign.
func question(u *url.URL) (address, nonce string) {
	nonce = rand.Text()
	return strings.TrimSuffix(u.String(), "/") + Path + "?nonce=" + nonce, nonce
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "http":
		return "80"
	}
	return "443"
}

// worst keeps the worse of two results.
func worst(have *meta.DialResult, also meta.DialResult) {
	rank := [...]int{meta.NotAnnounced: 0, meta.DialOK: 1, meta.DialUntried: 2, meta.DialFailed: 3}
	if rank[also.Outcome] > rank[have.Outcome] {
		*have = also
	}
}

func passed() meta.DialResult { return meta.DialResult{Outcome: meta.DialOK} }

func failed(format string, args ...any) meta.DialResult {
	return meta.DialResult{Outcome: meta.DialFailed, Detail: detail(format, args...)}
}

func untried(format string, args ...any) meta.DialResult {
	return meta.DialResult{Outcome: meta.DialUntried, Detail: detail(format, args...)}
}

// detail keeps within what a beat may carry.
func detail(format string, args ...any) string {
	text := fmt.Sprintf(format, args...)
	return strings.ToValidUTF8(text[:min(len(text), meta.MaxDialDetail)], "")
}
