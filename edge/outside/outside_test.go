package outside

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/meta"
)

const chain = "outside-test"

func key(name string) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, name)
	return ed25519.NewKeyFromSeed(seed)
}

func public(name string) ed25519.PublicKey { return key(name).Public().(ed25519.PublicKey) }

// identity answers as the node that a key belongs to.
func identity(name string, header http.Header) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != Path {
			http.NotFound(w, r)
			return
		}
		id := Identity{Role: "edge", ID: 3, Key: nodeauth.KeyID(public(name)), ChainID: chain}
		if err := id.Prove(key(name), r.URL.Query().Get("nonce")); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for field, values := range header {
			w.Header()[field] = values
		}
		_ = json.NewEncoder(w).Encode(id)
	}
}

// names resolve to what the test says; others there are not.
type names map[string][]string

func (n names) LookupNetIP(_ context.Context, network, host string) (out []netip.Addr, err error) {
	for _, text := range n[host] {
		if a := netip.MustParseAddr(text); a.Is4() == (network == "ip4") {
			out = append(out, a)
		}
	}
	switch {
	case host == "broken.test":
		return nil, &net.DNSError{Err: "server misbehaving", IsTemporary: true}
	case len(out) == 0:
		return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
	}
	return out, nil
}

func dialler(roots *x509.CertPool, hosts names) *Dialler {
	return &Dialler{
		ChainID: func() string { return chain }, Roots: func() *x509.CertPool { return roots }, Resolver: hosts, Patience: 2 * time.Second,
	}
}

// server is an edge with TLS, and HTTP/3 at the same port if the handler wants.
func server(t *testing.T, handler http.Handler) (s *httptest.Server, port string, roots *x509.CertPool) {
	t.Helper()
	s = httptest.NewTLSServer(handler)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s, u.Port(), roots
}

// unused is a port of TCP that nobody listens at.
func unused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return port
}

// short is a report as marks: + passed, ! failed, ? not tried, - not announced,
// in the order IPv4, IPv6, certificate, key, HTTP/3.
func short(r *meta.DialReport) (text string) {
	for _, part := range r.Parts() {
		text += string("-+!?"[part.Result.Outcome])
	}
	return text
}

