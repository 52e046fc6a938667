package hls_test

import (
	"crypto/ed25519"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stratos-mesh/stratos/internal/hls"
)

// seeds are the playlists of testdata.
func seeds(f *testing.F) {
	f.Helper()
	for _, pattern := range []string{"testdata/*.m3u8", "testdata/golden/*.m3u8"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no seeds: %v", err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
}

// FuzzParse: what is accepted comes back byte for byte, attribute lists too.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := hls.Parse(text)
		if err != nil {
			return
		}
		if got := string(p.Encode()); got != string(text) {
			t.Fatalf("Encode gave %q, want %q", got, text)
		}
		for n, l := range p.Lines() {
			if list, err := hls.ParseAttrs(l.Value()); err == nil && list.String() != l.Value() {
				t.Fatalf("line %d: the attributes came back as %q, want %q", n, list, l.Value())
			}
		}
	})
}

// FuzzMedia: what a view reads, our writer writes and reads again as the same; and
// digests change nothing else.
func FuzzMedia(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := hls.Parse(text)
		if err != nil {
			return
		}
		m, err := p.Media()
		if err != nil {
			return
		}
		if b, err := hls.WriteMedia(m); err == nil {
			for i := range m.Segments {
				m.Segments[i].DateTime = m.Segments[i].DateTime.Truncate(time.Millisecond)
			}
			if m.TargetDuration == 0 {
				return
			}
			if diff := cmp.Diff(m, media(t, parse(t, string(b))), unread, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("written and read again (-before +after):\n%s", diff)
			}
		}
		digested := p.Clone()
		if err := digested.SetSegmentDigests(func(part hls.Part) (hls.Digest, error) { return hls.Sum([]byte(part.URI)), nil }); err != nil {
			t.Fatalf("SetSegmentDigests: %v", err)
		}
		noDigests := cmpopts.IgnoreTypes(hls.Digest{})
		if diff := cmp.Diff(media(t, p), media(t, parse(t, string(digested.Encode()))), unread, noDigests, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("digests changed more (-before +after):\n%s", diff)
		}
		if string(p.Encode()) != string(text) {
			t.Fatal("an edit of the clone changed the playlist")
		}
	})
}

// FuzzMultivariant: the same for the other kind, and pathways keep integrity.
func FuzzMultivariant(f *testing.F) {
	seeds(f)
	one, err := url.Parse("https://one.example/t/A/n/master.m3u8")
	if err != nil {
		f.Fatal(err)
	}
	two, err := url.Parse("https://two.example:8443/t/B/n/master.m3u8")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := hls.Parse(text)
		if err != nil {
			return
		}
		m, err := p.Multivariant()
		if err != nil {
			return
		}
		hls.Check(&hls.Presentation{Multivariant: m})
		if b, err := hls.WriteMultivariant(m); err == nil {
			// Three decimals of a frame rate, and one spelling of captions.
			round := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".FrameRate" }, cmpopts.EquateApprox(0, 0.001))
			if diff := cmp.Diff(m, multivariant(t, parse(t, string(b))), unread, round, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("written and read again (-before +after):\n%s", diff)
			}
		}
		before, integrityErr := m.Integrity()
		if err := p.SetPathways("https://router.example/s", []hls.Pathway{{ID: "a", Base: one}, {ID: "b", Base: two}}); err != nil {
			return
		}
		after := multivariant(t, parse(t, string(p.Encode())))
		if len(after.Variants) != 2*len(m.Variants) || len(after.IFrames) != 2*len(m.IFrames) {
			t.Fatalf("two pathways made %d variants of %d, %d I-frame variants of %d", len(after.Variants), len(m.Variants), len(after.IFrames), len(m.IFrames))
		}
		if d, err := after.Integrity(); (err == nil) != (integrityErr == nil) || d != before {
			t.Fatalf("integrity was %s, %v and is %s, %v", before, integrityErr, d, err)
		}
		for _, v := range after.Variants {
			if u, err := url.Parse(v.URI); err != nil || !u.IsAbs() {
				t.Fatalf("the variant %q is not absolute: %v", v.URI, err)
			}
		}
	})
}

// FuzzVerify: what is accepted is exactly what Sign makes.
func FuzzVerify(f *testing.F) {
	key := testKey(1)
	for _, seq := range []uint64{1, 7, 1<<53 - 1} {
		b, err := hls.Sign([]byte(growing), film, low, seq, key)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, film, low)
		for _, g := range forgeries(string(b)) {
			f.Add([]byte(g.text), g.name, g.path)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, name, file string) {
		s, err := hls.Verify(text, name, file, key.Public().(ed25519.PublicKey))
		if err != nil {
			return
		}
		again, err := hls.Sign(s.Body, name, file, s.Seq, key)
		if err != nil || string(again) != string(text) {
			t.Fatalf("Verify took %q, which is not what Sign makes: %q, %v", text, again, err)
		}
	})
}

// FuzzLocal: a file of the bundle is a clean path within it.
func FuzzLocal(f *testing.F) {
	f.Add("v/index.m3u8", "../a/%2e%2e/s.m4s")
	f.Add("master.m3u8", "..%5cx")
	f.Fuzz(func(t *testing.T, playlist, uri string) {
		if path.Clean("/" + playlist)[1:] != playlist {
			return
		}
		file, err := hls.Local(playlist, uri)
		if err == nil && (file != path.Clean(file) || file == "." || file == ".." || strings.HasPrefix(file, "/") || strings.HasPrefix(file, "../")) {
			t.Fatalf("Local(%q, %q) gave %q", playlist, uri, file)
		}
	})
}

// FuzzParseIntegrity: one spelling for each digest.
func FuzzParseIntegrity(f *testing.F) {
	f.Add("sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := hls.ParseIntegrity(text); err == nil && hls.FormatIntegrity(d) != text {
			t.Fatalf("ParseIntegrity took %q, which is another spelling of %q", text, hls.FormatIntegrity(d))
		}
	})
}
