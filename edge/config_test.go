package edge

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/google/go-cmp/cmp"
)

// Every *.caddyfile in testdata adapts to the JSON beside it; run with
// UPDATE_GOLDEN=1 to write what it adapts to now.
func TestCaddyfilesAdapt(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.caddyfile")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if formatted := caddyfile.Format(text); string(formatted) != string(text) {
				t.Errorf("not as `fmt` writes it:\n%s", cmp.Diff(string(formatted), string(text)))
			}
			got, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range warnings {
				t.Error(w)
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, got, "", "\t"); err != nil {
				t.Fatal(err)
			}
			got = pretty.Bytes()
			golden := strings.TrimSuffix(file, "caddyfile") + "json"
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimSpace(string(want)), strings.TrimSpace(string(got))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestACaddyfileWithAMistakeSaysWhichAndWhere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"an option that there is not", "{\n stratos {\n  folder /x\n }\n}", `stratos has no option "folder"`},
		{"an argument too many", "{\n stratos x {\n }\n}", "unexpected"},
		{"the option twice", "{\n stratos {\n  dir /x\n }\n stratos {\n  dir /y\n }\n}", "given twice"},
		{"dir twice", "{\n stratos {\n  dir /x\n  dir /y\n }\n}", "dir is given twice"},
		{"dir without a folder", "{\n stratos {\n  dir\n }\n}", "wrong argument count"},
		{"meta without a URL", "{\n stratos {\n  meta\n }\n}", "wrong argument count"},
		{"development with an argument", "{\n stratos {\n  development yes\n }\n}", "wrong argument count"},
		{"a size that is none", "{\n stratos {\n  edge {\n   memory lots\n  }\n }\n}", `"lots" is not a size`},
		{"a rate that is none", "{\n stratos {\n  edge {\n   capacity 1GB\n  }\n }\n}", `"1GB" is not a rate`},
		{"an edge option that there is not", "{\n stratos {\n  edge {\n   ram 1GB\n  }\n }\n}", `edge has no option "ram"`},
		{"an edge option twice", "{\n stratos {\n  edge {\n   cached 1GB\n   cached 2GB\n  }\n }\n}", "cached is given twice"},
		{"an edge option without a value", "{\n stratos {\n  edge {\n   cached\n  }\n }\n}", "wrong argument count"},
		{"a directive with an argument", "http://localhost {\n stratos_edge x\n}", "wrong argument count"},
		{"a directive with options", "http://localhost {\n stratos_edge {\n  memory 1GB\n }\n}", "stratos_edge has no options"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(c.text), nil)
			if err == nil || !strings.Contains(err.Error(), c.want) && c.want != "unexpected" {
				t.Errorf("error %v, want it to say %q", err, c.want)
			}
		})
	}
}

func TestValidationTellsEveryMistakeInASentence(t *testing.T) {
	t.Parallel()
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(notPEM, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := func() *App {
		return &App{DataDir: "/x", MetaURLs: []string{"https://meta.example"}, Edge: &EdgeConfig{}}
	}
	for _, c := range []struct {
		name  string
		spoil func(*App)
		want  string
	}{
		{"nothing", func(*App) {}, ""},
		{"no dir", func(a *App) { a.DataDir = "" }, "dir is missing"},
		{"no meta node", func(a *App) { a.MetaURLs = nil }, "meta is missing"},
		{"no meta node on a node that is no edge", func(a *App) { a.MetaURLs, a.Edge = nil, nil }, ""},
		{"a meta node without a scheme", func(a *App) { a.MetaURLs[0] = "meta.example" }, "must begin with https://"},
		{"a meta node without a host", func(a *App) { a.MetaURLs[0] = "https:///x" }, "has no host"},
		{"a meta node that is no URL", func(a *App) { a.MetaURLs[0] = "https://[" }, "is not a URL"},
		{"plain http", func(a *App) { a.MetaURLs[0] = "http://meta.example" }, "only development networks allow"},
		{"plain http in development", func(a *App) { a.MetaURLs[0], a.Dev = "http://meta.example", true }, ""},
		{"a meta node with a query", func(a *App) { a.MetaURLs[0] += "?x" }, "without user, query or fragment"},
		{"a meta node twice", func(a *App) { a.MetaURLs = append(a.MetaURLs, a.MetaURLs[0]+"/") }, "named twice"},
		{"a ca that is not there", func(a *App) { a.CA = "/none.pem" }, "no such file"},
		{"a ca that is no PEM", func(a *App) { a.CA = notPEM }, "holds no certificate"},
		{"too little memory", func(a *App) { a.Edge.Memory = 1 << 20 }, "at least 8388608 are needed"},
		{"negative memory", func(a *App) { a.Edge.Memory = -1 }, "memory is -1"},
		{"negative pinned", func(a *App) { a.Edge.Pinned = -1 }, "pinned is -1"},
		{"negative cached", func(a *App) { a.Edge.Cached = -1 }, "cached is -1"},
		{"negative budget", func(a *App) { a.Edge.ServeUnticketed = -1 }, "serve_unticketed is -1"},
		{"negative capacity", func(a *App) { a.Edge.Capacity = -1 }, "capacity is -1"},
		{"a peer rate below a slice", func(a *App) { a.Edge.PeerRate = 1000 }, "would not let one slice pass"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := good()
			c.spoil(a)
			err := a.validate()
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v, want it to say %q", err, c.want)
			}
		})
	}
	a := good()
	a.DataDir, a.Edge.Memory, a.Edge.Cached = "", -1, -1
	if err := a.validate(); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("want three mistakes told at once: %v", err)
	}
}

func TestConfigIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/config/edge.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []reflect.Type{reflect.TypeFor[App](), reflect.TypeFor[EdgeConfig]()} {
		for i := range kind.NumField() {
			key, _, _ := strings.Cut(kind.Field(i).Tag.Get("json"), ",")
			if key != "" && !strings.Contains(string(page), "| `"+key+"` |") {
				t.Errorf("docs/config/edge.md lacks %q", key)
			}
		}
	}
}
