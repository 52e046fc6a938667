package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"

	"github.com/stratos-mesh/stratos/meta/viewstore/viewstoretest"
)

// doctor runs the command with --json and returns the findings by their names.
func doctor(t *testing.T, args ...string) (code int, found map[string]finding) {
	t.Helper()
	code, out, errOut := run(t, append([]string{"doctor", "--json"}, args...)...)
	found = map[string]finding{}
	for line := range strings.Lines(out) {
		var f finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%q: %v (%s)", line, err, errOut)
		}
		if f.Result != "ok" && f.Fix == "" {
			t.Errorf("%s is %s and says no fix: %s", f.Check, f.Result, f.Detail)
		}
		found[f.Check] = f
	}
	return code, found
}

func geoFile(t *testing.T, built time.Time) string {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Test-City", BuildEpoch: built.Unix()})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "city.mmdb")
	f, err := os.Create(path)
	if err == nil {
		_, err = tree.WriteTo(f)
	}
	if err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	return path
}

func TestDoctorLooksAtWhatACaddyfileNames(t *testing.T) {
	t.Parallel()
	server := viewstoretest.StartServer(t)
	fresh, old := geoFile(t, time.Now()), geoFile(t, time.Now().AddDate(-1, 0, 0))
	if err := os.Rename(old, filepath.Join(filepath.Dir(fresh), "old.mmdb")); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(filepath.Dir(fresh), "Caddyfile")
	text := "example.net {\n stratos_meta {\n  redis " + server.URL() + "\n }\n stratos_router {\n  geoip city.mmdb old.mmdb\n }\n}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, found := doctor(t, "--config", config)
	if f := found["redis "+server.Addr]; f.Result != "ok" || !strings.Contains(f.Detail, "version ") || code != exitOK {
		t.Errorf("code %d, Redis: %+v", code, f)
	}
	if f := found["geoip city.mmdb"]; f.Result != "ok" {
		t.Errorf("a new database: %+v", f)
	}
	if f := found["geoip old.mmdb"]; f.Result != "warn" || !strings.Contains(f.Fix, "geo update") {
		t.Errorf("a database of last year: %+v", f)
	}

	text = "redis redis://:secret@127.0.0.1:1\ngeoip none.mmdb\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, found = doctor(t, "--config", config)
	if f := found["redis 127.0.0.1:1"]; f.Result != "fail" || code != exitFailed || strings.Contains(f.Detail, "secret") {
		t.Errorf("code %d, no Redis: %+v", code, f)
	}
	if f := found["geoip none.mmdb"]; f.Result != "fail" {
		t.Errorf("no database: %+v", f)
	}
}

func TestDoctorLooksAtAServer(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late/readyz" {
			w.Header().Set("Date", time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat))
		}
		if r.URL.Path == "/starting/readyz" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	code, found := doctor(t, "--ca", ca, "--url", s.URL)
	if code != exitOK || found[s.URL].Result != "ok" || found["clock "+s.URL].Result != "ok" || found["certificate "+s.URL].Result != "ok" {
		t.Errorf("all is well: code %d, %+v", code, found)
	}
	code, found = doctor(t, "--ca", ca, "--url", s.URL+"/late")
	if f := found["clock "+s.URL+"/late"]; code != exitFailed || f.Result != "fail" || !strings.Contains(f.Fix, "NTP") {
		t.Errorf("a late clock: code %d, %+v", code, f)
	}
	if code, found = doctor(t, "--ca", ca, "--url", s.URL+"/starting"); code != exitFailed || found[s.URL+"/starting"].Result != "fail" {
		t.Errorf("a node that is not ready: code %d, %+v", code, found)
	}
	code, found = doctor(t, "--url", s.URL)
	if f := found["certificate "+s.URL]; code != exitFailed || !strings.Contains(f.Detail, "trust") {
		t.Errorf("an unknown authority: code %d, %+v", code, f)
	}
}

func TestEachThingWrongWithACertificateHasItsSentence(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, DNSNames: []string{"edge.example.net"},
		NotBefore: begin, NotAfter: begin.AddDate(0, 0, 90), IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(leaf)
	for name, c := range map[string]struct {
		host         string
		roots        *x509.CertPool
		day          int
		result, says string
	}{
		"a good one":                     {"edge.example.net", trusted, 10, "ok", "80.0 days left"},
		"one that should be renewed":     {"edge.example.net", trusted, 80, "warn", "renewed"},
		"one that has expired":           {"edge.example.net", trusted, 100, "fail", "expired 10.0 days ago"},
		"one of tomorrow":                {"edge.example.net", trusted, -1, "fail", "not valid before"},
		"one of another host":            {"other.example.net", trusted, 10, "fail", "other.example.net"},
		"one of an authority of its own": {"edge.example.net", x509.NewCertPool(), 10, "fail", "trust"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := judgeCertificate("x", c.host, []*x509.Certificate{leaf}, c.roots, begin.AddDate(0, 0, c.day))
			if f.Result != c.result || !strings.Contains(f.Detail, c.says) || (f.Result != "ok") != (f.Fix != "") {
				t.Errorf("got %+v, want %s and %q", f, c.result, c.says)
			}
		})
	}
}

func TestARedisThatIsOldOrFarAway(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		version string
		took    time.Duration
		want    string
	}{
		"a new one":                {"8.0.2", time.Millisecond, "ok"},
		"an old one":               {"5.0.14", time.Millisecond, "fail"},
		"one that says no version": {"", time.Millisecond, "fail"},
		"one on another continent": {"7.2.4", 90 * time.Millisecond, "warn"},
	} {
		if f := judgeRedis("x", c.version, c.took); f.Result != c.want {
			t.Errorf("%s: got %+v, want %s", name, f, c.want)
		}
	}
}
