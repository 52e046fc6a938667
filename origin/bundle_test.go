package origin

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/origin/apikey"
	"github.com/stratos-mesh/stratos/sds"
)

// bundle makes one and returns its path.
func (b *bench) bundle(name string) string {
	b.t.Helper()
	a := b.want(http.StatusCreated, "POST", "/v1/bundles", strings.NewReader(`{"name":"`+name+`"}`))
	return a.Header.Get("Location")
}

func TestAFolderBecomesABundle(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	at := b.bundle("demo/site")
	files := map[string][]byte{
		"index.html": []byte("<p>hello"), "img/a b.png": content(300), "img/deep/er/big.bin": content(3<<20 + 1), "empty": nil,
	}
	for path, data := range files {
		a := b.want(http.StatusCreated, "PUT", at+"/files/"+strings.ReplaceAll(path, " ", "%20"), reader(data))
		var f fileView
		if a.decode(t, &f); f.Path != path || f.Size != int64(len(data)) {
			t.Errorf("%s: answer %s", path, a.body)
		}
	}
	b.want(http.StatusNoContent, "PUT", at+"/dirs/nothing/here", nil)
	b.want(http.StatusNoContent, "PUT", at+"/dirs/nothing/here", nil)
	large := content(2<<20 + 9)
	files["by/tus.bin"] = large
	url := b.create(len(large), metadata("bundle", at[strings.LastIndex(at, "/")+1:], "path", "by/tus.bin"))
	if a := b.patch(url, 0, large, sum256(large)); a.StatusCode != http.StatusNoContent {
		t.Fatalf("tus into a bundle: %d %s", a.StatusCode, a.body)
	}

	var result, again Result
	b.want(http.StatusOK, "POST", at+"/publish", nil).decode(t, &result)
	b.want(http.StatusOK, "POST", at+"/publish", nil).decode(t, &again)
	if diff := cmp.Diff(result, again); diff != "" {
		t.Errorf("publishing twice (-first +second):\n%s", diff)
	}
	if result.Kind != "bundle" || result.Objects != 5 || len(result.Durable) != 3 {
		t.Errorf("result %+v", result)
	}
	folder := sds.NewFolder()
	for path, data := range files {
		built, err := sds.Import(t.Context(), reader(data), func(context.Context, sds.CID, []byte) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if err := folder.Add(sds.Object{Path: path, CID: built.Root, Size: built.Size, SHA256: built.SHA256, First: built.First}); err != nil {
			t.Fatal(err)
		}
		if got := b.read("demo/site/" + strings.ReplaceAll(path, " ", "%20")); !bytes.Equal(got, data) {
			t.Errorf("%s: read back something else", path)
		}
	}
	if err := folder.AddDir("nothing/here"); err != nil {
		t.Fatal(err)
	}
	manifest, err := folder.Build(t.Context(), func(context.Context, sds.CID, []byte) error { return nil })
	if err != nil || manifest.Root != result.Root {
		t.Errorf("root: got %s, want %s as of the same folder (%v)", result.Root, manifest.Root, err)
	}
	var inside Result
	b.want(http.StatusOK, "GET", "/v1/files/demo/site/index.html", nil).decode(t, &inside)
	if inside.Path != "index.html" || inside.Size != 8 || !strings.HasPrefix(inside.Type, "text/html") {
		t.Errorf("a file in it: %+v", inside)
	}
	b.want(http.StatusNotFound, "GET", "/v1/files/demo/site/none", nil)
	b.want(http.StatusBadRequest, "GET", "/v1/files/demo/site?content=1", nil)
	if a := b.do("PUT", at+"/files/more", strings.NewReader("x")); a.StatusCode != http.StatusConflict || a.kind(t) != "published" {
		t.Errorf("a file into a published bundle: %d %s", a.StatusCode, a.body)
	}
	if a := b.do("PUT", "/v1/files/demo/site/x", strings.NewReader("x")); a.StatusCode != http.StatusConflict {
		t.Errorf("an object below a bundle: %d %s", a.StatusCode, a.body)
	}
}

func TestABundleGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	at := b.bundle("demo/site")
	id := at[strings.LastIndex(at, "/")+1:]
	for i := range 20 {
		b.want(http.StatusCreated, "PUT", fmt.Sprintf("%s/files/f%02d", at, i), strings.NewReader(fmt.Sprint(i)))
	}
	b.want(http.StatusCreated, "PUT", at+"/files/f00", strings.NewReader("replaced"))
	b.restart()
	var v bundleView
	b.want(http.StatusOK, "POST", "/v1/bundles", strings.NewReader(`{"name":"demo/site","resume":true}`)).decode(t, &v)
	if v.ID != id || v.State != "open" || v.Objects != 20 {
		t.Fatalf("resuming: %+v, want bundle %s with 20 files", v, id)
	}
	var paths []string
	for cursor := ""; ; {
		v = bundleView{}
		b.want(http.StatusOK, "GET", at+"?limit=7&cursor="+cursor, nil).decode(t, &v)
		for _, f := range v.Files {
			paths = append(paths, f.Path)
			if len(f.SHA256) != 64 {
				t.Errorf("%s: SHA-256 %q", f.Path, f.SHA256)
			}
		}
		if cursor = v.Next; cursor == "" {
			break
		}
	}
	if len(paths) != 20 || paths[0] != "f00" || paths[19] != "f19" {
		t.Errorf("done: %v", paths)
	}
	b.want(http.StatusCreated, "PUT", at+"/files/last", strings.NewReader("last"))
	b.want(http.StatusOK, "POST", at+"/publish", nil)
	b.restart()
	v = bundleView{}
	b.want(http.StatusOK, "GET", at, nil).decode(t, &v)
	if v.State != "published" || v.Result == nil || v.Result.Objects != 21 {
		t.Errorf("after publishing and a restart: %+v", v)
	}
	if got := string(b.read("demo/site/f00")); got != "replaced" {
		t.Errorf("f00: got %q, want replaced", got)
	}
}

