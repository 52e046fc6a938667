package devnet

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAPlanThatCannotWorkSaysWhy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		plan Plan
		says string
	}{
		"without a folder":        {Plan{Edges: 1}, "--dir"},
		"without edges":           {Plan{Dir: "x"}, "1 to 200"},
		"with too many edges":     {Plan{Dir: "x", Edges: 201}, "1 to 200"},
		"with a Redis that is no": {Plan{Dir: "x", Edges: 1, Redis: "localhost:6379"}, "redis://"},
		"with workers below zero": {Plan{Dir: "x", Edges: 1, Workers: new(-1)}, "0 to 1024"},
		"as people write it":      {Plan{Dir: "x", Edges: 5, Redis: "redis://localhost:6379/0"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.plan.Validate()
			if (c.says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}

func TestNetworkFileRoundTrip(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Load(dir); !errors.Is(err, ErrNoNetwork) {
		t.Errorf("an empty folder: got %v, want ErrNoNetwork", err)
	}
	n := &Network{Version: Version, Router: "http://127.0.0.1:1", Meta: []string{"http://127.0.0.1:2"}, Edges: []Edge{{ID: 7}}, APIKey: "secret"}
	if err := n.Save(dir); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "network.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("network.json holds an API key: mode %v, want 0600 (%v)", info.Mode(), err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "network.json"))
	if err != nil || !strings.Contains(string(text), `"chain": null`) {
		t.Errorf("without a chain it says null: %s %v", text, err)
	}
	if got, err := Load(dir); err != nil || got.Edges[0].ID != 7 || got.APIKey != "secret" {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "network.json"), []byte(`{"version":9}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "version 9") {
		t.Errorf("another version: got %v", err)
	}
}

func TestTheCertificateIsForTheAddressAndKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca, err := openAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for range 2 {
		if err := ca.issue(cert, key, net.IPv4(127, 0, 0, 9)); err != nil {
			t.Fatal(err)
		}
	}
	leaf, _, err := readPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := leaf.CheckSignatureFrom(ca.cert); err != nil {
		t.Errorf("not signed by the network's authority: %v", err)
	}
	if err := leaf.VerifyHostname("127.0.0.9"); err != nil {
		t.Error(err)
	}
	again, err := openAuthority(dir)
	if err != nil || !again.cert.Equal(ca.cert) {
		t.Errorf("the authority changed on the second start: %v", err)
	}
}

func TestTheOriginIsToldHowItMakesVideos(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		plan Plan
		has  []string
		not  []string
	}{
		"by default": {Plan{Edges: 1}, []string{"webhooks private"}, []string{"workers", "sandbox"}},
		"none here":  {Plan{Edges: 1, Workers: new(0)}, []string{"workers 0"}, nil},
		"unconfined": {Plan{Edges: 1, NoSandbox: true}, []string{"sandbox off"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := originHandler(c.plan, "/net")
			for _, want := range c.has {
				if !strings.Contains(text, want) {
					t.Errorf("%s lacks %q", text, want)
				}
			}
			for _, never := range c.not {
				if strings.Contains(text, never) {
					t.Errorf("%s has %q", text, never)
				}
			}
		})
	}
}

func TestAPidOfAnotherProgramIsNotARole(t *testing.T) {
	t.Parallel()
	r := Role{Name: "edge-1", Dir: t.TempDir()}
	if pid := r.PID(); pid != 0 {
		t.Errorf("without a pid file: %d", pid)
	}
	// Process 1 lives, but it does not work in the role's folder.
	if err := os.WriteFile(r.pidFile(), []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if pid := r.PID(); pid != 0 {
		t.Errorf("took process %d for the role", pid)
	}
}

func TestPortsAreFreeAndDifferent(t *testing.T) {
	t.Parallel()
	n, err := Plan{Dir: t.TempDir(), Edges: 3}.addresses()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, u := range []string{n.Router, n.Origin, n.Meta[0], n.Edges[0].URL, n.Edges[0].TLSURL} {
		port := u[strings.LastIndexByte(u, ':'):]
		if seen[port] {
			t.Errorf("%s is used twice", port)
		}
		seen[port] = true
	}
	if n.Edges[0].URL == n.Edges[1].URL || !strings.HasPrefix(n.Edges[1].URL, "http://127.0.0.3:") {
		t.Errorf("edges %v: want 127.0.0.2, 127.0.0.3 … on the same port", n.Edges)
	}
}
