package caddyorigin

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestACaddyfileBecomesThisConfiguration(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/all.caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	out, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings {
		t.Errorf("warning: %s", w.Message)
	}
	var got bytes.Buffer
	if err := json.Indent(&got, out, "", "\t"); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	const golden = "testdata/all.json"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("adapted (-want +got):\n%s", diff)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ sentence, block, want string }{
		{"an unknown option", "{\n keys a\n speed 3\n}", `unknown option "speed"`},
		{"an option twice", "{\n keys a\n keys b\n}", "keys stands there twice"},
		{"an option without value", "{\n keys\n}", "keys needs a value"},
		{"two values", "{\n keys a b\n}", `there is also "b"`},
		{"something before the block", "here {\n keys a\n}", "takes a block"},
		{"a size that is none", "{\n max_upload many\n}", `max_upload "many"`},
		{"a number that is none", "{\n replicas few\n}", `replicas "few"`},
		{"a duration that is none", "{\n expire soon\n}", `expire "soon"`},
	} {
		err := new(Handler).UnmarshalCaddyfile(caddyfile.NewTestDispenser("stratos_origin " + c.block))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.sentence, err, c.want)
		}
	}
	for _, c := range []struct {
		sentence string
		handler  Handler
		want     string
	}{
		{"no keys", Handler{}, "keys is missing"},
		{"too many replicas", Handler{Keys: "k", Replicas: 65}, "replicas is 65"},
		{"a negative size", Handler{Keys: "k", Parts: -1}, "parts is -1"},
		{"too little memory", Handler{Keys: "k", Memory: 1}, "memory is 1 bytes"},
		{"a second", Handler{Keys: "k", Expire: 1e9}, "expire is 1s"},
		{"two mistakes at once", Handler{Rate: -1}, "rate is -1"},
	} {
		if err := c.handler.check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.sentence, err, c.want)
		}
	}
	good := Handler{Keys: "k"}
	if err := good.check(); err != nil {
		t.Errorf("a good one: %v", err)
	}
}

func TestPathsThatAreOurs(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"/v1/files/demo/a": true, "/v1/list": true, "/v1/uploads": true, "/v1/uploads/x/result": true, "/v1/bundles/": true,
		"/healthz": true, "/": false, "/v1/filesystem": false, "/v1": false, "/demo/v1/files/a": false,
	} {
		if got := ours(path); got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
}
