package geo

import (
	"math"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

func TestRecordsOfEveryFormAreUnderstood(t *testing.T) {
	t.Parallel()
	type m = map[string]any
	for name, test := range map[string]struct {
		record record
		want   Location
		exact  bool
	}{
		"nothing": {},
		"flat, as text": {
			record: record{CountryCode: "DE", City: "Berlin", Latitude: "52.52", Longitude: "13.4"},
			want:   Location{Lat: 52.52, Lon: 13.4, Country: "DE", City: "Berlin"}, exact: true,
		},
		"flat, short words, whole numbers": {
			record: record{Country: "JP", Lat: int32(35), Lng: uint16(139)},
			want:   Location{Lat: 35, Lon: 139, Country: "JP"}, exact: true,
		},
		"what a float of 32 bits makes up is cut off": {
			record: record{Latitude: float32(52.3717), Longitude: float32(4.8852)},
			want:   Location{Lat: 52.3717, Lon: 4.8852}, exact: true,
		},
		"nested": {
			record: record{Country: m{"iso_code": "BR"}, City: m{"names": m{"en": "Rio"}}, Location: m{"latitude": -22.9, "longitude": -43.2}},
			want:   Location{Lat: -22.9, Lon: -43.2, Country: "BR", City: "Rio"}, exact: true,
		},
		"nested without coordinates": {
			record: record{Country: m{"iso_code": "BR"}, Location: m{"time_zone": "x"}}, want: Location{Country: "BR"},
		},
		"half of the coordinates are none":  {record: record{Latitude: 5.0}},
		"a place off the globe is none":     {record: record{Latitude: 95.0, Longitude: 5.0}},
		"a place that is no number is none": {record: record{Latitude: math.NaN(), Longitude: 5.0}},
		"text that is no number is none":    {record: record{Latitude: "north", Longitude: "east"}},
		"types that make no sense":          {record: record{Country: 5, City: []any{"x"}, Location: "here", Latitude: true, Longitude: m{}}},
		"a country of three letters":        {record: record{CountryCode: "DEU"}},
		"a network's system":                {record: record{ASN: uint64(64496)}, want: Location{ASN: 64496}},
		"a system that is too large":        {record: record{ASN: uint64(1) << 40}},
		"a negative system":                 {record: record{ASN: -1}},
	} {
		got, exact := test.record.answer()
		if diff := cmp.Diff(test.want, got); diff != "" || exact != test.exact {
			t.Errorf("%s: exact %v, want -, got +\n%s", name, exact, diff)
		}
	}
}

// FuzzDatabase opens whatever bytes there are, as an operator may name any
// file.
func FuzzDatabase(f *testing.F) {
	f.Add(database(f, 4, "city", map[string]mmdbtype.Map{"198.18.0.0/24": flat("DE", "Frankfurt", 50, 8)}), []byte{198, 18, 0, 1})
	f.Add(database(f, 6, "GeoLite2-City", map[string]mmdbtype.Map{"2001:db8::/32": nested("JP", "Tokyo", 35, 139)}), []byte{198, 18, 0, 1})
	f.Add([]byte("\xab\xcd\xefMaxMind.com"), []byte{1, 2, 3, 4})
	path := filepath.Join(f.TempDir(), "x.mmdb")
	f.Fuzz(func(t *testing.T, content, address []byte) {
		addr, ok := netip.AddrFromSlice(address)
		if !ok {
			return
		}
		write(t, path, content)
		open, err := OpenDatabases(path)
		if err != nil {
			return
		}
		a, ok := open.Locate(addr.Unmap())
		if ok && (!(a.Lat >= -90 && a.Lat <= 90) || !(a.Lon >= -180 && a.Lon <= 180) || (a.Country != "" && len(a.Country) != 2)) {
			t.Errorf("got %+v", a)
		}
		if err := open.Close(); err != nil {
			t.Error(err)
		}
	})
}
