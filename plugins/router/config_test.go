package caddyrouter

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestACaddyfileBecomesThisConfiguration(t *testing.T) {
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
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
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

func TestMistakesInACaddyfileAreNamed(t *testing.T) {
	for name, test := range map[string]struct{ block, want string }{
		"an unknown option":          {"{\n speed 3\n}", `does not know "speed"`},
		"something before the block": {"here {\n}", `takes no "here" here`},
		"geoip without a file":       {"{\n geoip\n}", "geoip wants at least one file"},
		"zones twice":                {"{\n zones a\n zones b\n}", "zones stands here twice"},
		"two zones files":            {"{\n zones a b\n}", "zones wants one file"},
		"a default with one number":  {"{\n default 1\n}", "default wants latitude and longitude"},
		"a default that is no place": {"{\n default here there\n}", "default wants two numbers"},
	} {
		err := new(Handler).UnmarshalCaddyfile(caddyfile.NewTestDispenser("stratos_router " + test.block))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, test.want)
		}
	}
	for name, test := range map[string]struct {
		handler *Handler
		want    string
	}{
		"the same database twice":  {&Handler{GeoIP: []string{"a", "a"}}, "twice"},
		"a latitude off the globe": {&Handler{Default: &Place{Lat: 91}}, "not on the globe"},
	} {
		if err := test.handler.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, test.want)
		}
	}
}
