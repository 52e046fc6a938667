package origin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/origin/apikey"
	"github.com/stratos-mesh/stratos/origin/origintest"
)

func TestASourceInPieces(t *testing.T) {
	t.Parallel()
	s := startStudio(t, nil)
	v := s.make(`{"name":"films/pieces"}`)
	source := []byte("video 10" + strings.Repeat(" ", 3<<20))
	url := s.create(len(source), metadata("asset", v.ID))
	for at := 0; at < len(source); {
		end := min(at+1_500_000, len(source))
		a := s.patch(url, at, source[at:end])
		if a.StatusCode != http.StatusNoContent {
			t.Fatalf("PATCH at %d: %d %s", at, a.StatusCode, a.body)
		}
		if end < len(source) {
			if now := s.asset(v.ID); now.State != assetUploading || now.Source.Received != int64(end) {
				t.Errorf("after %d bytes: %+v", end, now)
			}
			if a := s.do("POST", "/v1/uploads", nil, tus, "Upload-Length: 5", metadata("asset", v.ID)); a.StatusCode != http.StatusConflict {
				t.Errorf("a second upload: %d %s", a.StatusCode, a.body)
			}
			s.restart()
			url = tusBase + url[strings.LastIndex(url, "/")+1:]
		} else if got := a.Header.Get("Stratos-Asset"); got != v.ID {
			t.Errorf("Stratos-Asset: %q", got)
		}
		at = end
	}
	v = s.until(v.ID, assetReady)
	if sum := sha256.Sum256(source); v.Source.Size != int64(len(source)) || v.Source.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("source: %+v", v.Source)
	}
	s.want(http.StatusOK, "HEAD", url, nil, tus)
	s.want(http.StatusOK, "GET", url+"/result", nil)
}

func TestAFileThatIsNoVideo(t *testing.T) {
	t.Parallel()
	s := startStudio(t, nil)
	v := s.make(`{"name":"films/text"}`)
	s.send(v.ID, "once upon a time")
	v = s.until(v.ID, assetFailed)
	want := &Reason{
		Type: "urn:stratos:problem:source-not-media", Detail: "This is neither video nor sound.",
		Hint: "Upload a video or audio file, such as MP4, MOV, MKV, WebM or MP3.",
	}
	if diff := cmp.Diff(want, v.Reason); diff != "" {
		t.Errorf("reason (-want +got):\n%s", diff)
	}
	s.ended(v.ID)
	if _, err := os.Stat(filepath.Join(s.config.Dir, "assets", v.ID, "source")); err == nil {
		t.Error("the source of a failed asset is still here")
	}
	s.restart()
	if got := s.asset(v.ID); got.State != assetFailed || got.Reason == nil {
		t.Errorf("after a restart: %+v", got)
	}
}

func TestAVideoThatFailedIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := startStudio(t, nil)
	s.net.Meta.Claim("taken")
	v := s.make(`{"name":"taken/film"}`)
	s.send(v.ID, "video 10")
	s.until(v.ID, assetFailed)
	s.ended(v.ID)
	s.restart()
	s.net.Meta.Release("taken")
	s.want(http.StatusAccepted, "POST", "/v1/assets/"+v.ID+"/retry", nil)
	if v = s.until(v.ID, assetReady); v.Reason != nil {
		t.Errorf("ready with a reason: %+v", v.Reason)
	}
	s.want(http.StatusConflict, "POST", "/v1/assets/"+v.ID+"/retry", nil)
}

func TestANameThatIsNotFreeFailsBeforeTheEncoding(t *testing.T) {
	t.Parallel()
	s := startStudio(t, nil)
	s.net.Meta.Claim("taken")
	v := s.make(`{"name":"taken/film"}`)
	s.send(v.ID, "video 10")
	v = s.until(v.ID, assetFailed)
	if v.Reason.Type != "urn:stratos:problem:forbidden" {
		t.Errorf("reason: %+v", v.Reason)
	}
}

func TestAQuotaThatTheSourceIsTooLargeFor(t *testing.T) {
	t.Parallel()
	s := startStudio(t, nil)
	s.token = s.key(apikey.Key{Scopes: []apikey.Scope{apikey.Admin}, Namespaces: []string{"*"}, MaxBytes: 5})
	v := s.make(`{"name":"films/film"}`)
	if got := s.want(http.StatusRequestEntityTooLarge, "PUT", "/v1/assets/"+v.ID+"/source", strings.NewReader("video 10")).kind(t); got != "quota" {
		t.Errorf("got %s", got)
	}
	if a := s.do("POST", "/v1/uploads", nil, tus, "Upload-Length: 8", metadata("asset", v.ID)); a.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("by tus: %d %s", a.StatusCode, a.body)
	}
	if s.origin.assets.disk != 0 {
		t.Errorf("%d bytes are counted on the disk", s.origin.assets.disk)
	}
}

