package hls_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"

	"github.com/stratos-mesh/stratos/internal/hls"
)

const (
	growing = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:4\n#EXT-X-PLAYLIST-TYPE:EVENT\n#EXTINF:4.000,\ns1.m4s\n"
	film    = "films/summer"
	low     = "v360/index.m3u8"
)

// testKey is a key that every run has: the vectors are signed with it.
func testKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

func sign(t *testing.T, body string, seq uint64) string {
	t.Helper()
	b, err := hls.Sign([]byte(body), film, low, seq, testKey(1))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestASignedPlaylistIsVerifiedAndStaysAPlaylist(t *testing.T) {
	t.Parallel()
	text := sign(t, growing, 7)
	s, err := hls.Verify([]byte(text), film, low, public(testKey(1)))
	if err != nil {
		t.Fatal(err)
	}
	if s.Seq != 7 || string(s.Body) != growing || s.Digest != hls.Sum([]byte(text)) {
		t.Errorf("Verify gave state %d, body %q", s.Seq, s.Body)
	}
	p, err := hls.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if m, err := p.Media(); err != nil || len(m.Segments) != 1 {
		t.Errorf("Media gave %v, %v, want one segment", m, err)
	}
}

// A forgery is what somebody makes of a signed playlist.
type forgery struct {
	why, text, name, path string
	key                   ed25519.PrivateKey
}

// forgeries of a good playlist in state 7.
func forgeries(good string) []forgery {
	line := good[strings.LastIndex(strings.TrimSuffix(good, "\n"), "\n")+1:]
	key := line[strings.Index(line, "KEY="):strings.Index(line, ",SIG")]
	return []forgery{
		{"another name", good, "films/winter", low, testKey(1)},
		{"another path", good, film, "v720/index.m3u8", testKey(1)},
		{"a name that takes from the path", good, film + "/v360", "index.m3u8", testKey(1)},
		{"an empty name", good, "", low, testKey(1)},
		{"another key", good, film, low, testKey(2)},
		{"a byte of a segment's name changed", strings.Replace(good, "s1.m4s", "s2.m4s", 1), film, low, testKey(1)},
		{"a higher SEQ written in", strings.Replace(good, "SEQ=7", "SEQ=8", 1), film, low, testKey(1)},
		{"another KEY written in", strings.Replace(good, key, "KEY="+strings.Repeat("A", 43), 1), film, low, testKey(1)},
		{"a line after the signature", good + "#EXT-X-ENDLIST\n", film, low, testKey(1)},
		{"a blank line after the signature", good + "\n", film, low, testKey(1)},
		{"no line break at the end", strings.TrimSuffix(good, "\n"), film, low, testKey(1)},
		{"a windows line break at the end", strings.TrimSuffix(good, "\n") + "\r\n", film, low, testKey(1)},
		{"the signature twice", good + line, film, low, testKey(1)},
		{"the signature moved to the front", line + growing, film, low, testKey(1)},
		{"the signature of another state", growing + "#EXTINF:4.000,\ns2.m4s\n" + line, film, low, testKey(1)},
		{"no signature", growing, film, low, testKey(1)},
		{"only a signature", line, film, low, testKey(1)},
		{"nothing", "", film, low, testKey(1)},
		{"a SEQ with a leading zero", strings.Replace(good, "SEQ=7", "SEQ=07", 1), film, low, testKey(1)},
		{"SEQ nought", strings.Replace(good, "SEQ=7", "SEQ=0", 1), film, low, testKey(1)},
		{"a SEQ beyond 2^53", strings.Replace(good, "SEQ=7", "SEQ=9007199254740992", 1), film, low, testKey(1)},
		{"a signature in padded base64", strings.TrimSuffix(good, "\n") + "==\n", film, low, testKey(1)},
		{"an attribute more", strings.TrimSuffix(good, "\n") + ",X=1\n", film, low, testKey(1)},
		{"the attributes in another order", strings.Replace(good, "SEQ=7,", "", 1), film, low, testKey(1)},
	}
}

func TestWhoChangesASignedPlaylistIsRefused(t *testing.T) {
	t.Parallel()
	for _, f := range forgeries(sign(t, growing, 7)) {
		t.Run(f.why, func(t *testing.T) {
			t.Parallel()
			if s, err := hls.Verify([]byte(f.text), f.name, f.path, public(f.key)); !errors.Is(err, hls.ErrSignature) {
				t.Errorf("Verify gave %v, %v, want ErrSignature", s, err)
			}
		})
	}
}

func TestStatesAreTakenInTheirOrderOnly(t *testing.T) {
	t.Parallel()
	state := func(body string, seq uint64) *hls.Signed {
		s, err := hls.Verify([]byte(sign(t, body, seq)), film, low, public(testKey(1)))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	longer := growing + "#EXTINF:4.000,\ns2.m4s\n"
	for name, c := range map[string]struct {
		s, last *hls.Signed
		want    error
	}{
		"the first":                          {state(growing, 7), nil, nil},
		"the next":                           {state(longer, 8), state(growing, 7), nil},
		"one that skips numbers":             {state(longer, 70), state(growing, 7), nil},
		"the same again":                     {state(growing, 7), state(growing, 7), nil},
		"a lower one":                        {state(growing, 7), state(longer, 8), hls.ErrStale},
		"the same number with other content": {state(longer, 7), state(growing, 7), hls.ErrSignature},
	} {
		if err := c.s.Follows(c.last); !errors.Is(err, c.want) {
			t.Errorf("%s: Follows gave %v, want %v", name, err, c.want)
		}
	}
}

func TestSignRefusesWhatVerifyWould(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body, name, path string
		seq              uint64
	}{
		"SEQ nought":               {growing, film, low, 0},
		"a SEQ beyond 2^53":        {growing, film, low, 1 << 53},
		"no line break at the end": {strings.TrimSuffix(growing, "\n"), film, low, 1},
		"signed already":           {sign(t, growing, 1), film, low, 2},
		"no name":                  {growing, "", low, 1},
		"no path":                  {growing, film, "", 1},
		"a zero byte in the name":  {growing, "films\x00", low, 1},
	} {
		if _, err := hls.Sign([]byte(c.body), c.name, c.path, c.seq, testKey(1)); err == nil {
			t.Errorf("%s: Sign took it", name)
		}
	}
}
