package geo

import (
	"math"
	"strconv"
)

// record takes a database record in any of the forms that are about. GeoIP2
// nests:
//
//	{"country": {"iso_code": "DE"}, "city": {"names": {"en": "Berlin"}},
//	 "location": {"latitude": 52.5, "longitude": 13.4}}
//
// and others are flat:
//
//	{"country_code": "DE", "city": "Berlin", "latitude": 52.5, "longitude": 13.4}
//
// The same word stands for a map in one and for a string in the other, so the
// fields are of any type and looked at afterwards.
type record struct {
	Country     any    `maxminddb:"country"`
	CountryCode string `maxminddb:"country_code"`
	City        any    `maxminddb:"city"`
	Location    any    `maxminddb:"location"`
	Latitude    any    `maxminddb:"latitude"`
	Longitude   any    `maxminddb:"longitude"`
	Lat         any    `maxminddb:"lat"`
	Lng         any    `maxminddb:"lng"`
	// Autonomous systems, in databases that have them.
	ASN any `maxminddb:"autonomous_system_number"`
}

// answer gives what the record says, and whether it has coordinates.
func (r *record) answer() (l Location, exact bool) {
	l.Country = r.CountryCode
	if l.Country == "" {
		l.Country = text(r.Country, "iso_code")
	}
	if len(l.Country) != 2 {
		l.Country = ""
	}
	l.City = text(r.City, "names", "en")
	for _, pair := range [][2]any{
		{r.Latitude, r.Longitude}, {r.Lat, r.Lng}, {inside(r.Location, "latitude"), inside(r.Location, "longitude")},
	} {
		lat, ok1 := number(pair[0])
		lon, ok2 := number(pair[1])
		// A flat database says 0, 0 where it has no idea.
		if ok1 && ok2 && math.Abs(lat) <= 90 && math.Abs(lon) <= 180 && (lat != 0 || lon != 0) {
			l.Lat, l.Lon, exact = lat, lon, true
			break
		}
	}
	if asn, ok := number(r.ASN); ok && asn > 0 && asn <= math.MaxUint32 {
		l.ASN = uint32(asn)
	}
	return l, exact
}

// inside follows keys through nested maps; nil when there is nothing.
func inside(v any, path ...string) any {
	for _, key := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

// text is v itself if it is a string, else the one at the end of the path.
func text(v any, path ...string) string {
	if s, ok := v.(string); ok {
		return s
	}
	s, _ := inside(v, path...).(string)
	return s
}

func number(v any) (float64, bool) {
	var n float64
	switch v := v.(type) {
	case float64:
		n = v
	case float32:
		// Four decimals are ten metres; more are what the conversion made up.
		n = math.Round(float64(v)*1e4) / 1e4
	case uint64:
		n = float64(v)
	case uint32:
		n = float64(v)
	case uint16:
		n = float64(v)
	case int32:
		n = float64(v)
	case int:
		n = float64(v)
	case string:
		parsed, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return 0, false
		}
		n = parsed
	default:
		return 0, false
	}
	return n, !math.IsNaN(n) && !math.IsInf(n, 0)
}
