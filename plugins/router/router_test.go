package caddyrouter

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/metrics"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/receipt"
	"github.com/stratos-mesh/stratos/sds"
)

// fakeApp is the app `stratos` of these tests: a folder's name and the one fake
// meta node that all of its instances share.
type fakeApp struct {
	Folder string `json:"dir"`
}

func init() {
	caddy.RegisterModule(new(fakeApp))
}

func (*fakeApp) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "stratos", New: func() caddy.Module { return new(fakeApp) }}
}
func (a *fakeApp) Start() error             { return nil }
func (a *fakeApp) Stop() error              { return nil }
func (a *fakeApp) Dir() string              { return a.Folder }
func (a *fakeApp) Key() ed25519.PrivateKey  { return nil }
func (a *fakeApp) Development() bool        { return true }
func (a *fakeApp) Meta() meta.Meta          { return theMeta }
func (a *fakeApp) HTTPClient() *http.Client { return http.DefaultClient }

// theMeta is what the module under test cannot be handed otherwise.
var theMeta = &fakeMeta{}

// fakeMeta knows one object, two edges, and signs nothing.
type fakeMeta struct {
	meta.Meta
	resolves, issues, polls atomic.Int64
}

func (m *fakeMeta) Resolve(_ context.Context, path string) (meta.Resolution, error) {
	m.resolves.Add(1)
	if path != "pub/film.mp4" {
		return meta.Resolution{}, meta.ErrNotFound
	}
	root := sds.Sum(sds.Raw, []byte(path))
	return meta.Resolution{Record: meta.Record{
		Name: "pub/film.mp4", Kind: meta.Object, Root: root, Manifest: root, Size: 1000, Objects: 1, Units: []meta.UnitKey{{1}},
	}, Holders: []meta.EdgeID{1}}, nil
}

func (m *fakeMeta) Network(ctx context.Context, since uint64, wait time.Duration) (*meta.Network, error) {
	m.polls.Add(1)
	if since == 7 {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
	}
	return &meta.Network{Version: 7, Development: true, Edges: []meta.Edge{
		{ID: 1, URL: "http://frankfurt.test", TLSURL: "https://frankfurt.test", Lat: 50, Lon: 8, State: meta.Live},
		{ID: 2, URL: "http://singapore.test", TLSURL: "https://singapore.test", Lat: 1, Lon: 103, State: meta.Live},
	}}, nil
}

func (m *fakeMeta) Issue(_ context.Context, requests []meta.TicketRequest) ([]meta.Issued, error) {
	var out []meta.Issued
	for _, q := range requests {
		n := m.issues.Add(1)
		t := &receipt.Ticket{
			ID: receipt.NewTicketID(time.Now().Add(q.Lifetime), 1, [6]byte{byte(n)}), Class: q.Class, Bind: q.Root.Digest, MaxBytes: q.MaxBytes,
		}
		// The best edge first, so that the tests know it.
		for _, id := range q.Rest {
			t.Edges = append(t.Edges, uint32(id))
		}
		for _, id := range q.Working {
			t.Edges = append(t.Edges, uint32(id))
		}
		out = append(out, meta.Issued{Ticket: t, Text: t.Text()})
	}
	return out, nil
}

// load starts Caddy with a Caddyfile's site block and returns the site's URL.
func load(t *testing.T, dir, global, site string) (string, error) {
	t.Helper()
	text := fmt.Sprintf("{\n admin off\n auto_https off\n persist_config off\n grace_period 1s\n log default {\n  output discard\n }\n%s\n}\n"+
		"http://:0 {\n bind 127.0.0.1\n%s\n}\n", global, site)
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal(adapted, &config); err != nil {
		t.Fatal(err)
	}
	if dir != "" {
		config["apps"].(map[string]any)["stratos"] = fakeApp{Folder: dir}
	}
	whole, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(whole, true); err != nil {
		return "", err
	}
	app, err := caddy.ActiveContext().App("http")
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range app.(*caddyhttp.App).Servers {
		return "http://" + server.Listeners()[0].Addr().String(), nil
	}
	t.Fatal("no server")
	return "", nil
}

// get asks without following, until the router is ready.
func get(t *testing.T, url, forwarded string) (int, *http.Response) {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: &http.Transport{DisableKeepAlives: true}}
	deadline := time.Now().Add(10 * time.Second)
	for {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if forwarded != "" {
			req.Header.Set("X-Forwarded-For", forwarded)
		}
		answer, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusServiceUnavailable || time.Now().After(deadline) {
			return answer.StatusCode, answer
		}
	}
}

