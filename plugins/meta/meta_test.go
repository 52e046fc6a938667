package caddymeta

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/metrics"

	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/metahttp"
)

var update = flag.Bool("update", false, "write testdata/*.json anew")

// stratos stands in for the app of that name, which belongs to another room.
type stratos struct {
	DataDir string `json:"dir"`
	key     ed25519.PrivateKey
}

func (stratos) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "stratos", New: func() caddy.Module { return new(stratos) }}
}

func (s *stratos) Provision(caddy.Context) (err error) {
	s.key, err = nodeauth.LoadOrCreate(filepath.Join(s.DataDir, "node.key"))
	return err
}

func (*stratos) Start() error              { return nil }
func (*stratos) Stop() error               { return nil }
func (s *stratos) Dir() string             { return s.DataDir }
func (s *stratos) Key() ed25519.PrivateKey { return s.key }
func (*stratos) Development() bool         { return true }

func TestMain(m *testing.M) {
	caddy.RegisterModule(stratos{})
	os.Exit(m.Run())
}

// configuration is a whole one, in which a meta node listens on a unix socket.
func configuration(t *testing.T, dir string, options map[string]any) []byte {
	t.Helper()
	handler := map[string]any{"handler": "stratos_meta"}
	for name, value := range options {
		handler[name] = value
	}
	text, err := json.Marshal(map[string]any{
		"admin":   map[string]any{"disabled": true},
		"logging": map[string]any{"logs": map[string]any{"default": map[string]any{"level": "PANIC"}}},
		"apps": map[string]any{
			"stratos": map[string]any{"dir": dir},
			"http": map[string]any{"servers": map[string]any{"meta": map[string]any{
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

// overSocket is a client whose every request goes to a configuration's socket.
func overSocket(dir string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "http"))
		},
	}}
}

func fetch(t *testing.T, client *http.Client, path string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://meta"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func operatorKey(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

func keyID(n byte) string { return nodeauth.KeyID(operatorKey(n).Public().(ed25519.PublicKey)) }

func options(operators ...string) map[string]any {
	return map[string]any{"chain_id": "test-1", "authority": 1, "operators": operators}
}

// Not parallel: a process has one Caddy.
func TestMetaNodeInCaddy(t *testing.T) {
	dir, err := os.MkdirTemp("", "meta") // a short path: sockets have 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := caddy.Load(configuration(t, dir, options(keyID(1))), true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
		if n, running := pool.References(filepath.Join(dir, "meta")); running {
			t.Errorf("the meta node is held %d times after the end", n)
		}
	})
	client := overSocket(dir)
	asOperator := func(n byte) *metahttp.Client {
		return metahttp.NewClient(metahttp.ClientConfig{
			URLs: []string{"http://meta"}, Signer: nodeauth.NewSigner(operatorKey(n)), HTTP: client,
		})
	}

	t.Run("it answers about its health, and leaves the rest to the next handler", func(t *testing.T) {
		for path, want := range map[string]string{
			"/healthz": `"status":"ok"`, "/readyz": `"ready":true`, "/else": "next", "/stratos.meta.v1.Index/Nothing": "404",
			"/metrics": "stratos_meta_journal_height",
		} {
			if status, body := fetch(t, client, path); !strings.Contains(body, want) && !strings.Contains(fmt.Sprint(status), want) {
				t.Errorf("%s: %d %s, want %s", path, status, body, want)
			}
		}
	})
	key := operatorKey(9).Public().(ed25519.PublicKey)
	edge := meta.Admission{Kind: meta.EdgeNode, Key: key, Edge: meta.Edge{URL: "http://127.0.0.2:80", Region: "eu", Operator: "op", Weight: 1}}
	t.Run("an operator admits, a stranger does not", func(t *testing.T) {
		if id, err := asOperator(1).Admit(t.Context(), edge); err != nil || id == 0 {
			t.Errorf("admitted as %d, %v", id, err)
		}
		if _, err := asOperator(2).Status(t.Context()); !errors.Is(err, meta.ErrForbidden) {
			t.Errorf("a stranger: %v, want %v", err, meta.ErrForbidden)
		}
	})
	t.Run("the metrics tell of the edge", func(t *testing.T) {
		_, body := fetch(t, client, "/metrics")
		for _, want := range []string{`stratos_meta_edges{state="joining"} 1`, `stratos_meta_edges{state="live"} 0`, "stratos_repair_halted 0", "stratos_meta_up 1"} {
			if !strings.Contains(body, want) {
				t.Errorf("want %s in\n%s", want, body)
			}
		}
	})
	t.Run("checking a configuration leaves the running one alone", func(t *testing.T) {
		var config caddy.Config
		if err := json.Unmarshal(configuration(t, dir, options(keyID(1))), &config); err != nil {
			t.Fatal(err)
		}
		if err := caddy.Validate(&config); err != nil {
			t.Error(err)
		}
		if _, err := asOperator(1).Status(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("a hundred reloads keep the meta node open, and change its operators", func(t *testing.T) {
		before := held(t, dir)
		for i := range 100 {
			if err := caddy.Load(configuration(t, dir, options(keyID(byte(1+i%2)))), true); err != nil {
				t.Fatal(err)
			}
		}
		if after := held(t, dir); after != before {
			t.Error("it was opened anew")
		}
		if status, err := asOperator(2).Status(t.Context()); err != nil || len(status.Edges) != 1 {
			t.Errorf("the new operator: %+v, %v", status, err)
		}
		if _, err := asOperator(1).Status(t.Context()); !errors.Is(err, meta.ErrForbidden) {
			t.Errorf("the former operator: %v, want %v", err, meta.ErrForbidden)
		}
		if n, _ := pool.References(filepath.Join(dir, "meta")); n != 1 {
			t.Errorf("held %d times", n)
		}
	})
	t.Run("a reload ends calls that wait, with what there is", func(t *testing.T) {
		network, err := asOperator(2).Network(t.Context(), 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		began, got := time.Now(), make(chan error, 1)
		go func() {
			again, err := asOperator(2).Network(t.Context(), network.Version, metahttp.MaxWait)
			if err == nil && again.ChainID != "test-1" {
				err = fmt.Errorf("got %+v", again)
			}
			got <- err
		}()
		for {
			if err := caddy.Load(configuration(t, dir, options(keyID(2))), true); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-got:
				if err != nil || time.Since(began) > metahttp.MaxWait/2 {
					t.Errorf("%v after %s", err, time.Since(began))
				}
				return
			default:
			}
		}
	})
	t.Run("a configuration with a mistake leaves the running one alone", func(t *testing.T) {
		if err := caddy.Load(configuration(t, dir, options("no key")), true); err == nil {
			t.Error("it was taken")
		}
		if _, err := asOperator(2).Status(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func held(t *testing.T, dir string) *running {
	t.Helper()
	var out *running
	pool.Range(func(key, value any) bool {
		if key == filepath.Join(dir, "meta") {
			out = value.(*running)
		}
		return true
	})
	if out == nil {
		t.Fatal("no meta node is open")
	}
	return out
}

func TestEveryMistakeHasASentence(t *testing.T) {
	t.Parallel()
	good := func() *Handler {
		return &Handler{ChainID: "test-1", Authority: 1, Operators: []string{keyID(1)}}
	}
	if err := good().check(); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for want, change := range map[string]func(*Handler){
		"chain_id is missing":               func(h *Handler) { h.ChainID = "" },
		`chain_id "a b" cannot name`:        func(h *Handler) { h.ChainID = "a b" },
		"authority is missing":              func(h *Handler) { h.Authority = 0 },
		"operator is missing":               func(h *Handler) { h.Operators = nil },
		"want 43 characters":                func(h *Handler) { h.Operators = []string{"x"} },
		"operator_name has 300 bytes":       func(h *Handler) { h.OperatorName = strings.Repeat("x", 300) },
		"replicas is -1: want 1 to":         func(h *Handler) { h.Replicas = -1 },
		"replicas is 1000: want 1 to":       func(h *Handler) { h.Replicas = 1000 },
		"grace is -1ns":                     func(h *Handler) { h.Grace = -1 },
		"epoch is 1ns":                      func(h *Handler) { h.Epoch = 1 },
		"begins with redis://":              func(h *Handler) { h.Redis = "localhost:6379" },
		`"router.example" is not a URL`:     func(h *Handler) { h.Routers = []string{"router.example"} },
		`"ftp://meta.example" is not a URL`: func(h *Handler) { h.Metas = []string{"ftp://meta.example"} },
	} {
		h := good()
		change(h)
		if err := h.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if err := new(Handler).check(); strings.Count(err.Error(), "stratos_meta:") != 3 {
		t.Errorf("an empty one should tell all three mistakes: %v", err)
	}
}

func TestAdapt(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.caddyfile")
	if err != nil || len(files) == 0 {
		t.Fatal("no files to adapt", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			input, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt(input, map[string]any{"filename": "Caddyfile"})
			if err != nil || len(warnings) != 0 {
				t.Fatal(err, warnings)
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, got, "", "\t"); err != nil {
				t.Fatal(err)
			}
			pretty.WriteByte('\n')
			golden := strings.TrimSuffix(file, ".caddyfile") + ".json"
			if *update {
				if err := os.WriteFile(golden, pretty.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(pretty.Bytes(), want) {
				t.Errorf("adapts to\n%s, want\n%s", pretty.Bytes(), want)
			}
		})
	}
}

func TestAdaptRefuses(t *testing.T) {
	t.Parallel()
	for block, want := range map[string]string{
		"colour red":             `unknown option "colour"`,
		"chain_id a\nchain_id b": "chain_id stands there twice",
		"chain_id":               "chain_id needs a value",
		"chain_id a b":           `chain_id takes one value, and there is also "b"`,
		"authority x":            "want a number from 1 to 65535",
		"authority 65536":        "want a number from 1 to 65535",
		"replicas many":          `replicas is "many"`,
		"grace soon":             `grace is "soon"`,
		"epoch -":                `epoch is "-"`,
		"operator":               "operator needs a value",
		"chain_id a {\n\tx\n}":   "",
	} {
		_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(fmt.Appendf(nil, "http://meta {\n\tstratos_meta {\n%s\n}\n}\n", block), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", block, err, want)
		}
	}
	if _, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte("http://meta {\n\tstratos_meta x\n}\n"), nil); err == nil {
		t.Error("an argument before the block was taken")
	}
}
