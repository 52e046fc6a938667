package geo

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of a zones file.
const (
	maxZones    = 1 << 20
	maxZoneLine = 1024
)

// Zones is what the operator says about networks: his own knowledge goes before
// everything else. The longest prefix that holds an address answers.
//
// The file has one zone a line, fields separated by blanks, "#" begins a
// comment:
//
//	CIDR            region      latitude  longitude  [country [city]]
//	198.51.100.0/24 eu-central  50.11     8.68       DE Frankfurt am Main
//	2001:db8::/32   us-east     39.04     -77.49
type Zones struct {
	// byLength has the zones of one prefix length of one family a map, longest
	// first: a lookup is a few map reads and allocates nothing.
	byLength []zonesOfLength
}

type zonesOfLength struct {
	bits  int
	is4   bool
	zones map[netip.Addr]Answer
}

// ParseZones reads a zones file. The first line that breaks the format is an
// error that names the line.
func ParseZones(r io.Reader) (*Zones, error) {
	all := map[netip.Prefix]Answer{}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, maxZoneLine), maxZoneLine)
	number := 0
	for lines.Scan() {
		number++
		text, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(text)
		if len(fields) == 0 {
			continue
		}
		answer, err := parseZone(fields)
		if err != nil {
			return nil, fmt.Errorf("zones, line %d: %w", number, err)
		}
		if _, twice := all[answer.Network]; twice {
			return nil, fmt.Errorf("zones, line %d: %s stands here for the second time", number, answer.Network)
		}
		if len(all) == maxZones {
			return nil, fmt.Errorf("zones, line %d: more than %d zones", number, maxZones)
		}
		all[answer.Network] = answer
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("zones, line %d: %w", number+1, err)
	}
	return newZones(all), nil
}

func parseZone(fields []string) (Answer, error) {
	if len(fields) < 4 {
		return Answer{}, fmt.Errorf("want CIDR, region, latitude and longitude, got %d fields", len(fields))
	}
	if !utf8.ValidString(strings.Join(fields, " ")) {
		return Answer{}, fmt.Errorf("not UTF-8")
	}
	network, err := netip.ParsePrefix(fields[0])
	if err != nil {
		return Answer{}, fmt.Errorf("network %q: %w", fields[0], err)
	}
	if network != network.Masked() {
		return Answer{}, fmt.Errorf("network %s has bits behind its mask: meant %s?", network, network.Masked())
	}
	if network.Addr().Is4In6() {
		return Answer{}, fmt.Errorf("network %s: write IPv4 networks as IPv4", network)
	}
	lat, err := degrees(fields[2], 90)
	if err != nil {
		return Answer{}, fmt.Errorf("latitude: %w", err)
	}
	lon, err := degrees(fields[3], 180)
	if err != nil {
		return Answer{}, fmt.Errorf("longitude: %w", err)
	}
	a := Answer{Source: FromZones, Network: network, Location: Location{Region: fields[1], Lat: lat, Lon: lon}}
	if len(fields) > 4 {
		a.Country = strings.ToUpper(fields[4])
		if len(a.Country) != 2 {
			return Answer{}, fmt.Errorf("country %q: want two letters", fields[4])
		}
		a.City = strings.Join(fields[5:], " ")
	}
	return a, nil
}

func degrees(text string, limit float64) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= -limit && v <= limit) {
		return 0, fmt.Errorf("%q is no number from -%g to %g", text, limit, limit)
	}
	return v, nil
}

func newZones(all map[netip.Prefix]Answer) *Zones {
	type length struct {
		bits int
		is4  bool
	}
	lengths := map[length]map[netip.Addr]Answer{}
	for network, a := range all {
		l := length{network.Bits(), network.Addr().Is4()}
		if lengths[l] == nil {
			lengths[l] = map[netip.Addr]Answer{}
		}
		lengths[l][network.Addr()] = a
	}
	z := &Zones{}
	for l, zones := range lengths {
		z.byLength = append(z.byLength, zonesOfLength{bits: l.bits, is4: l.is4, zones: zones})
	}
	slices.SortFunc(z.byLength, func(a, b zonesOfLength) int { return cmp.Compare(b.bits, a.bits) })
	return z
}

// Len counts the zones.
func (z *Zones) Len() int {
	n := 0
	for _, l := range z.byLength {
		n += len(l.zones)
	}
	return n
}

// Locate answers with the smallest zone that holds the address.
func (z *Zones) Locate(addr netip.Addr) (Answer, bool) {
	for _, l := range z.byLength {
		if l.is4 != addr.Is4() {
			continue
		}
		network, err := addr.Prefix(l.bits)
		if err != nil {
			continue
		}
		if a, ok := l.zones[network.Addr()]; ok {
			return a, true
		}
	}
	return Answer{}, false
}
