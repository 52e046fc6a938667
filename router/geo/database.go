package geo

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"

	"github.com/oschwald/maxminddb-golang/v2"
)

// Database is one file in MaxMind's format, with cities, countries or
// autonomous systems, for IPv4, IPv6 or both. The file is mapped into memory:
// replace it by renaming another over it, as Update does, and Refresh takes the
// new one.
type Database struct {
	path string

	mu          sync.RWMutex // guards all below
	reader      *maxminddb.Reader
	stamp       stamp
	attribution string
}

// OpenDatabase opens a file.
func OpenDatabase(path string) (*Database, error) {
	d := &Database{path: path}
	if _, err := d.Refresh(); err != nil {
		return nil, err
	}
	return d, nil
}

// Refresh opens the file again if it is another than before, and tells whether
// it was. An error leaves the old one in use.
func (d *Database) Refresh() (bool, error) {
	now, err := stampOf(d.path)
	if err != nil {
		return false, fmt.Errorf("GeoIP database: %w", err)
	}
	d.mu.RLock()
	same := d.reader != nil && d.stamp == now
	d.mu.RUnlock()
	if same {
		return false, nil
	}
	reader, err := openReader(d.path)
	if err != nil {
		return false, err
	}
	attribution := attributionOf(d.path, reader.Metadata)

	d.mu.Lock()
	old := d.reader
	d.reader, d.stamp, d.attribution = reader, now, attribution
	d.mu.Unlock()
	// Every lookup holds the lock, so from here on nobody reads the old one.
	if old != nil {
		if err := old.Close(); err != nil {
			return true, fmt.Errorf("GeoIP database %s: close the old one: %w", d.path, err)
		}
	}
	return true, nil
}

func openReader(path string) (*maxminddb.Reader, error) {
	reader, err := maxminddb.Open(path)
	if err != nil {
		return nil, fmt.Errorf("GeoIP database %s: %w", path, err)
	}
	return reader, nil
}

// Close gives the file back. Lookups after it find nothing.
func (d *Database) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.reader == nil {
		return nil
	}
	err := d.reader.Close()
	d.reader = nil
	return err
}

// Attribution is what the database's licence asks to be said.
func (d *Database) Attribution() string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.attribution
}

var errFault = errors.New("the file was cut short while it was in use")

// lookup finds what the database has; exact tells whether that includes
// coordinates.
func (d *Database) lookup(addr netip.Addr) (a Answer, exact bool, err error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.reader == nil || (addr.Is6() && d.reader.Metadata.IPVersion == 4) {
		return Answer{}, false, nil
	}
	// Somebody may truncate the mapped file against all advice. Without this the
	// fault would end the process; with it the address is unknown.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			a, exact, err = Answer{}, false, errFault
		}
	}()
	result := d.reader.Lookup(addr)
	if !result.Found() {
		return Answer{}, false, result.Err()
	}
	var r record
	if err := result.Decode(&r); err != nil {
		return Answer{}, false, fmt.Errorf("GeoIP database %s: %s: %w", d.path, addr, err)
	}
	a.Location, exact = r.answer()
	a.Network, a.Attribution = result.Prefix(), d.attribution
	return a, exact, nil
}

// stamp tells one version of a file from the next.
type stamp struct {
	size     int64
	modified int64
	inode    uint64
}

func stampOf(path string) (stamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}, err
	}
	if info.IsDir() {
		return stamp{}, fmt.Errorf("%s is a folder", path)
	}
	return stamp{size: info.Size(), modified: info.ModTime().UnixNano(), inode: inodeOf(info)}, nil
}