func TestBundlesThatAreRefused(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *Config) { c.MaxBundleFiles, c.MaxOpen = 4, 2 })
	at := b.bundle("demo/site")
	b.want(http.StatusCreated, "PUT", at+"/files/a/b", strings.NewReader("x"))
	b.want(http.StatusNoContent, "PUT", at+"/dirs/d", nil)
	stranger := b.key(apikey.Key{Scopes: []apikey.Scope{apikey.Write}, Namespaces: []string{"other"}})
	for _, c := range []struct {
		sentence     string
		status       int
		method, path string
		body         string
		header       string
	}{
		{"a file where a folder is", 409, "PUT", at + "/files/a", "x", ""},
		{"a file below a file", 409, "PUT", at + "/files/a/b/c", "x", ""},
		{"a file where an empty folder is", 409, "PUT", at + "/files/d", "x", ""},
		{"a folder where a file is", 409, "PUT", at + "/dirs/a/b", "", ""},
		{"two dots", 400, "PUT", at + "/files/a/../b", "x", ""},
		{"no path", 400, "PUT", at + "/files/", "x", ""},
		{"10,000 components", 400, "PUT", at + "/files/" + strings.Repeat("a/", 10_000) + "a", "x", ""},
		{"a control character", 400, "PUT", at + "/files/a%01", "x", ""},
		{"a wrong digest", 400, "PUT", at + "/files/w", "x", "Content-Digest: sha-256=:" + strings.Repeat("A", 43) + "=:"},
		{"no such bundle", 404, "GET", "/v1/bundles/none", "", ""},
		{"another's bundle", 404, "GET", at, "", "Authorization: Bearer " + stranger},
		{"another's namespace", 403, "POST", "/v1/bundles", `{"name":"demo/x"}`, "Authorization: Bearer " + stranger},
		{"a name that is none", 400, "POST", "/v1/bundles", `{"name":"demo"}`, ""},
		{"no JSON", 400, "POST", "/v1/bundles", `name`, ""},
		{"an unknown field", 400, "POST", "/v1/bundles", `{"name":"demo/x","size":1}`, ""},
		{"an unknown part", 404, "GET", at + "/stuff", "", ""},
		{"reading files", 405, "GET", at + "/files/a/b", "", ""},
		{"a limit of nothing", 400, "GET", at + "?limit=0", "", ""},
	} {
		var headers []string
		if c.header != "" {
			headers = append(headers, c.header)
		}
		a := b.do(c.method, c.path, strings.NewReader(c.body), headers...)
		if a.StatusCode != c.status {
			t.Errorf("%s: got %d, want %d: %s", c.sentence, a.StatusCode, c.status, a.body)
		}
	}
	b.want(http.StatusCreated, "PUT", at+"/files/3", strings.NewReader("x"))
	b.want(http.StatusCreated, "PUT", at+"/files/4", strings.NewReader("x"))
	b.want(http.StatusRequestEntityTooLarge, "PUT", at+"/files/5", strings.NewReader("x"))
	b.want(http.StatusCreated, "PUT", at+"/files/4", strings.NewReader("a file again is no new one"))
	second := b.bundle("demo/second")
	if a := b.do("POST", "/v1/bundles", strings.NewReader(`{"name":"demo/third"}`)); a.StatusCode != http.StatusTooManyRequests {
		t.Errorf("one bundle too many: %d", a.StatusCode)
	}
	b.want(http.StatusNoContent, "DELETE", second, nil)
	b.want(http.StatusNotFound, "GET", second, nil)
	b.bundle("demo/third")
}

