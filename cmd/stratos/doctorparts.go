package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/stratos-mesh/stratos/meta/viewstore"
)

// redisFinding asks a Redis for its version. The URL may have a password, which
// is never shown.
func redisFinding(ctx context.Context, address string) finding {
	name := "redis"
	if u, err := url.Parse(address); err == nil {
		name += " " + u.Host
	}
	store, err := viewstore.OpenRedis(address)
	if err != nil {
		return finding{name, "fail", err.Error(), "write it as redis://[USER:PASSWORD@]HOST:PORT[/DB]"}
	}
	defer store.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	version, took, err := store.Server(ctx)
	if err != nil {
		return finding{name, "fail", err.Error(), "is it running, the port open, the password right? The meta node answers nothing without it"}
	}
	return judgeRedis(name, version, took)
}

// oldestRedis is what our scripts are tested with.
const oldestRedis = 6

func judgeRedis(name, version string, took time.Duration) finding {
	f := finding{name, "ok", fmt.Sprintf("version %s answers in %s", version, took.Round(10*time.Microsecond)), ""}
	major := 0
	_, _ = fmt.Sscanf(version, "%d", &major) // 0 is too old as well
	switch {
	case major < oldestRedis:
		f.Result, f.Fix = "fail", fmt.Sprintf("install Redis %d or newer", oldestRedis)
	case took > 20*time.Millisecond:
		f.Result, f.Fix = "warn", "put it nearer to the meta node: every question about a name asks it"
	}
	return f
}

// geoFinding looks at the age of a GeoIP database: networks move.
func geoFinding(path string, now time.Time) finding {
	name := "geoip " + filepath.Base(path)
	db, err := maxminddb.Open(path)
	if err != nil {
		return finding{name, "fail", err.Error(), "fetch it with `stratos geo update --into " + filepath.Dir(path) + "`"}
	}
	defer db.Close()
	age := now.Sub(db.Metadata.BuildTime())
	f := finding{name, "ok", fmt.Sprintf("%s, %d days old", db.Metadata.DatabaseType, int(age.Hours()/24)), ""}
	if age > 60*24*time.Hour {
		f.Result, f.Fix = "warn", "fetch a new one with `stratos geo update --into "+filepath.Dir(path)+"`; a running router takes it at once"
	}
	return f
}

// certificateFinding looks at what a TLS address shows: good for its name, from
// an authority that is trusted here, and renewed in time.
func certificateFinding(ctx context.Context, name, address string, roots *x509.CertPool, now time.Time) finding {
	name = "certificate " + name
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return finding{name, "fail", fmt.Sprintf("%q is no URL", address), "write it as https://HOST[:PORT]"}
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	// Verified below, so that each thing that is wrong has its own sentence.
	dialer := tls.Dialer{Config: &tls.Config{ServerName: u.Hostname(), InsecureSkipVerify: true}} //nolint:gosec // see above
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return finding{name, "fail", err.Error(), "open TCP " + port + ", and look for certificate errors in the node's log"}
	}
	defer conn.Close()
	return judgeCertificate(name, u.Hostname(), conn.(*tls.Conn).ConnectionState().PeerCertificates, roots, now)
}

func judgeCertificate(name, host string, chain []*x509.Certificate, roots *x509.CertPool, now time.Time) finding {
	leaf := chain[0]
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	left := leaf.NotAfter.Sub(now)
	days := fmt.Sprintf("%.1f days left", left.Hours()/24)
	_, err := leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: between, CurrentTime: now})
	var unknown x509.UnknownAuthorityError
	var wrongName x509.HostnameError
	switch {
	case err == nil && left < leaf.NotAfter.Sub(leaf.NotBefore)/5:
		return finding{name, "warn", days + ": it should have been renewed by now", "look for ACME errors in the node's log; TCP 80 and 443 must be open from everywhere"}
	case err == nil:
		return finding{name, "ok", days, ""}
	case now.After(leaf.NotAfter):
		return finding{name, "fail", fmt.Sprintf("expired %.1f days ago", -left.Hours()/24), "look for ACME errors in the node's log; TCP 80 and 443 must be open from everywhere"}
	case now.Before(leaf.NotBefore):
		return finding{name, "fail", "not valid before " + leaf.NotBefore.Format(time.RFC3339), "set the clocks: run an NTP client"}
	case errors.As(err, &wrongName):
		return finding{name, "fail", err.Error(), "the site's address in the Caddyfile must be this host name"}
	case errors.As(err, &unknown):
		return finding{name, "fail", "browsers do not trust who signed it: " + leaf.Issuer.String(), "use a public authority (Caddy's default), or give --ca for a network of your own"}
	}
	return finding{name, "fail", err.Error(), "look at the node's log"}
}

// clockFinding compares our clock with the Date of an answer (whole seconds)
// that came between two times. Signatures between nodes allow 60 s.
func clockFinding(name, date string, sent, came time.Time) (finding, bool) {
	theirs, err := http.ParseTime(date)
	if err != nil {
		return finding{}, false
	}
	name = "clock " + name
	// Within the second that Date names, all is well.
	var off time.Duration
	switch {
	case came.Before(theirs):
		off = theirs.Sub(came)
	case sent.After(theirs.Add(time.Second)):
		off = sent.Sub(theirs.Add(time.Second))
	}
	f := finding{name, "ok", "within a second of ours", ""}
	if off > 0 {
		f.Detail = fmt.Sprintf("its clock is %s away from ours", off.Round(100*time.Millisecond))
	}
	const fix = "run an NTP client on both machines: signatures between nodes are good for 60 s"
	switch {
	case off > 30*time.Second:
		f.Result, f.Fix = "fail", fix
	case off > 5*time.Second:
		f.Result, f.Fix = "warn", fix
	}
	return f, true
}
