package hls_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/internal/hls"
)

var update = flag.Bool("update", false, "write golden files and vectors anew")

// golden compares got with a file of testdata, or writes it.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile("testdata/"+file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is not what it was (-want +got), run go test -update if it should not:\n%s", file, diff)
	}
}

func goldenJSON(t *testing.T, file string, value any) {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(value); err != nil {
		t.Fatal(err)
	}
	golden(t, file, b.Bytes())
}

const (
	digest0 = "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9"
	digest1 = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
)

// presentation is a multivariant playlist of the lines given.
func presentation(lines ...string) string {
	text := "#EXTM3U\n"
	for _, l := range lines {
		text += l + "\n"
	}
	return text
}

func stream(id, digest string) string {
	return `#EXT-X-STREAM-INF:BANDWIDTH=1000,STABLE-VARIANT-ID="` + id + `",X-STRATOS-SHA256="` + digest + `"` + "\n" + id + ".m3u8"
}

func audio(id, digest string) string {
	return `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="n",URI="a.m3u8",STABLE-RENDITION-ID="` + id + `",X-STRATOS-SHA256="` + digest + `"`
}

type integrityVector struct {
	Name     string `json:"name"`
	Playlist string `json:"playlist"`
	// Integrity and Pin are empty where there is none.
	Integrity string `json:"integrity,omitempty"`
	Pin       string `json:"pin,omitempty"`
}

func TestIntegrityVectors(t *testing.T) {
	t.Parallel()
	// SHA-256 of "en <digest0>\nlow <digest1>\n", as sha256sum says.
	const both = "d80748467d218dd0731073411f62ae721a7db8c30904edf33079db8b198d06f8"
	cases := []struct{ name, playlist, want string }{
		{"a variant and its audio", presentation(audio("en", digest0), stream("low", digest1)), both},
		{"the order of lines does not matter", presentation(stream("low", digest1), audio("en", digest0)), both},
		{"a copy on another pathway changes nothing", presentation(audio("en", digest0), stream("low", digest1), audio("en", digest0), stream("low", digest1)), both},
		{"an I-frame variant counts", presentation(audio("en", digest0), stream("low", digest1), `#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="i.m3u8",STABLE-VARIANT-ID="low.i",X-STRATOS-SHA256="`+digest0+`"`), "?"},
		{"captions inside the video do not count", presentation(audio("en", digest0), stream("low", digest1), `#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",NAME="n",INSTREAM-ID="CC1"`), both},
		{"ids are sorted by their bytes", presentation(stream("b", digest0), stream("B", digest0), stream("a/1", digest1), stream("a.1", digest1)), "?"},
		{"another digest is another integrity", presentation(audio("en", digest1), stream("low", digest1)), "?"},
		{"an id that stands for two digests", presentation(stream("low", digest0), stream("low", digest1)), ""},
		{"a variant and a rendition that share an id with two digests", presentation(audio("low", digest0), stream("low", digest1)), ""},
		{"a variant without a digest", presentation("#EXT-X-STREAM-INF:BANDWIDTH=1,STABLE-VARIANT-ID=\"low\"\nlow.m3u8"), ""},
		{"a variant without an id", presentation(`#EXT-X-STREAM-INF:BANDWIDTH=1,X-STRATOS-SHA256="` + digest0 + "\"\nlow.m3u8"), ""},
		{"an id with a space", presentation(stream("low er", digest0)), ""},
		{"a digest in capitals", presentation(stream("low", "5FECEB66FFC86F38D952786C6D696C79C2DBC239DD4E91B46729D73A27FB57E9")), ""},
		{"a digest cut short", presentation(stream("low", digest0[:62])), ""},
	}
	var vectors []integrityVector
	for _, c := range cases {
		v := integrityVector{Name: c.name, Playlist: c.playlist}
		d, err := integrity(c.playlist)
		if (err != nil) != (c.want == "") || err == nil && c.want != "?" && d.String() != c.want {
			t.Errorf("%s: got %s, %v, want %q", c.name, d, err, c.want)
		}
		if err == nil {
			v.Integrity, v.Pin = d.String(), hls.FormatIntegrity(d)
			if back, err := hls.ParseIntegrity(v.Pin); err != nil || back != d {
				t.Errorf("%s: ParseIntegrity gave %s, %v, want %s", c.name, back, err, d)
			}
		}
		vectors = append(vectors, v)
	}
	goldenJSON(t, "integrity.json", map[string]any{"about": "docs/formats/playlists.md, Integrity: integrity of a multivariant playlist, none where it must be refused", "vectors": vectors})
}

