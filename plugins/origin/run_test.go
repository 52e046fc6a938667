package caddyorigin

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/metrics"

	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/origin/apikey"
	"github.com/stratos-mesh/stratos/origin/origintest"
)

// stratos stands in for the app of that name, which belongs to another room.
// Its network is found by its folder, over changes of the configuration.
type stratos struct {
	DataDir string `json:"dir"`
	net     *origintest.Net
	key     ed25519.PrivateKey
}

var networks = map[string]*origintest.Net{} // by folder; one test uses it

func (stratos) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "stratos", New: func() caddy.Module { return new(stratos) }}
}

func (s *stratos) Provision(caddy.Context) (err error) {
	s.net = networks[s.DataDir]
	s.key, err = nodeauth.LoadOrCreate(filepath.Join(s.DataDir, "node.key"))
	return err
}

func (*stratos) Start() error               { return nil }
func (*stratos) Stop() error                { return nil }
func (s *stratos) Dir() string              { return s.DataDir }
func (s *stratos) Key() ed25519.PrivateKey  { return s.key }
func (s *stratos) Signer() *nodeauth.Signer { return nodeauth.NewSigner(s.key) }
func (s *stratos) HTTPClient() *http.Client { return s.net.HTTP }
func (s *stratos) Meta() meta.Meta {
	return struct {
		*origintest.Meta
		meta.Issuer
		meta.Nodes
		meta.Operator
	}{Meta: s.net.Meta}
}

func TestMain(m *testing.M) {
	caddy.RegisterModule(stratos{})
	os.Exit(m.Run())
}