func TestAssetsOfOtherNamespaces(t *testing.T) {
	t.Parallel()
	s := startStudio(t, nil)
	v := s.make(`{"name":"films/film"}`)
	s.token = s.key(apikey.Key{Scopes: []apikey.Scope{apikey.Admin}, Namespaces: []string{"other"}})
	for _, c := range []struct{ method, path string }{
		{"GET", ""}, {"GET", "/events"}, {"DELETE", ""}, {"PUT", "/source"},
	} {
		s.want(http.StatusNotFound, c.method, "/v1/assets/"+v.ID+c.path, nil)
	}
	if a := s.do("POST", "/v1/uploads", nil, tus, "Upload-Length: 8", metadata("asset", v.ID)); a.StatusCode != http.StatusForbidden {
		t.Errorf("an upload for it: %d %s", a.StatusCode, a.body)
	}
	s.want(http.StatusForbidden, "POST", "/v1/assets", strings.NewReader(`{"name":"films/film"}`))
	var page struct{ Assets []assetView }
	s.want(http.StatusOK, "GET", "/v1/assets", nil).decode(t, &page)
	if len(page.Assets) != 0 {
		t.Errorf("listed: %v", page.Assets)
	}
}

func TestPagesOfAssets(t *testing.T) {
	t.Parallel()
	s := startStudio(t, nil)
	var want, got []string
	for i := range 5 {
		want = append(want, s.make(`{"name":"films/film`+strconv.Itoa(i)+`"}`).ID)
	}
	s.make(`{"name":"other/film"}`)
	cursor := ""
	for {
		var page struct {
			Assets []assetView
			Next   string
		}
		s.want(http.StatusOK, "GET", "/v1/assets?name=films&limit=2&cursor="+cursor, nil).decode(t, &page)
		for _, a := range page.Assets {
			got = append(got, a.ID)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("assets (-want +got):\n%s", diff)
	}
}

// event of a stream.
type event struct{ name, id, data string }

func events(text []byte) (all []event) {
	for block := range strings.SplitSeq(string(text), "\n\n") {
		var e event
		for line := range strings.SplitSeq(block, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			switch name {
			case "event":
				e.name = value
			case "id":
				e.id = value
			case "data":
				e.data = value
			}
		}
		if e.name != "" {
			all = append(all, e)
		}
	}
	return all
}

func TestTheEventsOfAVideo(t *testing.T) {
	t.Parallel()
	s := startStudio(t, nil)
	v := s.make(`{"name":"films/film"}`)
	done := make(chan answer, 1)
	go func() {
		a, _ := s.try("GET", "/v1/assets/"+v.ID+"/events", nil)
		done <- a
	}()
	s.send(v.ID, "video 20")
	var states, ids []string
	var last event
	for _, e := range events((<-done).body) {
		if last = e; e.name == "state" {
			var change transition
			if err := json.Unmarshal([]byte(e.data), &change); err != nil {
				t.Fatal(err)
			}
			states, ids = append(states, change.State), append(ids, e.id)
		}
	}
	seen := strings.Join(states, " ")
	for _, want := range []string{assetWaiting, assetProbing, assetEncoding, assetPublishing, assetReady} {
		if !strings.Contains(seen, want) {
			t.Errorf("no %s in %s", want, seen)
		}
	}
	var end assetView
	if err := json.Unmarshal([]byte(last.data), &end); err != nil || last.name != "asset" || end.State != assetReady {
		t.Errorf("the last event: %+v", last)
	}
	s.restart()
	for i, id := range ids {
		rest := events(s.want(http.StatusOK, "GET", "/v1/assets/"+v.ID+"/events", nil, "Last-Event-ID: "+id).body)
		if want := len(ids) - i - 1 + 1; len(rest) != want {
			t.Errorf("after event %d of %d: %d events, want %d", i, len(ids), len(rest), want)
		}
	}
}

// receiver takes webhooks.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	refuse   int
	got      []hookBody
	attempts []string // ids
	came     chan struct{}
}

