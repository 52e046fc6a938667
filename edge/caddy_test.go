package edge

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/metahttp"
)

// caddyLock: Caddy has one configuration a process.
var caddyLock sync.Mutex

// caddyEdge is an edge inside a real Caddy, with plain HTTP and TLS.
type caddyEdge struct {
	*testEdge
	plain, secure string // base URLs
	port          string // of TLS and HTTP/3
	roots         *x509.CertPool
	other         [2]string // a site without an edge, plain and TLS
	config        string
	dir           string
}

// withCaddy starts Caddy with an edge. Site is the other site's,
// global to the global options.
func (w *world) withCaddy(t testing.TB, global, site string) *caddyEdge {
	t.Helper()
	caddyLock.Lock()
	dir := t.TempDir()
	key, err := nodeauth.LoadOrCreate(filepath.Join(dir, "node.key"))
	if err != nil {
		t.Fatal(err)
	}
	signer := nodeauth.NewSigner(key)
	id := meta.EdgeID(len(w.edges) + 1)
	rpc := httptest.NewServer(metahttp.NewHandler(metahttp.HandlerConfig{Meta: w.meta, ChainID: testChain, WhoIs: w.whoIs}))
	plain, secure, otherPlain, otherSecure := freePort(t), freePort(t), freePort(t), freePort(t)
	cert, certKey, roots := certificate(t, dir)
	e := &caddyEdge{
		testEdge: &testEdge{id: id}, plain: "http://127.0.0.1:" + plain, secure: "https://127.0.0.1:" + secure,
		port: secure, roots: roots, dir: dir,
	}
	e.other = [2]string{"http://127.0.0.1:" + otherPlain, "https://127.0.0.1:" + otherSecure}
	e.server = &httptest.Server{URL: e.plain}
	w.meta.change(func(n *meta.Network) {
		n.Edges = append(n.Edges, meta.Edge{
			ID: id, Key: signer.Key(), URL: e.plain, TLSURL: e.secure, Region: "caddy", State: meta.Live, Weight: 1,
		})
	})
	e.config = fmt.Sprintf(`{
	admin off
	auto_https off
	grace_period 2s
	storage file_system %[1]s/caddy
	servers 127.0.0.1:%[3]s {
		listener_wrappers {
			stratos
		}
	}
	servers 127.0.0.1:%[4]s {
		listener_wrappers {
			stratos
		}
	}
	%[7]s
	stratos {
		dir %[1]s
		meta %[2]s
		development
		edge {
			pinned 10GB
		}
	}
}
http://127.0.0.1:%[3]s {
	bind 127.0.0.1
	stratos_edge
}
https://127.0.0.1:%[4]s {
	bind 127.0.0.1
	tls %[5]s %[6]s
	stratos_edge
}
http://127.0.0.1:%[9]s {
	bind 127.0.0.1
	%[8]s
}
https://127.0.0.1:%[10]s {
	bind 127.0.0.1
	tls %[5]s %[6]s
	%[8]s
}
`, dir, rpc.URL, plain, secure, cert, certKey, global, site, otherPlain, otherSecure)
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
		rpc.Close()
		caddyLock.Unlock()
	})
	e.load(t)
	list := nodes()
	if len(list) != 1 {
		t.Fatalf("%d edges run, want 1", len(list))
	}
	e.node = list[0]
	w.edges = append(w.edges, e.testEdge)
	w.settle()
	return e
}

// load gives Caddy the configuration, anew each time.
func (e *caddyEdge) load(t testing.TB) {
	t.Helper()
	adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(e.config), nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, e.config)
	}
	for _, warning := range warnings {
		if warning.Message != "Caddyfile input is not formatted; run 'caddy fmt --overwrite' to fix inconsistencies" {
			t.Log(warning)
		}
	}
	if err := caddy.Load(adapted, true); err != nil {
		t.Fatal(err)
	}
}

// client speaks TLS to the edge.
func (e *caddyEdge) client(h2 bool) *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: e.roots}, ForceAttemptHTTP2: h2, MaxIdleConnsPerHost: 64,
	}}
}

func (w *world) whoIs(key ed25519.PublicKey) (meta.NodeKind, meta.EdgeID, bool) {
	w.meta.mu.Lock()
	defer w.meta.mu.Unlock()
	for _, e := range w.meta.network.Edges {
		if e.Key.Equal(key) {
			return meta.EdgeNode, e.ID, true
		}
	}
	return 0, 0, false
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// certificate for 127.0.0.1, its own root.
func certificate(t testing.TB, dir string) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(parsed)
	return certFile, keyFile, roots
}
