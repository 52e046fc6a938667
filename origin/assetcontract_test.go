package origin

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/origin/apikey"
	"github.com/stratos-mesh/stratos/origin/origintest"
	"github.com/stratos-mesh/stratos/origin/work"
	"github.com/stratos-mesh/stratos/transcode"
)

// withVideo makes videos with a stand-in for the encoder.
func withVideo(c *Config) {
	c.Video = video(&origintest.Transcoder{Speed: 10}, filepath.Join(c.Dir, "worker"))
}

// assetRows are those of videos and workers.
func assetRows() []row {
	made := func(ask string) step {
		return step{method: "POST", path: "/v1/assets", body: ask, status: 201}
	}
	film := made(`{"name":"demo/film"}`)
	source := step{method: "PUT", path: "%L/source", body: "video 10", status: 202}
	settled := ask("GET", "%L/events", 200).has("Content-Type", "text/event-stream")
	small := func(c *Config) { withVideo(c); c.Video.Disk = 10; c.MaxUpload = 12 }
	return []row{
		{id: "A1", config: withVideo, steps: []step{
			made(`{"name":"demo/film","title":"A film","passthrough":"{}","policy":{"codecs":["av1"],"max_height":720,"quality":20,"preset":"fast"},"webhook":{"url":"https://example.com/hook"}}`).has("Location", some),
		}},
		{id: "A2", config: withVideo, steps: []step{
			made(`{"name":"demo/film","speed":1}`).gives(400, "json"), made(`{`).gives(400, "json"), made(`{"name":"demo"}`).gives(400, "invalid"),
			made(`{"name":"demo/film","policy":{"codecs":["vp9"]}}`).gives(400, "policy"), made(`{"name":"demo/film","policy":{"quality":1}}`).gives(400, "policy"),
			made(`{"name":"demo/film","webhook":{"url":"file:///etc/passwd"}}`).gives(400, "webhook"),
		}},
		{id: "A3", config: withVideo, steps: []step{
			film, source.with("Content-Digest: sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:").gives(400, "digest-mismatch"), source, settled,
			ask("GET", "/v1/files/demo/film/master.m3u8", 200),
		}},
		{id: "A4"}, // TestASourceInPieces
		{id: "A5", config: withVideo, steps: []step{film, source, source.gives(409, "source")}},
		{id: "A6", config: withVideo, steps: []step{film, ask("GET", "%L", 200), ask("HEAD", "%L", 200), ask("PATCH", "%L", 405).gives(405, "method-not-allowed")}},
		{id: "A7", config: withVideo, steps: []step{film, ask("GET", "/v1/assets?name=demo/film&limit=1", 200), ask("GET", "/v1/assets?limit=0", 400).gives(400, "query")}},
		{id: "A8"}, // TestTheEventsOfAVideo
		{id: "A9"}, // TestTheEventsOfAVideo
		{id: "A10", config: withVideo, steps: []step{
			film, source, settled, ask("DELETE", "%L", 204), ask("GET", "%L", 404), ask("GET", "/v1/files/demo/film", 410),
		}},
		{id: "A11"}, // TestAFileThatIsNoVideo
		{id: "A12"}, // TestANewSourceReplacesAVideoWhenItIsWhole
		{id: "A13", config: small, steps: []step{film, source, film, source.gives(507, "no-room")}},
		{id: "A14", config: withVideo, steps: []step{ask("GET", "/v1/assets/none", 404).gives(404, "no-asset")}},
		{id: "A15", steps: []step{film.gives(501, "no-video")}},
		{id: "A16", config: withVideo, steps: []step{
			film, ask("POST", "%L/retry", 409).gives(409, "retry"), // and TestAVideoThatFailedIsTriedAgain
		}},
		{id: "W1"},
		{id: "W2"},
		{id: "W3"},
		{id: "W4"},
		{id: "W5"},
		{id: "W6"},
		{id: "W7"},
		{id: "W8"},
		{id: "W9"}, // TestTheProtocolOfWorkers
		{id: "W10", config: withVideo, before: limited(apikey.Key{Scopes: []apikey.Scope{apikey.Read, apikey.Write, apikey.Delete}}), steps: []step{
			{method: "POST", path: "/v1/work/lease", body: `{"worker":"w","kinds":["video"]}`, status: 403, kind: "scope"},
		}},
	}
}