func TestTwoRequestsForPathsThatExcludeEachOther(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	at := b.bundle("demo/race")
	var wait sync.WaitGroup
	for range 8 {
		for _, path := range []string{"p", "p/q"} {
			wait.Go(func() { b.do("PUT", at+"/files/"+path, strings.NewReader("x")) })
		}
	}
	wait.Wait()
	var result Result
	b.want(http.StatusOK, "POST", at+"/publish", nil).decode(t, &result)
	if result.Objects != 1 {
		t.Errorf("published %d files, want one of the two", result.Objects)
	}
}

func TestManySmallFilesAtOnce(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	at := b.bundle("demo/many")
	const files, workers = 2000, 16
	var wait sync.WaitGroup
	next := make(chan int)
	begin := time.Now()
	for range workers {
		wait.Go(func() {
			for i := range next {
				b.do("PUT", fmt.Sprintf("%s/files/%02d/%d.txt", at, i%100, i), strings.NewReader(fmt.Sprint("file ", i)))
			}
		})
	}
	for i := range files {
		next <- i
	}
	close(next)
	wait.Wait()
	var result Result
	b.want(http.StatusOK, "POST", at+"/publish", nil).decode(t, &result)
	t.Logf("%d files in %v", files, time.Since(begin))
	if result.Objects != files {
		t.Errorf("published %d files, want %d", result.Objects, files)
	}
}

func TestBundlesExpire(t *testing.T) {
	t.Parallel()
	now := time.Now()
	b := start(t, func(c *Config) { c.Now = func() time.Time { return now } })
	at := b.bundle("demo/late")
	now = now.Add(23 * time.Hour)
	b.want(http.StatusCreated, "PUT", at+"/files/a", strings.NewReader("x"))
	now = now.Add(23 * time.Hour)
	b.origin.Sweep()
	b.want(http.StatusOK, "GET", at, nil)
	now = now.Add(2 * time.Hour)
	b.origin.Sweep()
	b.want(http.StatusNotFound, "GET", at, nil)
	left, err := os.ReadDir(b.origin.bundles.dir)
	if err != nil || len(left) != 0 || b.origin.Counters().OpenBundles.Load() != 0 {
		t.Errorf("left: %v %v", left, err)
	}
}
