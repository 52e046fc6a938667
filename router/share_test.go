package router

import (
	"net/netip"
	"testing"
)

func TestTheNetworkOfAnAddress(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"198.51.100.7": "198.51.100.0/24", "::ffff:198.51.100.7": "198.51.100.0/24",
		"2001:db8:1:2ff::7": "2001:db8:1:200::/56", "fe80::1%eth0": "fe80::/56",
	} {
		if got := netOf(netip.MustParseAddr(addr)).String(); got != want {
			t.Errorf("%s: got %s, want %s", addr, got, want)
		}
	}
	if netOf(netip.Addr{}).IsValid() {
		t.Error("no address is in a network")
	}
}