func TestTheProtocolOfWorkers(t *testing.T) {
	t.Parallel()
	s := startStudio(t, func(c *Config, _ *origintest.Transcoder) { c.Video.Worker = nil })
	v := s.make(`{"name":"films/film"}`)
	s.send(v.ID, "video 8")
	s.token = s.key(apikey.Key{Scopes: []apikey.Scope{apikey.Work}, Namespaces: []string{"other"}})
	lease := func(kind work.Kind) (task work.Task) {
		t.Helper()
		ask := fmt.Sprintf(`{"worker":"w","kinds":[%q],"wait":5}`, kind)
		s.want(http.StatusOK, "POST", "/v1/work/lease", strings.NewReader(ask)).decode(t, &task)
		return task
	}
	sound := lease(work.Sound)
	at := "/v1/work/" + sound.ID
	if sound.Asset != v.ID || sound.Source.Path != "" || sound.Source.URL != at+"/source" || sound.Plan.Segments != 2 {
		t.Errorf("task: %+v", sound)
	}
	if sum := sha256.Sum256([]byte("video 8")); sound.Source.SHA256 != hex.EncodeToString(sum[:]) || sound.Source.Size != 7 {
		t.Errorf("source: %+v", sound.Source)
	}
	s.want(http.StatusNoContent, "POST", "/v1/work/lease", strings.NewReader(`{"worker":"w","kinds":["sound"]}`))
	s.want(http.StatusBadRequest, "POST", "/v1/work/lease", strings.NewReader(`{}`))
	s.want(http.StatusOK, "POST", at+"/renew", strings.NewReader(`{"done":0.5,"speed":2}`))
	if got := s.want(http.StatusOK, "GET", at+"/source", nil).body; string(got) != "video 8" {
		t.Errorf("source: %q", got)
	}
	if got := s.want(http.StatusPartialContent, "GET", at+"/source", nil, "Range: bytes=6-").body; string(got) != "8" {
		t.Errorf("the end of the source: %q", got)
	}
	sum := sha256.Sum256([]byte("segment"))
	good := "Content-Digest: sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	for _, c := range []struct {
		sentence, path, body string
		header               string
		status               int
		kind                 string
	}{
		{"a segment", "audio/und/00000.m4s", "segment", good, 204, ""},
		{"again", "audio/und/00000.m4s", "segment", good, 204, ""},
		{"another digest", "audio/und/00001.m4s", "sagment", good, 422, "file"},
		{"no digest", "audio/und/00001.m4s", "segment", "X: y", 400, "bad-digest"},
		{"another's rendition", "video/360p/00001.m4s", "segment", good, 422, "file"},
		{"a playlist", "audio/und/x.m3u8", "segment", good, 422, "file"},
		{"the second segment", "audio/und/00001.m4s", "segment", good, 204, ""},
	} {
		a := s.do("PUT", at+"/files/"+c.path, strings.NewReader(c.body), c.header)
		if a.StatusCode != c.status || c.kind != "" && a.kind(t) != c.kind {
			t.Errorf("%s: %d %s", c.sentence, a.StatusCode, a.body)
		}
	}
	done := `{"files":[{"path":"audio/und/00000.m4s"},{"path":"audio/und/00001.m4s"}],"speed":9}`
	s.want(http.StatusUnprocessableEntity, "POST", at+"/complete", strings.NewReader(`{"files":[{"path":"audio/und/init.mp4"}]}`))
	s.want(http.StatusNoContent, "POST", at+"/complete", strings.NewReader(done))
	s.want(http.StatusNoContent, "POST", at+"/complete", strings.NewReader(done))
	if got := s.want(http.StatusGone, "POST", at+"/renew", strings.NewReader(`{}`)).kind(t); got != "lease-lost" {
		t.Errorf("renewing a task that is done: %s", got)
	}
	s.want(http.StatusGone, "GET", "/v1/work/nonsense/source", nil)
	s.want(http.StatusNotFound, "POST", at+"/publish", nil)
	s.want(http.StatusMethodNotAllowed, "GET", at+"/renew", nil)

	low := lease(work.Video)
	s.want(http.StatusNoContent, "POST", "/v1/work/"+low.ID+"/fail", strings.NewReader(`{"detail":"no memory"}`))
	s.want(http.StatusGone, "POST", "/v1/work/"+low.ID+"/renew", strings.NewReader(`{}`))
	again := lease(work.Video)
	refusal, err := json.Marshal(work.Failure{Refusal: &transcode.Refusal{Reason: transcode.ReasonDamaged, Sentence: "Broken at 4 s."}})
	if err != nil {
		t.Fatal(err)
	}
	s.want(http.StatusNoContent, "POST", "/v1/work/"+again.ID+"/fail", strings.NewReader(string(refusal)))
	s.token = s.key(apikey.Key{Scopes: []apikey.Scope{apikey.Admin}, Namespaces: []string{"*"}})
	failed := s.until(v.ID, assetFailed)
	want := &Reason{Type: "urn:stratos:problem:source-damaged", Detail: "Broken at 4 s.", Hint: hint(transcode.ReasonDamaged)}
	if diff := cmp.Diff(want, failed.Reason); diff != "" {
		t.Errorf("reason (-want +got):\n%s", diff)
	}
}
