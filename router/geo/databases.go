package geo

import (
	"errors"
	"net/netip"
	"sync/atomic"
)

// Databases asks several GeoIP files as one source: the first that has
// coordinates for an address answers; failing that the first that knows the
// country, which then is looked up in the table. An autonomous system is taken
// from wherever it stands.
type Databases struct {
	files     []*Database
	countries Countries
	failures  atomic.Int64
}

// OpenDatabases opens files, in the order in which they are to be asked.
func OpenDatabases(paths ...string) (*Databases, error) {
	d := &Databases{countries: NewCountries()}
	for _, path := range paths {
		file, err := OpenDatabase(path)
		if err != nil {
			return nil, errors.Join(err, d.Close())
		}
		d.files = append(d.files, file)
	}
	return d, nil
}

// Close closes all files.
func (d *Databases) Close() error {
	var errs []error
	for _, f := range d.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// Refresh takes every file that has changed; one that cannot be read stays as
// it was and is in the error.
func (d *Databases) Refresh() (changed bool, err error) {
	for _, f := range d.files {
		one, e := f.Refresh()
		changed, err = changed || one, errors.Join(err, e)
	}
	return changed, err
}

// Attributions lists what the licences of all files ask to be said, each once.
func (d *Databases) Attributions() []string {
	var out []string
	seen := map[string]bool{"": true}
	for _, f := range d.files {
		if a := f.Attribution(); !seen[a] {
			seen[a] = true
			out = append(out, a)
		}
	}
	return out
}

// Failures counts lookups that a broken file could not answer.
func (d *Databases) Failures() int64 { return d.failures.Load() }

// Locate answers FromCity or FromCountry.
func (d *Databases) Locate(addr netip.Addr) (Answer, bool) {
	if !addr.IsValid() {
		return Answer{}, false
	}
	var best Answer
	var asn uint32
	for _, f := range d.files {
		a, exact, err := f.lookup(addr)
		if err != nil {
			d.failures.Add(1)
			continue
		}
		if asn == 0 {
			asn = a.ASN
		}
		switch {
		case exact && best.Source != FromCity:
			a.Source = FromCity
			best = a
		case a.Country != "" && best.Source == "":
			place, known := d.countries[a.Country]
			if known {
				a.Lat, a.Lon, a.Source = place.Lat, place.Lon, FromCountry
				best = a
			}
		}
	}
	best.ASN = asn
	return best, best.Source != ""
}
