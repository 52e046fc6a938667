// Package devnet lays out and runs a development network: every role as a
// process of its own on loopback, in one folder. It lives in internal because
// the command line starts such networks and the end-to-end tests look into
// them; both read the same network.json.
package devnet

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Version of network.json that this package writes and reads.
const Version = 1

// Network is network.json: where everything of a development network is.
type Network struct {
	Version int      `json:"version"`
	Router  string   `json:"router"`
	Origin  string   `json:"origin"`
	Meta    []string `json:"meta"`
	Edges   []Edge   `json:"edges"`
	// CA is the path of the PEM file with the certificate authority that signed
	// the edges' certificates. It is installed nowhere.
	CA string `json:"ca"`
	// Chain is the path of devnet.json, or null without a chain.
	Chain  *string `json:"chain"`
	APIKey string  `json:"api_key"`
}

// Edge of a development network.
type Edge struct {
	ID       uint32  `json:"id"`
	URL      string  `json:"url"`
	TLSURL   string  `json:"tls_url"`
	Region   string  `json:"region"`
	Operator string  `json:"operator"`
	Lat      float64 `json:"lat"`
	Lon      float64 `json:"lon"`
	PID      int     `json:"pid"`
	Dir      string  `json:"dir"`
}

// ErrNoNetwork: the folder holds no network.json.
var ErrNoNetwork = errors.New("no network here")

// Load reads the network.json of a folder.
func Load(dir string) (*Network, error) {
	path := filepath.Join(dir, "network.json")
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w: start one with `stratos up --dir %s`", path, ErrNoNetwork, dir)
	}
	if err != nil {
		return nil, err
	}
	n := new(Network)
	if err := json.Unmarshal(text, n); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if n.Version != Version {
		return nil, fmt.Errorf("%s has version %d, this program reads %d", path, n.Version, Version)
	}
	return n, nil
}

// Save writes network.json in one step, so a reader sees the old or the new one.
// Only the owner may read it: it holds an API key.
func (n *Network) Save(dir string) error {
	text, err := json.MarshalIndent(n, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, "network.json"), append(text, '\n'), 0o600)
}

// writeFile replaces a file by renaming a complete new one over it.
func writeFile(path string, text []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(text)
	if err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(tmp.Name(), path)
}
