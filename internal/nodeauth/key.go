package nodeauth

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// KeyID is the text of a node's public key, as it stands in configuration and
// in signatures: base64url without padding, 43 characters.
func KeyID(key ed25519.PublicKey) string { return base64.RawURLEncoding.EncodeToString(key) }

// ParseKeyID reads what KeyID wrote.
func ParseKeyID(text string) (ed25519.PublicKey, error) {
	// The length first: the decoder passes over line breaks.
	key, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if len(text) != 43 || err != nil || len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("node key %.60q: want 43 characters of base64url", text)
	}
	return key, nil
}

// LoadOrCreate reads a node's key from a PKCS#8 PEM file, or draws one and
// writes it there, mode 0600. Of many processes that start at once one wins and
// the others read its key. A file that everybody may read is refused.
func LoadOrCreate(path string) (ed25519.PrivateKey, error) {
	key, err := Load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := create(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("node key: %w", err)
	}
	return Load(path)
}

// Load reads a key that must be there.
func Load(path string) (ed25519.PrivateKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("node key: %w", err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("node key %s: everybody on this host may read it; run chmod 600 on it", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("node key: %w", err)
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" || len(rest) != 0 {
		return nil, fmt.Errorf("node key %s: want one PEM block PRIVATE KEY", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("node key %s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("node key %s: want Ed25519, got %T", path, parsed)
	}
	return key, nil
}

// create writes aside, syncs and links: unlike a rename, a link never replaces
// a key that another process has just put there.
func create(path string) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".node-key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	err = pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