// configuration is a whole one, in which an origin listens on a unix socket.
func configuration(t *testing.T, dir string, options map[string]any) []byte {
	t.Helper()
	handler := map[string]any{"handler": "stratos_origin"}
	for name, value := range options {
		handler[name] = value
	}
	text, err := json.Marshal(map[string]any{
		"admin":   map[string]any{"disabled": true},
		"logging": map[string]any{"logs": map[string]any{"default": map[string]any{"level": "PANIC"}}},
		"apps": map[string]any{
			"stratos": map[string]any{"dir": dir},
			"http": map[string]any{"servers": map[string]any{"origin": map[string]any{
				"listen": []string{"unix/" + filepath.Join(dir, "http")},
				"routes": []any{
					map[string]any{"match": []any{map[string]any{"path": []string{"/metrics"}}}, "handle": []any{map[string]any{"handler": "metrics"}}},
					map[string]any{"handle": []any{handler, map[string]any{"handler": "static_response", "body": "next"}}},
				},
			}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// film has the origin make a video, in the process that it starts for that.
func film(t *testing.T, network *origintest.Net, send func(string, string, io.Reader) (int, string)) {
	t.Helper()
	clip := filepath.Join(t.TempDir(), "clip.mp4")
	make := exec.Command("ffmpeg", "-hide_banner", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=6",
		"-f", "lavfi", "-i", "sine=frequency=440:duration=6", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", clip)
	if text, err := make.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v: %s (these tests need ffmpeg; make setup installs it)", err, text)
	}
	source, err := os.ReadFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	var asset struct{ ID, State string }
	status, text := send("POST", "/v1/assets", strings.NewReader(`{"name":"demo/film"}`))
	if err := json.Unmarshal([]byte(text), &asset); status != http.StatusCreated || err != nil {
		t.Fatalf("POST: %d %s", status, text)
	}
	if status, text := send("PUT", "/v1/assets/"+asset.ID+"/source", bytes.NewReader(source)); status != http.StatusAccepted {
		t.Fatalf("PUT of the source: %d %s", status, text)
	}
	// The stream of events ends when the asset is settled.
	if _, text = send("GET", "/v1/assets/"+asset.ID+"/events", nil); !strings.Contains(text, `"state":"ready"`) {
		t.Fatalf("events: %s", text)
	}
	if status, text := send("GET", "/v1/files/demo/film/master.m3u8?content=1", nil); status != http.StatusOK || !strings.HasPrefix(text, "#EXTM3U") {
		t.Errorf("the playlist: %d %s", status, text)
	}
	if n := len(network.Meta.Published()); n == 0 {
		t.Error("nothing was published")
	}
}

// Caddy is one a process, so these are steps of one test.
func TestAnOriginInCaddy(t *testing.T) {
	dir := t.TempDir()
	network := origintest.Start(t, 3)
	networks[dir] = network
	keys := filepath.Join(dir, "keys.json")
	token, err := apikey.Create(keys, apikey.Key{Scopes: []apikey.Scope{apikey.Admin}, Namespaces: []string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "http"))
	}}
	defer transport.CloseIdleConnections()
	send := func(method, path string, body io.Reader) (int, string) {
		t.Helper()
		r, err := http.NewRequest(method, "http://origin"+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		return resp.StatusCode, string(text)
	}
	load := func(options map[string]any) {
		t.Helper()
		var config caddy.Config
		if err := json.Unmarshal(configuration(t, dir, options), &config); err != nil {
			t.Fatal(err)
		}
		if err := caddy.Run(&config); err != nil {
			t.Fatal(err)
		}
	}
	load(map[string]any{"keys": keys})
	stopped := false
	defer func() {
		if !stopped {
			_ = caddy.Stop()
		}
	}()

	if status, text := send("PUT", "/v1/files/demo/a", strings.NewReader("hello")); status != http.StatusCreated {
		t.Fatalf("PUT: %d %s", status, text)
	}
	if status, text := send("GET", "/elsewhere", nil); status != http.StatusOK || text != "next" {
		t.Errorf("a path that is not ours: %d %q, want the next handler's", status, text)
	}
	if _, text := send("GET", "/metrics", nil); !strings.Contains(text, `stratos_origin_published_total{dir="`+filepath.Join(dir, "origin")+`"} 1`) {
		t.Error("/metrics does not show the publication")
	}

	// A reload in the middle of an upload breaks nothing.
	r, w := io.Pipe()
	type outcome struct {
		status int
		text   string
	}
	done := make(chan outcome, 1)
	go func() {
		status, text := send("PUT", "/v1/files/demo/during", r)
		done <- outcome{status, text}
	}()
	half := strings.Repeat("0123456789abcdef", 2<<20/16)
	_, _ = io.WriteString(w, half)
	reloaded := make(chan struct{})
	go func() {
		defer close(reloaded)
		load(map[string]any{"keys": keys, "max_upload": 5 << 20})
	}()
	_, _ = io.WriteString(w, half)
	_ = w.Close()
	if got := <-done; got.status != http.StatusCreated {
		t.Errorf("an upload during a reload: %d %s", got.status, got.text)
	}
	<-reloaded
	if status, text := send("GET", "/v1/files/demo/during?content=1", nil); status != http.StatusOK || text != half+half {
		t.Errorf("after the reload: %d, %d bytes", status, len(text))
	}
	if status, text := send("PUT", "/v1/files/demo/large", strings.NewReader(strings.Repeat("x", 5<<20+1))); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a new limit after the reload: %d %s", status, text)
	}
	if n, there := pool.References(filepath.Join(dir, "origin")); !there || n != 1 {
		t.Errorf("%d configurations hold the origin, want 1", n)
	}

	// Checking a configuration beside the running origin disturbs nothing.
	for _, c := range []struct {
		sentence string
		options  map[string]any
		want     string
	}{
		{"a good one", map[string]any{"keys": keys}, ""},
		{"no keys", nil, "keys is missing"},
		{"keys that cannot be read", map[string]any{"keys": dir}, "API keys"},
		{"an unknown option", map[string]any{"keys": keys, "speed": 1}, "speed"},
		{"a negative limit", map[string]any{"keys": keys, "rate": -1}, "rate is -1"},
	} {
		var config caddy.Config
		if err := json.Unmarshal(configuration(t, dir, c.options), &config); err != nil {
			t.Fatal(err)
		}
		err := caddy.Validate(&config)
		if got := fmt.Sprint(err); (err == nil) != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.sentence, err, c.want)
		}
	}
	if status, _ := send("GET", "/v1/files/demo/a", nil); status != http.StatusOK {
		t.Errorf("after validating: %d", status)
	}
	film(t, network, send)
	stopped = true
	if err := caddy.Stop(); err != nil {
		t.Error(err)
	}
	if _, there := pool.References(filepath.Join(dir, "origin")); there {
		t.Error("the origin is still held after the end")
	}
}
