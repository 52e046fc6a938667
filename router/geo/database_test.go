package geo

import (
	"bytes"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// database writes a MaxMind file: networks to records.
func database(t testing.TB, version int, about string, records map[string]mmdbtype.Map) []byte {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		DatabaseType: about, IPVersion: version, IncludeReservedNetworks: true, RecordSize: 24, BuildEpoch: 1_780_000_000,
	})
	if err != nil {
		t.Fatal(err)
	}
	for cidr, record := range records {
		_, network, err := net.ParseCIDR(cidr)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Insert(network, record); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if _, err := tree.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func write(t testing.TB, path string, content []byte) string {
	t.Helper()
	next := path + ".new"
	if err := os.WriteFile(next, content, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func flat(country, city string, lat, lon float32) mmdbtype.Map {
	return mmdbtype.Map{
		"country_code": mmdbtype.String(country), "city": mmdbtype.String(city),
		"latitude": mmdbtype.Float32(lat), "longitude": mmdbtype.Float32(lon),
	}
}

func nested(country, city string, lat, lon float64) mmdbtype.Map {
	return mmdbtype.Map{
		"country":  mmdbtype.Map{"iso_code": mmdbtype.String(country)},
		"city":     mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String(city), "de": mmdbtype.String("anders")}},
		"location": mmdbtype.Map{"latitude": mmdbtype.Float64(lat), "longitude": mmdbtype.Float64(lon)},
	}
}

func TestDatabasesOfEverySchemaAnswerTogether(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open, err := OpenDatabases(
		write(t, filepath.Join(dir, "dbip-city-ipv4.mmdb"), database(t, 4, "city ipv4", map[string]mmdbtype.Map{
			"198.18.0.0/24": flat("DE", "Frankfurt", 50.11, 8.68),
			"198.18.1.0/24": flat("US", "", 0, 0),
			"198.18.5.0/24": {"country_code": mmdbtype.String("XX")},
		})),
		write(t, filepath.Join(dir, "city-ipv6.mmdb"), database(t, 6, "GeoLite2-City", map[string]mmdbtype.Map{
			"2001:db8:1::/48": nested("JP", "Tokyo", 35.68, 139.69),
			"198.18.3.0/24":   nested("BR", "São Paulo", -23.55, -46.63),
		})),
		write(t, filepath.Join(dir, "country.mmdb"), database(t, 6, "country ipvAll", map[string]mmdbtype.Map{
			"198.18.0.0/24":   {"country_code": mmdbtype.String("FR")},
			"198.18.2.0/24":   {"country_code": mmdbtype.String("SG")},
			"198.18.3.0/24":   {"country_code": mmdbtype.String("FR")},
			"2001:db8:2::/48": {"country": mmdbtype.Map{"iso_code": mmdbtype.String("AU")}},
		})),
		write(t, filepath.Join(dir, "asn.mmdb"), database(t, 4, "GeoLite2-ASN", map[string]mmdbtype.Map{
			"198.18.0.0/24": {"autonomous_system_number": mmdbtype.Uint32(64496)},
		})),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	const (
		dbip     = "IP Geolocation by DB-IP (https://db-ip.com), CC BY 4.0"
		geolite2 = "This product includes GeoLite2 data created by MaxMind, available from https://www.maxmind.com"
	)
	chain := Chain{open, Default{Lat: 1, Lon: 2}}
	for name, test := range map[string]struct {
		addr string
		want Answer
	}{
		"a flat record with coordinates, and the network's system from another file": {"198.18.0.9", Answer{
			Source: FromCity, Attribution: dbip, Location: Location{Lat: 50.11, Lon: 8.68, Country: "DE", City: "Frankfurt", ASN: 64496},
		}},
		"the same address written as IPv6": {"::ffff:198.18.0.9", Answer{
			Source: FromCity, Attribution: dbip, Location: Location{Lat: 50.11, Lon: 8.68, Country: "DE", City: "Frankfurt", ASN: 64496},
		}},
		"zero coordinates are none: the country's place": {"198.18.1.9", Answer{
			Source: FromCountry, Attribution: dbip, Location: Location{Lat: 39.9, Lon: -98.7, Country: "US"},
		}},
		"a country from the country file": {"198.18.2.9", Answer{
			Source: FromCountry, Location: Location{Lat: 1.4, Lon: 103.8, Country: "SG"},
		}},
		"a nested record; coordinates of one file before the country of another": {"198.18.3.9", Answer{
			Source: FromCity, Attribution: geolite2, Location: Location{Lat: -23.55, Lon: -46.63, Country: "BR", City: "São Paulo"},
		}},
		"IPv6": {"2001:db8:1::9", Answer{
			Source: FromCity, Attribution: geolite2, Location: Location{Lat: 35.68, Lon: 139.69, Country: "JP", City: "Tokyo"},
		}},
		"IPv6 with a zone, nested country": {"2001:db8:2::9%eth0", Answer{
			Source: FromCountry, Location: Location{Lat: -25.6, Lon: 134.2, Country: "AU"},
		}},
		"a country that nobody knows": {"198.18.5.9", Answer{Source: FromDefault, Location: Location{Lat: 1, Lon: 2}}},
		"nobody knows":                {"198.18.9.9", Answer{Source: FromDefault, Location: Location{Lat: 1, Lon: 2}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := chain.Locate(netip.MustParseAddr(test.addr))
			options := cmp.Options{cmpopts.IgnoreFields(Answer{}, "Network"), cmpopts.EquateApprox(0, 0.06), cmp.Comparer(func(a, b Source) bool { return a == b })}
			if diff := cmp.Diff(test.want, got, options); diff != "" {
				t.Error("want -, got +\n" + diff)
			}
		})
	}
	if got := chain.Locate(netip.MustParseAddr("198.18.0.9")).Network; got != netip.MustParsePrefix("198.18.0.0/24") {
		t.Errorf("got network %s", got)
	}
	if got := chain.Locate(netip.Addr{}).Source; got != FromDefault {
		t.Errorf("no address: got source %s", got)
	}
	if diff := cmp.Diff([]string{dbip, geolite2}, open.Attributions()); diff != "" {
		t.Error(diff)
	}
}

func TestAnAttributionBesideAFileGoesFirst(t *testing.T) {
	t.Parallel()
	path := write(t, filepath.Join(t.TempDir(), "dbip.mmdb"), database(t, 4, "x", map[string]mmdbtype.Map{"198.18.0.0/24": flat("DE", "", 1, 1)}))
	write(t, path+attributionSuffix, []byte("Data by me\nand more\n"))
	d, err := OpenDatabase(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got := d.Attribution(); got != "Data by me" {
		t.Errorf("got %q", got)
	}
}

func TestAReplacedFileIsTakenWhileLookupsRun(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "city.mmdb")
	versions := [][]byte{
		database(t, 4, "a", map[string]mmdbtype.Map{"198.18.0.0/24": flat("DE", "Frankfurt", 50, 8)}),
		database(t, 4, "b", map[string]mmdbtype.Map{"198.18.0.0/24": flat("SG", "Singapore", 1, 103)}),
	}
	open, err := OpenDatabases(write(t, path, versions[0]))
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr("198.18.0.1")
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				a, ok := open.Locate(addr)
				if !ok || (a.City != "Frankfurt" && a.City != "Singapore") {
					t.Errorf("got %+v in mid-swap", a)
					return
				}
			}
		})
	}
	for i := range 50 {
		write(t, path, versions[(i+1)%2])
		changed, err := open.Refresh()
		if err != nil || !changed {
			t.Errorf("refresh %d: changed %v, error %v", i, changed, err)
			break
		}
	}
	if changed, err := open.Refresh(); changed || err != nil {
		t.Errorf("the same file again: changed %v, error %v", changed, err)
	}
	close(stop)
	readers.Wait()
	if err := open.Close(); err != nil {
		t.Error(err)
	}
	if _, ok := open.Locate(addr); ok {
		t.Error("a closed database answers")
	}
	if open.Failures() != 0 {
		t.Errorf("%d lookups failed", open.Failures())
	}
}

