package geo

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

//go:embed countries.csv
var countriesCSV string

// Countries says where a country is, for databases that know no more than the
// country. Its answers are right to half a country.
type Countries map[string]Location

// NewCountries reads the table that is part of this program: all codes of ISO
// 3166-1 with a place in each.
func NewCountries() Countries {
	c := Countries{}
	for line := range strings.Lines(countriesCSV) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ",", 4)
		lat, err1 := strconv.ParseFloat(fields[1], 64)
		lon, err2 := strconv.ParseFloat(fields[2], 64)
		if err1 != nil || err2 != nil {
			panic(fmt.Sprintf("countries.csv: %q", line)) // a test reads all of it
		}
		c[fields[0]] = Location{Lat: lat, Lon: lon, Country: fields[0]}
	}
	return c
}