func TestEachThingThatIsWrongIsToldApart(t *testing.T) {
	t.Parallel()
	_, good, roots := server(t, identity("edge", nil))
	_, stranger, strangerRoots := server(t, identity("stranger", nil))
	_, web, webRoots := server(t, http.RedirectHandler("https://example.com/", http.StatusFound))
	_, page, pageRoots := server(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }))
	plain := httptest.NewServer(identity("edge", nil))
	t.Cleanup(plain.Close)
	shut := unused(t)
	hosts := names{
		"example.com": {"127.0.0.1"}, "other.test": {"127.0.0.1"}, "six.test": {"::1"},
		"many.test": {"127.0.0.1"},
	}
	for name, c := range map[string]struct {
		edge  meta.Edge
		roots *x509.CertPool
		want  string
		says  string
	}{
		"all is well":                             {meta.Edge{TLSURL: "https://example.com:" + good}, roots, "+-++-", ""},
		"a bare address":                          {meta.Edge{TLSURL: "https://127.0.0.1:" + good}, roots, "+-++-", ""},
		"plain http has no certificate":           {meta.Edge{URL: plain.URL}, nil, "+--+-", ""},
		"both are asked":                          {meta.Edge{URL: plain.URL, TLSURL: "https://example.com:" + good}, roots, "+-++-", ""},
		"one of two is closed":                    {meta.Edge{URL: "http://127.0.0.1:" + shut, TLSURL: "https://example.com:" + good}, roots, "!-+?-", "TCP port " + shut + " refuses connections"},
		"a closed port":                           {meta.Edge{TLSURL: "https://example.com:" + shut}, roots, "!-??-", "TCP port " + shut + " refuses connections"},
		"a certificate of nobody's":               {meta.Edge{TLSURL: "https://example.com:" + good}, webRootsOnly(), "+-!?-", "unknown authority"},
		"a certificate of another host":           {meta.Edge{TLSURL: "https://other.test:" + good}, roots, "+-!?-", "other.test"},
		"no TLS at all":                           {meta.Edge{TLSURL: strings.Replace(plain.URL, "http:", "https:", 1)}, roots, "+-!?-", "TLS"},
		"another node":                            {meta.Edge{TLSURL: "https://example.com:" + stranger}, strangerRoots, "+-+!-", "somebody else answers"},
		"a web server that sends us elsewhere":    {meta.Edge{TLSURL: "https://example.com:" + web}, webRoots, "+-+!-", "Found"},
		"a web server":                            {meta.Edge{TLSURL: "https://example.com:" + page}, pageRoots, "+-+!-", "no node of this network"},
		"a name without an address":               {meta.Edge{TLSURL: "https://none.test"}, roots, "!-??-", "no address"},
		"a name server that fails is not counted": {meta.Edge{TLSURL: "https://broken.test"}, roots, "????-", "server misbehaving"},
		"no URL":            {meta.Edge{TLSURL: "ftp://x"}, roots, "!----", "no URL"},
		"nothing announced": {meta.Edge{}, roots, "-----", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.edge.ID, c.edge.Key = 3, public("edge")
			r := dialler(c.roots, hosts).Dial(t.Context(), &c.edge)
			var details string
			for _, part := range r.Parts() {
				details += part.Result.Detail + "; "
			}
			if got := short(&r); got != c.want || !strings.Contains(details, c.says) || r.Target != 3 {
				t.Errorf("%s, %s, want %s with %q", got, details, c.want, c.says)
			}
			if err := r.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

func webRootsOnly() *x509.CertPool { return x509.NewCertPool() }

// An edge that is only reached over one of its two families.
func TestFamiliesAreToldApart(t *testing.T) {
	t.Parallel()
	s, port, roots := server(t, identity("edge", nil))
	hosts := names{"example.com": {"127.0.0.1", "::1"}}
	edge := &meta.Edge{ID: 3, Key: public("edge"), TLSURL: "https://example.com:" + port}
	six := "!"
	if l, err := net.Listen("tcp6", "[::1]:0"); err != nil {
		six = "?" // this machine has none, and says so
	} else {
		_ = l.Close()
	}
	r := dialler(roots, hosts).Dial(t.Context(), edge)
	if got := short(&r); got != "+"+six+"++-" {
		t.Errorf("IPv6 closed: %s (%s)", got, r.IPv6.Detail)
	}
	if reached, told := r.Verdict(); !reached || !told {
		t.Error("clients fall back to IPv4, so it is reached")
	}
	l, err := net.Listen("tcp6", "[::1]:"+port)
	if err != nil {
		t.Skipf("no IPv6 here: %v", err)
	}
	other := &http.Server{Handler: identity("stranger", nil), TLSConfig: s.TLS.Clone(), ReadHeaderTimeout: time.Second}
	go func() { _ = other.ServeTLS(l, "", "") }()
	t.Cleanup(func() { _ = other.Close() })
	r = dialler(roots, hosts).Dial(t.Context(), edge)
	if got := short(&r); got != "+++!-" {
		t.Errorf("somebody else at its IPv6 address: %s", got)
	}
}

func TestHTTP3IsDialledWhereItIsOffered(t *testing.T) {
	t.Parallel()
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{"Alt-Svc": {fmt.Sprintf(`h2=":1", h3=":%d"; ma=2592000`, udp.LocalAddr().(*net.UDPAddr).Port)}}
	s, port, roots := server(t, identity("edge", header))
	quic := &http3.Server{Handler: identity("edge", nil), TLSConfig: http3.ConfigureTLSConfig(&tls.Config{Certificates: s.TLS.Certificates, MinVersion: tls.VersionTLS13})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = quic.Serve(udp)
	}()
	edge := &meta.Edge{ID: 3, Key: public("edge"), TLSURL: "https://example.com:" + port}
	d := dialler(roots, names{"example.com": {"127.0.0.1"}})
	r := d.Dial(t.Context(), edge)
	if got := short(&r); got != "+-+++" {
		t.Errorf("HTTP/3 answers: %s (%s)", got, r.HTTP3.Detail)
	}
	if err := quic.Close(); err != nil {
		t.Error(err)
	}
	<-served
	if err := udp.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	d.Patience = 300 * time.Millisecond
	r = d.Dial(t.Context(), edge)
	if got := short(&r); got != "+-++!" || !strings.Contains(r.HTTP3.Detail, "UDP port") {
		t.Errorf("UDP closed: %s (%s)", got, r.HTTP3.Detail)
	}
	if reached, told := r.Verdict(); !reached || !told {
		t.Error("without HTTP/3 it is reached all the same")
	}
}

func TestWhoseFaultItIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want meta.DialResult
	}{
		"no answer":          {context.DeadlineExceeded, failed("TCP port 443 does not answer")},
		"refused":            {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, failed("TCP port 443 refuses connections")},
		"no IPv6 of ours":    {&net.OpError{Op: "dial", Err: syscall.ENETUNREACH}, untried("the dialling edge has no IPv6")},
		"none at all":        {&net.OpError{Op: "dial", Err: syscall.EADDRNOTAVAIL}, untried("the dialling edge has no IPv6")},
		"a host that is off": {&net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}, failed("TCP port 443: %v", syscall.EHOSTUNREACH)},
	} {
		if got := closed("TCP", "443", "IPv6", c.err); got != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestAnIdentityIsNobodyElses(t *testing.T) {
	t.Parallel()
	var id Identity
	id.ChainID = chain
	if err := id.Prove(key("edge"), "abc"); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"another key":   id.Verify(public("other"), chain, "abc"),
		"another chain": id.Verify(public("edge"), "other", "abc"),
		"another nonce": id.Verify(public("edge"), chain, "abd"),
		"no signature":  (&Identity{Nonce: "abc"}).Verify(public("edge"), chain, "abc"),
	} {
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if err := id.Verify(public("edge"), chain, "abc"); err != nil {
		t.Error(err)
	}
}

func FuzzAltSvc(f *testing.F) {
	f.Add(`h3=":443"; ma=2592000`)
	f.Add(`h2="alt.example:8000", h3=":50781"`)
	f.Add(`clear`)
	f.Fuzz(func(t *testing.T, field string) {
		port, offered := offersHTTP3([]string{field})
		if offered != (port != 0) || offered && !strings.Contains(field, "h3=") {
			t.Errorf("%q: port %d, offered %v", field, port, offered)
		}
	})
}
