package geo

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A File is a source kept in files that may be replaced at any time.
type File interface {
	Locator
	// Refresh looks whether the files are others than before and takes them; it
	// tells whether they were. After an error the old ones answer on.
	Refresh() (changed bool, err error)
}

var (
	_ File = (*Databases)(nil)
	_ File = (*ZonesFile)(nil)
)

// Follow refreshes files until ctx ends. Of a file that stays broken, and of
// each change, report hears once.
func Follow(ctx context.Context, every time.Duration, report func(changed bool, err error), files ...File) {
	last := make([]string, len(files))
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for i, f := range files {
			changed, err := f.Refresh()
			text := ""
			if err != nil {
				text = err.Error()
			}
			if changed || text != last[i] {
				report(changed, err)
			}
			last[i] = text
		}
	}
}

// ZonesFile is Zones from a file that may change.
type ZonesFile struct {
	path  string
	zones atomic.Pointer[Zones]

	mu    sync.Mutex // guards stamp, and serialises Refresh
	stamp stamp
}

// OpenZones reads a zones file.
func OpenZones(path string) (*ZonesFile, error) {
	f := &ZonesFile{path: path}
	if _, err := f.Refresh(); err != nil {
		return nil, err
	}
	return f, nil
}

// Locate answers with the smallest zone that holds the address.
func (f *ZonesFile) Locate(addr netip.Addr) (Answer, bool) { return f.zones.Load().Locate(addr) }

// Refresh reads the file again if it changed. A file that breaks the format
// changes nothing.
func (f *ZonesFile) Refresh() (changed bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now, err := stampOf(f.path)
	if err != nil {
		return false, fmt.Errorf("zones: %w", err)
	}
	if f.zones.Load() != nil && now == f.stamp {
		return false, nil
	}
	file, err := os.Open(f.path)
	if err != nil {
		return false, fmt.Errorf("zones: %w", err)
	}
	zones, err := ParseZones(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return false, fmt.Errorf("%s: %w", f.path, err)
	}
	f.zones.Store(zones)
	f.stamp = now
	return true, nil
}