func TestABrokenFileLeavesTheOldOneInUse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "city.mmdb")
	open, err := OpenDatabases(write(t, path, database(t, 4, "a", map[string]mmdbtype.Map{"198.18.0.0/24": flat("DE", "Frankfurt", 50, 8)})))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	write(t, path, []byte("no database"))
	for _, broken := range []func(){func() {}, func() { os.Remove(path) }} {
		broken()
		if changed, err := open.Refresh(); err == nil || changed {
			t.Errorf("changed %v, error %v: want an error and no change", changed, err)
		}
		if a, _ := open.Locate(netip.MustParseAddr("198.18.0.1")); a.City != "Frankfurt" {
			t.Errorf("got %+v, want the answer of before", a)
		}
	}
}

func TestAFileTruncatedInPlaceIsUnknownAndNoCrash(t *testing.T) {
	t.Parallel()
	records := map[string]mmdbtype.Map{}
	for i := range 200 {
		records[netip.AddrFrom4([4]byte{10, byte(i), 0, 0}).String()+"/16"] = flat("DE", strings.Repeat("x", 200)+string(rune('a'+i%26)), float32(i%90), 8)
	}
	path := write(t, filepath.Join(t.TempDir(), "city.mmdb"), database(t, 4, "a", records))
	open, err := OpenDatabases(path)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if a, ok := open.Locate(netip.MustParseAddr("10.9.0.1")); ok {
		t.Errorf("got %+v of a file that is gone", a)
	}
	if open.Failures() == 0 {
		t.Error("the failure was not counted")
	}
}

func TestTheCountryTableIsWhole(t *testing.T) {
	t.Parallel()
	c := NewCountries()
	if len(c) != 249 {
		t.Errorf("got %d countries, want the 249 of ISO 3166-1", len(c))
	}
	for code, l := range maps.All(c) {
		if len(code) != 2 || code != l.Country || l.Lat < -90 || l.Lat > 90 || l.Lon < -180 || l.Lon > 180 || (l.Lat == 0 && l.Lon == 0) {
			t.Errorf("%q: %+v", code, l)
		}
	}
}