func integrity(playlist string) (hls.Digest, error) {
	p, err := hls.Parse([]byte(playlist))
	if err != nil {
		return hls.Digest{}, err
	}
	m, err := p.Multivariant()
	if err != nil {
		return hls.Digest{}, err
	}
	return m.Integrity()
}

func TestAPinInAnotherSpellingIsRefused(t *testing.T) {
	t.Parallel()
	good := hls.FormatIntegrity(hls.Sum(nil))
	for name, text := range map[string]string{
		"nothing":            "",
		"no prefix":          good[len("sha256-"):],
		"another hash":       "sha384-" + good[len("sha256-"):],
		"no padding":         good[:len(good)-1],
		"loose last bits":    good[:len(good)-2] + "V=",
		"base64 of URLs":     "sha256-47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
		"a line break in it": good[:20] + "\n" + good[20:],
		"two of them":        good + " " + good,
	} {
		if d, err := hls.ParseIntegrity(text); err == nil {
			t.Errorf("%s: ParseIntegrity took %q as %s", name, text, d)
		}
	}
}

type signedVector struct {
	Why      string `json:"why"`
	Name     string `json:"name"`
	Path     string `json:"path"`
	Key      string `json:"key"`
	Playlist string `json:"playlist"`
	// Seq and Body are what a reader gets, empty where it must refuse.
	Seq  uint64 `json:"seq,omitempty"`
	Body string `json:"body,omitempty"`
}

func TestSignedVectors(t *testing.T) {
	t.Parallel()
	key := base64.RawURLEncoding.EncodeToString
	var valid, invalid []signedVector
	for _, c := range []struct {
		why, name, path, body string
		seq                   uint64
	}{
		{"a growing playlist", film, low, growing, 7},
		{"its next state", film, low, growing + "#EXTINF:4.000,\ns2.m4s\n", 8},
		{"the last SEQ there is", film, low, growing, 1<<53 - 1},
		{"windows line breaks before the signature", film, low, "#EXTM3U\r\n#EXT-X-TARGETDURATION:4\r\n", 1},
		{"a name and a path beyond ASCII", "films/été", "v360/日本.m3u8", growing, 1},
	} {
		text, err := hls.Sign([]byte(c.body), c.name, c.path, c.seq, testKey(1))
		if err != nil {
			t.Fatal(err)
		}
		s, err := hls.Verify(text, c.name, c.path, public(testKey(1)))
		if err != nil || s.Seq != c.seq || string(s.Body) != c.body {
			t.Errorf("%s: Verify gave %v, %v", c.why, s, err)
		}
		valid = append(valid, signedVector{Why: c.why, Name: c.name, Path: c.path, Key: key(public(testKey(1))), Playlist: string(text), Seq: c.seq, Body: c.body})
	}
	for _, f := range forgeries(sign(t, growing, 7)) {
		invalid = append(invalid, signedVector{Why: f.why, Name: f.name, Path: f.path, Key: key(public(f.key)), Playlist: f.text})
	}
	goldenJSON(t, "signed.json", map[string]any{
		"about":   "docs/formats/playlists.md, Growing playlists: key is the origin's key that the reader knows from elsewhere",
		"valid":   valid,
		"invalid": invalid,
	})
}
