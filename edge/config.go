package edge

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// EdgeConfig is the edge's part of the app's configuration. Sizes are in bytes.
type EdgeConfig struct {
	// Memory is how much content is kept in memory. Default: 64 MiB.
	Memory int64 `json:"memory,omitempty"`
	// Pinned is how much this edge may be given to hold. Default: no limit but
	// the disk.
	Pinned int64 `json:"pinned,omitempty"`
	// Cached is how much of the disk caches what others hold. Default: 2 GB.
	Cached int64 `json:"cached,omitempty"`
	// ServeUnticketed is how many bytes a day are given away from what is held,
	// while no router answers. Default: 0, nothing.
	ServeUnticketed int64 `json:"serve_unticketed,omitempty"`
	// Capacity is what the machine can send, in bits per second: routers send
	// that much here, and repair and PeerRate take a quarter. Default: 0, what
	// the edge was admitted with.
	Capacity int64 `json:"capacity,omitempty"`
	// PeerRate is how many bytes a second another node may read, on average.
	// Default: a quarter of Capacity, or 125 MB, which is 1 Gbit/s.
	PeerRate int64 `json:"peer_rate,omitempty"`
}

const (
	defaultMemory   = 64 << 20
	defaultCached   = 2_000_000_000
	defaultPeerRate = 125_000_000
	// leastPeerRate lets a slice pass in a second.
	leastPeerRate = 1 << 20
	// leastMemory holds a few slices; less would thrash.
	leastMemory = 8 << 20
)

// withDefaults is the one place where defaults are applied.
func (c EdgeConfig) withDefaults() EdgeConfig {
	if c.Memory == 0 {
		c.Memory = defaultMemory
	}
	if c.Cached == 0 {
		c.Cached = defaultCached
	}
	if c.PeerRate == 0 && c.Capacity > 0 {
		c.PeerRate = max(c.Capacity/8/4, leastPeerRate)
	}
	if c.PeerRate == 0 {
		c.PeerRate = defaultPeerRate
	}
	return c
}

func (c EdgeConfig) validate() error {
	var errs []error
	for _, field := range []struct {
		name  string
		value int64
	}{
		{"memory", c.Memory},
		{"pinned", c.Pinned},
		{"cached", c.Cached},
		{"serve_unticketed", c.ServeUnticketed},
		{"capacity", c.Capacity},
		{"peer_rate", c.PeerRate},
	} {
		if field.value < 0 {
			errs = append(errs, fmt.Errorf("stratos: edge: %s is %d, but a size cannot be negative", field.name, field.value))
		}
	}
	if c.Memory > 0 && c.Memory < leastMemory {
		errs = append(errs, fmt.Errorf("stratos: edge: memory is %d bytes; at least %d are needed, 64MiB is the default", c.Memory, leastMemory))
	}
	if c.PeerRate > 0 && c.PeerRate < leastPeerRate {
		errs = append(errs, fmt.Errorf("stratos: edge: peer_rate is %d bytes a second; less than 1MiB would not let one slice pass", c.PeerRate))
	}
	return errors.Join(errs...)
}

// validate tells everything that is wrong with the app's configuration, each
// mistake in a sentence of its own.
func (a *App) validate() error {
	var errs []error
	if a.DataDir == "" {
		errs = append(errs, errors.New("stratos: dir is missing: name the folder for this node's data, for example /var/lib/stratos"))
	}
	if len(a.MetaURLs) == 0 && a.Edge != nil {
		errs = append(errs, errors.New("stratos: meta is missing: an edge needs the URL of at least one meta node"))
	}
	seen := make(map[string]bool)
	for _, text := range a.MetaURLs {
		if err := a.checkURL(text); err != nil {
			errs = append(errs, err)
		}
		if seen[strings.TrimSuffix(text, "/")] {
			errs = append(errs, fmt.Errorf("stratos: meta %q is named twice", text))
		}
		seen[strings.TrimSuffix(text, "/")] = true
	}
	if a.CA != "" {
		if _, err := os.Stat(a.CA); err != nil {
			errs = append(errs, fmt.Errorf("stratos: ca: %w", err))
		} else if _, err := loadRoots(a.CA); err != nil {
			errs = append(errs, err)
		}
	}
	if a.Edge != nil {
		errs = append(errs, a.Edge.validate())
	}
	return errors.Join(errs...)
}

func (a *App) checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return fmt.Errorf("stratos: meta %q is not a URL: %w", text, err)
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("stratos: meta %q must begin with https://", text)
	case u.Host == "":
		return fmt.Errorf("stratos: meta %q has no host", text)
	case u.Scheme == "http" && !a.Dev:
		return fmt.Errorf("stratos: meta %q is plain http, which only development networks allow: use https, or set development", text)
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return fmt.Errorf("stratos: meta %q must be a base URL without user, query or fragment", text)
	}
	return nil
}
