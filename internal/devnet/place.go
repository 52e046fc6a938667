package devnet

import "fmt"

// Place is where an edge of a development network pretends to be.
type Place struct {
	Region, City string
	Lat, Lon     float64
}

// places in the order in which edges take them: the first five are in five
// regions on three continents.
func places() []Place {
	return []Place{
		{"eu-central", "Frankfurt", 50.11, 8.68},
		{"us-east", "Ashburn", 39.04, -77.49},
		{"ap-southeast", "Singapore", 1.35, 103.82},
		{"eu-west", "Dublin", 53.35, -6.26},
		{"us-west", "San Jose", 37.34, -121.89},
		{"ap-northeast", "Tokyo", 35.68, 139.69},
		{"sa-east", "Sao Paulo", -23.55, -46.63},
		{"ap-south", "Mumbai", 19.08, 72.88},
		{"af-south", "Johannesburg", -26.20, 28.05},
		{"oc-east", "Sydney", -33.87, 151.21},
	}
}

// PlaceOf says where edge number i (from 0) is, and under which operator.
func PlaceOf(i int) (Place, string) {
	all := places()
	return all[i%len(all)], fmt.Sprintf("operator-%d", i+1)
}

// Zone is a test network of RFC 2544 (198.18.0.0/15) and where its clients
// pretend to be, so that X-Forwarded-For can place a client in any region.
type Zone struct {
	CIDR string
	Place
}

// Zones gives one /24 to each place: 198.18.0.0/24 is Frankfurt, and so on.
func Zones() []Zone {
	var out []Zone
	for i, p := range places() {
		out = append(out, Zone{CIDR: fmt.Sprintf("198.18.%d.0/24", i), Place: p})
	}
	return out
}