func zones(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "zones")
	if err := os.WriteFile(path, []byte("127.0.0.0/8 eu 50 8\n198.51.100.0/24 ap 1 103\n192.0.2.0/24 eu 50 8\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAForwardedAddressCountsOnlyFromATrustedProxy(t *testing.T) {
	t.Cleanup(func() { stop(t) })
	file := zones(t)
	trust := " servers {\n  trusted_proxies static 127.0.0.0/8\n  trusted_proxies_strict\n }\n"
	for _, test := range []struct{ name, global, forwarded, source, region string }{
		{"nobody is trusted", "", "198.51.100.7", "zones", "eu"},
		{"loopback is trusted", trust, "198.51.100.7", "zones", "ap"},
		{"the address nearest to the proxy counts, not what the client sent", trust, "198.51.100.7, 192.0.2.1", "zones", "eu"},
		{"no proxy at all", trust, "", "zones", "eu"},
		{"nonsense is no address", trust, "nonsense", "zones", "eu"},
	} {
		base, err := load(t, t.TempDir(), test.global, "stratos_router {\n zones "+file+"\n}")
		if err != nil {
			t.Fatal(err)
		}
		status, _ := get(t, base+"/pub/film.mp4", test.forwarded)
		if status != http.StatusTemporaryRedirect {
			t.Fatalf("%s: got status %d", test.name, status)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/v1/route/pub/film.mp4?ip=198.51.100.7", nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.forwarded != "" {
			req.Header.Set("X-Forwarded-For", test.forwarded)
		}
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var decision struct {
			Client struct{ Source, Region string }
		}
		if err := errors.Join(json.NewDecoder(answer.Body).Decode(&decision), answer.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if got := decision.Client; got.Source != test.source || got.Region != test.region {
			t.Errorf("%s: got %+v, want %s %s", test.name, got, test.source, test.region)
		}
	}
}

func TestTLSOfAProxyCountsOnlyWhenItIsTrusted(t *testing.T) {
	t.Cleanup(func() { stop(t) })
	trust := " servers {\n  trusted_proxies static 127.0.0.0/8\n  trusted_proxies_strict\n }\n"
	for _, test := range []struct{ name, global, proto, want string }{
		{"nobody is trusted", "", "https", "http:"},
		{"loopback is trusted", trust, "https", "https:"},
		{"the nearest proxy counts", trust, "https, http", "http:"},
		{"it says nothing", trust, "", "http:"},
	} {
		base, err := load(t, t.TempDir(), test.global, "stratos_router")
		if err != nil {
			t.Fatal(err)
		}
		get(t, base+"/pub/film.mp4", "") // it is ready
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/pub/film.mp4", nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.proto != "" {
			req.Header.Set("X-Forwarded-Proto", test.proto)
		}
		answer, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if got := answer.Header.Get("Location"); !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: sent to %q, want %s", test.name, got, test.want)
		}
	}
}

func TestAReloadForgetsNothing(t *testing.T) {
	t.Cleanup(func() { stop(t) })
	dir, site := t.TempDir(), "handle /metrics {\n metrics\n}\nstratos_router {\n zones "+zones(t)+"\n}"
	location := func() string {
		base, err := load(t, dir, "", site)
		if err != nil {
			t.Fatal(err)
		}
		_, answer := get(t, base+"/pub/film.mp4", "")
		to, err := url.Parse(answer.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		return to.Query().Get("t")
	}
	first := location()
	issued := theMeta.issues.Load()
	for range 10 {
		if again := location(); again != first {
			t.Fatalf("got another ticket after a reload: %s, then %s", first, again)
		}
	}
	if got := theMeta.issues.Load(); got != issued {
		t.Errorf("%d tickets were issued anew", got-issued)
	}
	if n, ok := memories.References(dir); !ok || n != 1 {
		t.Errorf("the memory is held %d times, want once", n)
	}
	base, err := load(t, dir, "", site)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Get(base + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`stratos_router_decisions_total{source="zones"} 1`, `stratos_router_tickets_total{outcome="issued"} 1`,
		`stratos_router_redirects_total{kind="object"} 11`, `stratos_router_edges{routable="true"} 2`,
		"stratos_router_decision_seconds_count 1", "stratos_router_snapshot_age_seconds ",
	} {
		if !strings.Contains(string(text), line) {
			t.Errorf("no %q among the metrics", line)
		}
	}
	stop(t)
	if n, ok := memories.References(dir); ok {
		t.Errorf("the memory is still held %d times", n)
	}
}

func TestAConfigurationThatCannotWorkIsRefused(t *testing.T) {
	t.Cleanup(func() { stop(t) })
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.mmdb")
	if err := os.WriteFile(broken, []byte("no database"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ dir, site, want string }{
		"no stratos block":        {"", "stratos_router", "no stratos block"},
		"a zones file not there":  {dir, "stratos_router {\n zones /nowhere/zones\n}", "/nowhere/zones"},
		"zones that are none":     {dir, "stratos_router {\n zones " + broken + "\n}", "line 1"},
		"a database not there":    {dir, "stratos_router {\n geoip /nowhere/x.mmdb\n}", "stratos geo update"},
		"a database that is none": {dir, "stratos_router {\n geoip " + broken + "\n}", "broken.mmdb"},
		"a default off the globe": {dir, "stratos_router {\n default 100 0\n}", "not on the globe"},
	} {
		if _, err := load(t, test.dir, "", test.site); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, test.want)
		}
	}
	if n, ok := memories.References(dir); ok {
		t.Errorf("a refused configuration still holds the memory %d times", n)
	}
}

func stop(t *testing.T) {
	t.Helper()
	if err := caddy.Stop(); err != nil {
		t.Error(err)
	}
}
