package nodeauth

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestLoadOrCreateKeepsOneKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "node.key")
	keys := make([]ed25519.PrivateKey, 8)
	var group sync.WaitGroup
	for i := range keys {
		group.Go(func() {
			key, err := LoadOrCreate(path)
			if err != nil {
				t.Error(err)
			}
			keys[i] = key
		})
	}
	group.Wait()
	for _, key := range keys {
		if !key.Equal(keys[0]) {
			t.Fatal("two that started at once have different keys")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".node-key-*"))
	if len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestLoadOrCreateRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		mode os.FileMode
	}{
		"an empty file":                  {"", 0o600},
		"no PEM":                         {"hello", 0o600},
		"a block of another type":        {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 0o600},
		"a block that is no key":         {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0o600},
		"a file that everybody may read": {"", 0o644},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "node.key")
			if err := os.WriteFile(path, []byte(test.text), test.mode); err != nil {
				t.Fatal(err)
			}
			if _, err := LoadOrCreate(path); err == nil {
				t.Error("accepted")
			}
			if got, _ := os.ReadFile(path); string(got) != test.text {
				t.Error("the file was changed")
			}
		})
	}
}

func TestKeyID(t *testing.T) {
	t.Parallel()
	public, _, _ := ed25519.GenerateKey(nil)
	got, err := ParseKeyID(KeyID(public))
	if err != nil || !got.Equal(public) {
		t.Errorf("round trip: %x, %v; want %x", got, err, public)
	}
	for name, text := range map[string]string{
		"empty": "", "short": "AAAA", "long": strings.Repeat("A", 44), "padded": KeyID(public) + "=", "broken over two lines": KeyID(public) + "\n",
		"of another alphabet": strings.Repeat("+", 43), "with loose last bits": strings.Repeat("A", 42) + "B",
	} {
		if _, err := ParseKeyID(text); err == nil {
			t.Errorf("a key id that is %s was accepted", name)
		}
	}
}
