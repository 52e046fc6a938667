package origin

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/metahttp"
	"github.com/stratos-mesh/stratos/origin/apikey"
	"github.com/stratos-mesh/stratos/origin/origintest"
	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

// The crash tests kill a real process: this test binary, started again with
// crashDir set, is an origin that talks to the test's edges and meta node.
const (
	crashDir  = "STRATOS_ORIGIN_TEST_DIR"
	crashMeta = "STRATOS_ORIGIN_TEST_META"
)

func TestMain(m *testing.M) {
	sandbox.Main()
	if dir := os.Getenv(workerDir); dir != "" {
		fmt.Fprintln(os.Stderr, beWorker(dir, os.Getenv(workerSocket)))
		os.Exit(1)
	}
	if dir := os.Getenv(crashDir); dir != "" {
		if err := beOrigin(dir, os.Getenv(crashMeta)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// beOrigin serves until it is killed, and prints where.
func beOrigin(dir, metaURL string) error {
	key, err := nodeauth.LoadOrCreate(filepath.Join(dir, "node.key"))
	if err != nil {
		return err
	}
	signer := nodeauth.NewSigner(key)
	keys, err := apikey.Open(filepath.Join(dir, "keys.json"))
	if err != nil {
		return err
	}
	o, err := New(Config{
		Dir: filepath.Join(dir, "origin"), Keys: keys, Sign: signer.Sign, Replicas: 3,
		Meta:  metahttp.NewClient(metahttp.ClientConfig{URLs: []string{metaURL}, Signer: signer}),
		Video: video(slowTranscoder(), filepath.Join(dir, "worker")),
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + listener.Addr().String())
	return http.Serve(listener, o)
}

// victim is an origin in a process of its own.
type victim struct {
	*bench
	dir, meta string

	mu      sync.Mutex // guards following
	process *exec.Cmd
	url     string
	kills   int
}

func startVictim(t *testing.T) *victim {
	t.Helper()
	dir := t.TempDir()
	v := &victim{bench: &bench{t: t, net: origintest.Start(t, 4), keys: filepath.Join(dir, "keys.json")}, dir: dir}
	v.token = v.key(apikey.Key{Scopes: []apikey.Scope{apikey.Admin}, Namespaces: []string{"*"}})
	key, err := nodeauth.LoadOrCreate(filepath.Join(dir, "node.key"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(metahttp.NewHandler(metahttp.HandlerConfig{
		Meta: struct {
			*origintest.Meta
			meta.Issuer
			meta.Nodes
			meta.Operator
		}{Meta: v.net.Meta},
		WhoIs: func(k ed25519.PublicKey) (meta.NodeKind, meta.EdgeID, bool) {
			return meta.OriginNode, 0, k.Equal(key.Public())
		},
		ChainID: origintest.ChainID,
	}))
	t.Cleanup(server.Close)
	v.meta, v.server = server.URL, server // bench asks server for its client alone
	v.run()
	t.Cleanup(func() { v.kill(false) })
	return v
}

// run starts the process and waits until it listens.
func (v *victim) run() {
	v.t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^$")
	c.Env = append(os.Environ(), crashDir+"="+v.dir, crashMeta+"="+v.meta)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		v.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		v.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		v.t.Fatalf("the origin did not start: %v", err)
	}
	v.process, v.url = c, strings.TrimSpace(line)
}

// kill ends the process without warning, and starts another when it is asked
// to.
func (v *victim) kill(again bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.kills++
	_ = v.process.Process.Kill()
	_ = v.process.Wait()
	if again {
		v.run()
	}
}

func (v *victim) at(path string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.url + path
}

// trap is a body that kills the origin after n of its bytes were read.
type trap struct {
	io.Reader
	left int
	kill func()
}

func (r *trap) Read(p []byte) (int, error) {
	if r.left <= 0 {
		r.kill()
		return 0, io.ErrUnexpectedEOF
	}
	n, err := r.Reader.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}

func TestKillingTheOriginInTheMiddleOfAnUpload(t *testing.T) {
	t.Parallel()
	v := startVictim(t)
	data := content(20<<20 + 12345)
	created := v.want(http.StatusCreated, "POST", v.at("/v1/uploads"), nil, tus, fmt.Sprintf("Upload-Length: %d", len(data)), metadata("name", "demo/killed"))
	path := created.Header.Get("Location")
	path = path[strings.Index(path, "/v1/"):]
	acknowledged := 0
	for step := 0; acknowledged < len(data); step++ {
		at := v.offset(v.at(path))
		if at < acknowledged {
			t.Fatalf("%d bytes were acknowledged, after the kill there are %d", acknowledged, at)
		}
		end := min(at+1_300_000, len(data))
		body := io.Reader(bytes.NewReader(data[at:end]))
		if step%2 == 0 && end < len(data) {
			body = &trap{Reader: body, left: (step * 170_000) % 1_300_000, kill: func() { v.kill(true) }}
		}
		headers := []string{tus, "Content-Type: application/offset+octet-stream", fmt.Sprintf("Upload-Offset: %d", at)}
		if step%3 == 0 {
			headers = append(headers, sum256(data[at:end]))
		}
		if a, err := v.try("PATCH", v.at(path), body, headers...); err == nil && a.StatusCode == http.StatusNoContent {
			acknowledged = end
			if step%4 == 1 && end < len(data) {
				v.kill(true) // right after the answer
			}
		}
	}
	if v.kills < 5 {
		t.Errorf("killed %d times only", v.kills)
	}
	v.kill(true)
	if got := v.offset(v.at(path)); got != len(data) {
		t.Errorf("in the end: got %d bytes, want %d", got, len(data))
	}
	if got := v.want(http.StatusOK, "GET", v.at("/v1/files/demo/killed?content=1"), nil).body; !bytes.Equal(got, data) {
		t.Error("read back something else")
	}
}

func TestKillingTheOriginWhileItConcatenates(t *testing.T) {
	t.Parallel()
	v := startVictim(t)
	var data []byte
	var parts []string
	for i := range 3 {
		part := content(2<<20 + 1000*i)
		data = append(data, part...)
		made := v.want(http.StatusCreated, "POST", v.at("/v1/uploads"), nil, tus, "Upload-Concat: partial", fmt.Sprintf("Upload-Length: %d", len(part)))
		path := made.Header.Get("Location")
		path = path[strings.Index(path, "/v1/"):]
		v.want(http.StatusNoContent, "PATCH", v.at(path), bytes.NewReader(part), tus, "Content-Type: application/offset+octet-stream", "Upload-Offset: 0")
		parts = append(parts, path)
	}
	concat := func() (answer, error) {
		return v.try("POST", v.at("/v1/uploads"), nil, tus, "Upload-Concat: final;"+strings.Join(parts, " "), metadata("name", "demo/joined"))
	}
	// In the middle: slices are on their way and no edge answers.
	var releases []func()
	for _, e := range v.net.Edges {
		releases = append(releases, e.Hold())
	}
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		if a, err := concat(); err == nil {
			t.Errorf("it was killed and answered %s", a.Status)
		}
	}()
	for len(held(v)) == 0 {
		time.Sleep(time.Millisecond)
	}
	v.kill(true)
	<-killed
	for _, release := range releases {
		release()
	}
	// When the name has just moved, and nobody knows.
	v.net.Meta.OnPublish(func() { v.kill(true) })
	if a, err := concat(); err == nil && a.StatusCode == http.StatusCreated {
		t.Errorf("it was killed and answered %s", a.Status)
	}
	v.net.Meta.OnPublish(nil)
	// A failure that is no crash leaves nothing either.
	v.net.Meta.FailPublish(meta.ErrConflict)
	if a, err := concat(); err != nil || a.StatusCode != http.StatusConflict {
		t.Errorf("a name that cannot move: %v, %v", a.StatusCode, err)
	}
	v.net.Meta.FailPublish(nil)
	if a, err := concat(); err != nil || a.StatusCode != http.StatusCreated {
		t.Fatalf("once more: %v, %v", a.StatusCode, err)
	}
	if got := v.want(http.StatusOK, "GET", v.at("/v1/files/demo/joined?content=1"), nil).body; !bytes.Equal(got, data) {
		t.Error("read back something else")
	}
	left, err := os.ReadDir(filepath.Join(v.dir, "origin", "uploads"))
	if err != nil || len(left) != len(parts)+1 {
		t.Errorf("%d uploads are left, want the parts and one final upload (%v)", len(left), err)
	}
}

// held are the uploads whose state says that they concatenate.
func held(v *victim) (finals []string) {
	states, _ := filepath.Glob(filepath.Join(v.dir, "origin", "uploads", "*", "state"))
	for _, path := range states {
		if text, err := os.ReadFile(path); err == nil && bytes.Contains(text, []byte(`"final":true`)) {
			finals = append(finals, path)
		}
	}
	return finals
}

func TestKillingTheOriginWhileABundleGrows(t *testing.T) {
	t.Parallel()
	v := startVictim(t)
	at := v.want(http.StatusCreated, "POST", v.at("/v1/bundles"), strings.NewReader(`{"name":"demo/killed"}`)).Header.Get("Location")
	const files, rounds = 60, 4
	var acknowledged sync.Map
	for round := range rounds {
		var wait sync.WaitGroup
		var count atomic.Int64
		for worker := range 6 {
			wait.Go(func() {
				for i := worker; i < files; i += 6 {
					if _, done := acknowledged.Load(i); done {
						continue
					}
					a, err := v.try("PUT", v.at(fmt.Sprintf("%s/files/d/%d", at, i)), bytes.NewReader(content(1000*i)))
					if err != nil || a.StatusCode != http.StatusCreated {
						return // killed
					}
					acknowledged.Store(i, true)
					if count.Add(1) == files/rounds && round < rounds-1 {
						v.kill(true)
						return
					}
				}
			})
		}
		wait.Wait()
	}
	var view bundleView
	v.want(http.StatusOK, "GET", v.at(at), nil).decode(t, &view)
	there := map[string]bool{}
	for _, f := range view.Files {
		there[f.Path] = true
	}
	acknowledged.Range(func(i, _ any) bool {
		if !there[fmt.Sprintf("d/%d", i)] {
			t.Errorf("file %d was acknowledged and is gone", i)
		}
		return true
	})
	for i := range files {
		if !there[fmt.Sprintf("d/%d", i)] {
			v.want(http.StatusCreated, "PUT", v.at(fmt.Sprintf("%s/files/d/%d", at, i)), bytes.NewReader(content(1000*i)))
		}
	}
	// Publishing, killed when the name has just moved and before anybody knows.
	v.net.Meta.OnPublish(func() { v.kill(true) })
	_, _ = v.try("POST", v.at(at+"/publish"), nil)
	v.net.Meta.OnPublish(nil)
	var result Result
	v.want(http.StatusOK, "POST", v.at(at+"/publish"), nil).decode(t, &result)
	if result.Objects != files {
		t.Errorf("published %d files, want %d", result.Objects, files)
	}
	if n := len(v.net.Meta.Published()); n != 1 {
		t.Errorf("the name moved %d times, want once", n)
	}
	for i := 0; i < files; i += 7 {
		if got := v.want(http.StatusOK, "GET", v.at(fmt.Sprintf("/v1/files/demo/killed/d/%d?content=1", i)), nil).body; !bytes.Equal(got, content(1000*i)) {
			t.Errorf("file %d: read back something else", i)
		}
	}
}
