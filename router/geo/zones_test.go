package geo

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheSmallestZoneAnswers(t *testing.T) {
	t.Parallel()
	z, err := ParseZones(strings.NewReader(`
# the operator's networks
10.0.0.0/8       eu-central  50.11  8.68   de  Frankfurt am Main   # all
10.1.0.0/16      us-east     39.04  -77.49
10.1.2.3/32      ap-south    19.08  72.88
2001:db8::/32    eu-west     53.35  -6.26
0.0.0.0/0        elsewhere   0      0
`))
	if err != nil {
		t.Fatal(err)
	}
	if z.Len() != 5 {
		t.Errorf("got %d zones, want 5", z.Len())
	}
	for addr, want := range map[string]string{
		"10.2.0.1": "eu-central", "10.1.0.1": "us-east", "10.1.2.3": "ap-south", "10.1.2.4": "us-east",
		"2001:db8::1": "eu-west", "192.0.2.1": "elsewhere", "::ffff:10.1.2.3": "ap-south", "2001:db9::1": "",
	} {
		a := Chain{z}.Locate(netip.MustParseAddr(addr))
		if a.Region != want {
			t.Errorf("%s: got region %q, want %q", addr, a.Region, want)
		}
	}
	a, _ := z.Locate(netip.MustParseAddr("10.2.0.1"))
	if a.Country != "DE" || a.City != "Frankfurt am Main" || a.Source != FromZones || a.Network.String() != "10.0.0.0/8" {
		t.Errorf("got %+v", a)
	}
}

func TestALineThatIsWrongIsNamed(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"too few fields":             "10.0.0.0/8 eu 1",
		"no network":                 "10.0.0.0 eu 1 2",
		"bits behind the mask":       "10.0.0.1/8 eu 1 2",
		"IPv4 in IPv6":               "::ffff:10.0.0.0/104 eu 1 2",
		"a latitude off the globe":   "10.0.0.0/8 eu 91 2",
		"a longitude off the globe":  "10.0.0.0/8 eu 1 -181",
		"no number":                  "10.0.0.0/8 eu NaN 2",
		"a country of three letters": "10.0.0.0/8 eu 1 2 DEU",
		"the same network twice":     "192.0.2.0/24 eu 1 2",
		"a line without end":         strings.Repeat("x", 5000),
		"bytes that are no text":     "10.0.0.0/8 \xff 1 2",
	} {
		_, err := ParseZones(strings.NewReader("192.0.2.0/24 eu 1 2\n" + line + "\n"))
		if err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: got error %v, want one that names line 2", name, err)
		}
	}
}

func TestAChangedZonesFileIsTaken(t *testing.T) {
	t.Parallel()
	path := write(t, filepath.Join(t.TempDir(), "zones"), []byte("10.0.0.0/8 eu 1 2\n"))
	f, err := OpenZones(path)
	if err != nil {
		t.Fatal(err)
	}
	region := func() string { a, _ := f.Locate(netip.MustParseAddr("10.0.0.1")); return a.Region }
	write(t, path, []byte("10.0.0.0/8 us 1 2\n"))
	if changed, err := f.Refresh(); !changed || err != nil || region() != "us" {
		t.Errorf("changed %v, error %v, region %s: want the new file", changed, err, region())
	}
	write(t, path, []byte("nonsense\n"))
	if changed, err := f.Refresh(); changed || err == nil || region() != "us" {
		t.Errorf("changed %v, error %v, region %s: want an error and the old file", changed, err, region())
	}
	if _, err := OpenZones(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an error that names the file", err)
	}
}

func FuzzParseZones(f *testing.F) {
	f.Add("10.0.0.0/8 eu 1 2 DE X\n2001:db8::/32 us -1 -2 # y\n")
	f.Add("0.0.0.0/0 a 0 0\n::/0 b 0 0")
	f.Fuzz(func(t *testing.T, text string) {
		z, err := ParseZones(strings.NewReader(text))
		if err != nil {
			return
		}
		// What was read and written again is the same.
		var again strings.Builder
		for _, l := range z.byLength {
			for _, a := range l.zones {
				fmt.Fprintf(&again, "%s %s %g %g %s %s\n", a.Network, a.Region, a.Lat, a.Lon, a.Country, a.City)
				if got, ok := z.Locate(a.Network.Addr()); !ok || got.Network.Bits() < a.Network.Bits() {
					t.Errorf("%s does not find its own zone", a.Network)
				}
			}
		}
		y, err := ParseZones(strings.NewReader(again.String()))
		if err != nil || y.Len() != z.Len() {
			t.Errorf("read again: %d of %d zones, error %v", y.Len(), z.Len(), err)
		}
	})
}

func TestFilesAreFollowed(t *testing.T) {
	t.Parallel()
	path := write(t, filepath.Join(t.TempDir(), "zones"), []byte("10.0.0.0/8 eu 1 2\n"))
	f, err := OpenZones(path)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var changes, failures int
		done := make(chan struct{})
		go func() {
			defer close(done)
			Follow(ctx, 5*time.Second, func(changed bool, err error) {
				if changed {
					changes++
				}
				if err != nil {
					failures++
				}
			}, f)
		}()
		for _, content := range []string{"10.0.0.0/8 us 1 2\n", "nonsense\n", "10.0.0.0/8 ap 1 2\n"} {
			write(t, path, []byte(content))
			time.Sleep(time.Minute)
		}
		cancel()
		<-done
		if changes != 2 || failures != 1 {
			t.Errorf("%d changes and %d failures were told, want 2 and 1", changes, failures)
		}
		if a, _ := f.Locate(netip.MustParseAddr("10.0.0.1")); a.Region != "ap" {
			t.Errorf("got %+v", a)
		}
	})
}