func startReceiver(t *testing.T, secret *string) *receiver {
	r := &receiver{came: make(chan struct{}, 100)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		text, _ := io.ReadAll(q.Body)
		var b hookBody
		if err := json.Unmarshal(text, &b); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		stamp, sum, _ := strings.Cut(strings.TrimPrefix(q.Header.Get("Stratos-Signature"), "t="), ",v1=")
		r.mu.Lock()
		defer r.mu.Unlock()
		mac := hmac.New(sha256.New, []byte(*secret))
		mac.Write([]byte(stamp + "." + string(text)))
		if got, err := hex.DecodeString(sum); err != nil || !hmac.Equal(got, mac.Sum(nil)) {
			t.Errorf("signature %q is not the secret's", q.Header.Get("Stratos-Signature"))
		}
		r.attempts = append(r.attempts, b.ID)
		if r.refuse > 0 {
			r.refuse--
			w.WriteHeader(http.StatusInternalServerError)
		} else {
			r.got = append(r.got, b)
		}
		r.came <- struct{}{}
	}))
	t.Cleanup(r.Close)
	return r
}

func TestWebhooksAreSignedAndTriedAgain(t *testing.T) {
	t.Parallel()
	secret := ""
	r := startReceiver(t, &secret)
	r.refuse = 1
	s := startStudio(t, func(c *Config, f *origintest.Transcoder) { c.Video.PrivateHooks, f.Speed = true, 1 })
	v := s.make(`{"name":"films/film","passthrough":"mine","webhook":{"url":"` + r.URL + `"}}`)
	r.mu.Lock()
	secret = v.WebhookSecret
	r.mu.Unlock()
	if len(secret) < 20 || s.asset(v.ID).WebhookSecret != "" {
		t.Errorf("the secret is %q; it is told once", secret)
	}
	s.send(v.ID, "video 10")
	s.until(v.ID, assetReady)
	<-r.came
	s.restart() // it goes on with what is on the disk
	<-r.came
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.attempts) != 2 || r.attempts[0] != r.attempts[1] || len(r.got) != 1 {
		t.Fatalf("attempts %v, got %d", r.attempts, len(r.got))
	}
	if b := r.got[0]; b.Event != "asset.ready" || b.Asset.Passthrough != "mine" || b.Asset.State != assetReady || time.Since(b.Time) > time.Minute {
		t.Errorf("got %+v", b)
	}
}

func TestWebhooksDoNotGoToPrivateAddresses(t *testing.T) {
	t.Parallel()
	secret := "x"
	r := startReceiver(t, &secret)
	s := startStudio(t, nil)
	v := s.make(`{"name":"films/film","webhook":{"url":"` + r.URL + `","secret":"x"}}`)
	s.send(v.ID, "video 10")
	s.until(v.ID, assetReady)
	hooks := filepath.Join(s.config.Dir, "assets", v.ID, "hooks", "*"+hookDone)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) { // a file is all that tells
		if done, _ := filepath.Glob(hooks); len(done) > 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the webhook was not given up")
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.attempts) != 0 {
		t.Errorf("a webhook came to %s", r.URL)
	}
	for address, want := range map[string]bool{
		"127.0.0.1": false, "::1": false, "10.1.2.3": false, "192.168.0.1": false, "172.16.0.1": false, "169.254.169.254": false, "100.64.1.1": false,
		"0.0.0.0": false, "::": false, "fe80::1": false, "fc00::1": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "64:ff9b::7f00:1": false,
		"2002:7f00:1::": false, "224.0.0.1": false, "ff02::1": false, "255.255.255.255": false, "192.0.2.1": false, "198.18.0.1": false, "2001:db8::1": false,
		"93.184.215.14": true, "2606:2800:21f:cb07:6820:80da:af6b:8b2c": true, "8.8.8.8": true,
	} {
		if got := public(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: got %v, want %v", address, got, want)
		}
	}
}

func TestAssetsWithoutASourceExpire(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var mu sync.Mutex
	s := startStudio(t, func(c *Config, _ *origintest.Transcoder) {
		c.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		}
	})
	s.net.Meta.GrantLife = 10000 * time.Hour
	idle, fed := s.make(`{"name":"films/idle"}`), s.make(`{"name":"films/fed"}`)
	url := s.create(8, metadata("asset", fed.ID))
	mu.Lock()
	now = now.Add(23 * time.Hour)
	mu.Unlock()
	s.patch(url, 0, []byte("vid"))
	mu.Lock()
	now = now.Add(2 * time.Hour)
	mu.Unlock()
	s.origin.Sweep()
	s.want(http.StatusNotFound, "GET", "/v1/assets/"+idle.ID, nil)
	s.patch(url, 3, []byte("eo 10"))
	s.until(fed.ID, assetReady)
	mu.Lock()
	now = now.Add(30 * 24 * time.Hour)
	mu.Unlock()
	s.origin.Sweep()
	s.want(http.StatusOK, "GET", "/v1/assets/"+fed.ID, nil)
}
