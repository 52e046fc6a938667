// Package geo answers where a client is. It asks a chain of sources in the
// order of how much they know, and the first that knows answers: the operator's
// own zones, latencies that sessions near by have measured, GeoIP databases, a
// table of countries, and at last a default. The answer says which source it
// was and what has to be said about whose data it is.
//
// All sources are asked at once from many goroutines. Files may be replaced
// under a running process: see Files.
package geo

import (
	"net/netip"
)

// Source names the link of the chain that answered.
type Source string

// Sources in the order in which a Chain usually asks them.
const (
	// FromZones: the operator said so.
	FromZones Source = "zones"
	// FromLatency: sessions of the same network measured it.
	FromLatency Source = "latency"
	// FromCity: a GeoIP database has coordinates for the network.
	FromCity Source = "city"
	// FromCountry: a GeoIP database knows the country, the table where that is.
	FromCountry Source = "country"
	// FromDefault: nobody knows.
	FromDefault Source = "default"
)

// Location is a place on the globe with what else is known of it. Empty fields
// are unknown; Lat and Lon are always meant.
type Location struct {
	Lat, Lon float64
	// Country is an ISO 3166-1 alpha-2 code.
	Country string
	// Region is the operator's word for a part of the world, as edges use it.
	Region string
	City   string
	// ASN of the client's network.
	ASN uint32
}

// Answer is a Location and where it comes from.
type Answer struct {
	Location
	Source Source
	// Network is the prefix that the answer holds for, where the source knows.
	Network netip.Prefix
	// Attribution has to stand wherever the answer is shown to people.
	Attribution string
}

// A Locator knows where some addresses are. Locate is called at once from many
// goroutines and neither blocks nor asks the network; false means that this
// source does not know.
type Locator interface {
	Locate(addr netip.Addr) (Answer, bool)
}

// A Chain asks one Locator after the other. The nil Chain knows no address.
type Chain []Locator

// Locate gives the first answer. An address that nobody knows, the zero address
// included, is FromDefault at 0°N 0°E unless the chain ends in a Default.
func (c Chain) Locate(addr netip.Addr) Answer {
	addr = addr.Unmap().WithZone("")
	for _, link := range c {
		if a, ok := link.Locate(addr); ok {
			return a
		}
	}
	return Answer{Source: FromDefault}
}

// Default is the last link of a chain: it answers for every address.
type Default Location

// Locate answers with the default itself.
func (d Default) Locate(netip.Addr) (Answer, bool) {
	return Answer{Location: Location(d), Source: FromDefault}, true
}
