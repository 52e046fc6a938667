package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// run executes a command line in process, in a folder of its own.
func run(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	env := map[string]string{"STRATOS_DIR": filepath.Join(t.TempDir(), "net"), "HOME": t.TempDir()}
	c := &cli{in: strings.NewReader(""), out: &stdout, err: &stderr, getenv: func(k string) string { return env[k] }, version: "test"}
	code = c.run(t.Context(), args)
	return code, stdout.String(), stderr.String()
}

func TestMistakesGetACodeAndWhatToDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args string
		code int
		says string
	}{
		"an unknown command suggests the nearest":    {"pt", exitUsage, "put"},
		"an unknown flag":                            {"ls --colour", exitUsage, "unknown flag"},
		"put without a name":                         {"put file", exitUsage, "FILE or DIR, and NAME"},
		"a video from a pipe":                        {"put --video - a-name/x --origin http://127.0.0.1:1", exitUsage, "a file"},
		"a video to wait for at an unknown point":    {"put --video x a-name/x --wait tea --origin http://127.0.0.1:1", exitUsage, "ready, playable"},
		"a video that is not there":                  {"put --video nope a-name/x --origin http://127.0.0.1:1", exitNotFound, "no such file"},
		"a title for a file":                         {"put cli.go a-name/x --title T --origin http://127.0.0.1:1", exitUsage, "--video"},
		"a ladder that is no folder":                 {"put --hls cli.go a-name/x --origin http://127.0.0.1:1", exitUsage, "no folder"},
		"a ladder to be made that is made":           {"put --hls --video x a-name/x --origin http://127.0.0.1:1", exitUsage, "one of them"},
		"a worker without an origin":                 {"worker", exitUsage, "--origin"},
		"a worker without a key":                     {"worker --origin http://127.0.0.1:1", exitUsage, "--key"},
		"a worker without jobs":                      {"worker --origin http://127.0.0.1:1 --jobs 0", exitUsage, "1 to 1024"},
		"a network that is not there":                {"ls", exitNotFound, "stratos up"},
		"a file that is not there":                   {"root no-such-file", exitNotFound, "no such file"},
		"several meta nodes need a chain":            {"up --metas 3", exitUsage, "chain"},
		"validators need a chain":                    {"up --validators 4", exitUsage, "chain"},
		"too many edges":                             {"up --edges 500", exitUsage, "1 to 200"},
		"no Redis":                                   {"up --redis localhost", exitUsage, "redis://"},
		"a router that is no URL":                    {"get a-name/x --router ftp://x", exitUsage, "https://HOST"},
		"a key file that is not there":               {"ls --origin http://127.0.0.1:1 --api-key-file nope", exitNotFound, "--api-key-file"},
		"a server that is not there":                 {"ls --origin http://127.0.0.1:1", exitUnreachable, "doctor"},
		"an edge number that is none":                {"edge drain one", exitUsage, "edge number"},
		"a ban without a reason":                     {"ban demo/film --yes", exitUsage, "--reason"},
		"a ban for a novel of a reason":              {"ban demo/film --yes --reason " + strings.Repeat("x", 501), exitUsage, "at most 500"},
		"a ban without a network":                    {"ban demo/film --yes --reason r", exitNotFound, "--operator-key"},
		"bans without a network":                     {"bans", exitNotFound, "--operator-key"},
		"an unban of nothing":                        {"unban", exitUsage, "ROOT"},
		"a scope that does not exist":                {"keys create --scope fly --namespace x", exitUsage, "want read, write, delete"},
		"joining without an invitation names it all": {"edge join", exitUsage, "invitation"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, errOut := run(t, strings.Fields(c.args)...)
			if code != c.code || !strings.Contains(errOut, c.says) {
				t.Errorf("stratos %s: code %d, %q; want %d and %q", c.args, code, errOut, c.code, c.says)
			}
		})
	}
}

func TestAnErrorInJSONIsOneObject(t *testing.T) {
	t.Parallel()
	code, out, errOut := run(t, "ls", "--json")
	var got struct {
		Error, Hint string
		Code        int
	}
	if err := json.Unmarshal([]byte(errOut), &got); err != nil || got.Code != code || got.Error == "" {
		t.Errorf("stderr %q: %v, want an object with error and code %d", errOut, err, code)
	}
	if out != "" {
		t.Errorf("stdout %q, want nothing", out)
	}
}

func TestHelpNamesEveryGroup(t *testing.T) {
	t.Parallel()
	code, out, _ := run(t, "--help")
	for _, want := range []string{"Publish:", "Look:", "Operate:", "Develop (Caddy's own commands):", "put ", "doctor", "run ", "exit-codes"} {
		if !strings.Contains(out, want) {
			t.Errorf("help lacks %q", want)
		}
	}
	for _, never := range []string{"add-package", "upgrade"} {
		if strings.Contains(out, never) {
			t.Errorf("help has %q, which would replace this program by another", never)
		}
	}
	if code != exitOK {
		t.Errorf("code %d", code)
	}
}

func TestEveryCommandHasHelpAndCompletion(t *testing.T) {
	t.Parallel()
	c := &cli{getenv: func(string) string { return "" }}
	for _, cmd := range c.root().Commands() {
		if cmd.Short == "" {
			t.Errorf("%s has no short help", cmd.Name())
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if code, out, errOut := run(t, "completion", shell); code != exitOK || len(out) < 1000 {
			t.Errorf("completion %s: code %d, %d bytes, %s", shell, code, len(out), errOut)
		}
	}
}

func TestRootOfAFileAndAFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "empty")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := run(t, "root", file)
	if want := "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku\n"; code != exitOK || out != want {
		t.Errorf("root of an empty file: %d %q %s, want %q", code, out, errOut, want)
	}
	_, first, _ := run(t, "root", dir)
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	_, second, errOut := run(t, "root", dir)
	if first != second || !strings.HasPrefix(first, "bafy") {
		t.Errorf("root %q, with a symlink %q: want the same root of a directory", first, second)
	}
	if !strings.Contains(errOut, "left out: 1") {
		t.Errorf("a symlink was left out without a word: %q", errOut)
	}
}

type addresses map[string]string

func (a addresses) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr(a[host])}, nil
}

func TestAnEdgeMustBeReachable(t *testing.T) {
	t.Parallel()
	dns := addresses{"edge.example.net": "203.0.113.7", "home.example.net": "192.168.1.4", "mobile.example.net": "100.72.0.9"}
	for name, c := range map[string]struct{ url, says string }{
		"a host name with a public address":      {"https://edge.example.net", ""},
		"a public address":                       {"https://203.0.113.7", ""},
		"a public address of version 6":          {"https://[2001:db8::7]:8443", ""},
		"a private address is behind NAT":        {"https://home.example.net", "behind NAT"},
		"carrier-grade NAT":                      {"https://mobile.example.net", "carrier-grade NAT"},
		"loopback":                               {"https://127.0.0.1", "loopback"},
		"plain http is for development networks": {"http://edge.example.net", "https://HOST"},
		"a path makes no sense":                  {"https://edge.example.net/x", "nothing behind it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := reachable(t.Context(), dns, c.url, false)
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("reachable(%s) = %v, want %q", c.url, err, c.says)
			}
		})
	}
}
