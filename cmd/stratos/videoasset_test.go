package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEventStreamsAreReadAsHTMLDefinesThem(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []event
	}{
		"one event":                          {"event: asset\nid: 7\ndata: {}\n\n", []event{{"asset", "7", "{}"}}},
		"data on two lines":                  {"data: a\ndata: b\n\n", []event{{data: "a\nb"}}},
		"without the space":                  {"event:x\ndata:y\n\n", []event{{name: "x", data: "y"}}},
		"a comment is something":             {": still there\n\n", []event{{}}},
		"an event that breaks off is none":   {"event: asset\ndata: {", nil},
		"an event without data is none":      {"event: asset\n\n", nil},
		"a field that nobody knows":          {"retry: 3\ndata: a\n\n", []event{{data: "a"}}},
		"lines that end as on other systems": {"event: asset\r\ndata: {}\r\n\r\n", []event{{name: "asset", data: "{}"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []event
			err := readEvents(strings.NewReader(c.text), func(e event) error { got = append(got, e); return nil })
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(event{})); diff != "" || err != nil {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
	endless := io.LimitReader(zeroes{}, maxEvent+2)
	if err := readEvents(endless, func(event) error { return nil }); err == nil {
		t.Error("a line of more than the bound was taken")
	}
	many := strings.NewReader(strings.Repeat("data: "+strings.Repeat("x", 1<<20)+"\n", 5))
	if err := readEvents(many, func(event) error { return nil }); err == nil {
		t.Error("an event of more than the bound was taken")
	}
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func FuzzReadEvents(f *testing.F) {
	f.Add("event: asset\nid: 7\ndata: {}\n\n: c\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		_ = readEvents(strings.NewReader(text), func(e event) error {
			if strings.ContainsAny(e.name+e.id, "\n") {
				t.Errorf("an event with a line break in its name: %q", e)
			}
			return nil
		})
	})
}

func TestFollowingOutlivesABrokenStream(t *testing.T) {
	t.Parallel()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Last-Event-ID"))
		if len(asked) == 1 {
			fmt.Fprint(w, "event: asset\nid: 4\ndata: {\"state\":\"encoding\"}\n\nevent: asset\nda")
			return
		}
		fmt.Fprint(w, "event: asset\nid: 5\ndata: {\"state\":\"ready\"}\n\n")
	}))
	defer server.Close()
	client, err := httpClient("")
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	err = (&target{origin: server.URL, http: client}).follow(t.Context(), "x", func(a *videoAsset) bool {
		seen = append(seen, a.State)
		return false
	})
	if diff := cmp.Diff([]string{"encoding", "ready"}, seen); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if diff := cmp.Diff([]string{"", "4"}, asked); diff != "" {
		t.Errorf("asked again with another Last-Event-ID: %s", diff)
	}
}

func TestFollowingEndsWhenTheOriginRefuses(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	client, err := httpClient("")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	err = (&target{origin: server.URL, http: client}).follow(t.Context(), "x", func(*videoAsset) bool { return false })
	if err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("an asset that is gone: %v after %s", err, time.Since(began))
	}
}

func TestWhatIsShownOfAVideo(t *testing.T) {
	t.Parallel()
	a := &videoAsset{State: "encoding", Progress: 0.5, Speed: 2, TimeLeft: 65, Rungs: []videoRung{
		{Name: "video/720p", Kind: "video", Codec: "h264", Width: 1280, Height: 720, Progress: 0.25, Speed: 1},
		{Name: "audio/de", Kind: "audio", Language: "de", Progress: 1},
	}}
	a.Source.Container, a.Source.Duration, a.Source.Audio = "mov", 130, 2
	s := &videoShow{c: &cli{}, size: 10 << 20, bytes: 5 << 20, began: time.Now().Add(-time.Second)}
	if got := s.line(); !strings.HasPrefix(got, "upload: 5.0 MiB of 10.0 MiB, ") {
		t.Errorf("while it uploads: %s", got)
	}
	s.whole, s.asset = true, a
	if got, want := s.line(), "encoding: 50%, 2.0× real time, 1:05 left (video/720p 25%, audio/de 100%)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	text := strings.Join(s.block(80), "\n")
	for _, want := range []string{"upload", "2:10, 2 sound tracks", "1280x720 ", "25%  1.0×, 1:38 left", "audio de", "50%  2.0× real time, 1:05 left"} {
		if !strings.Contains(text, want) {
			t.Errorf("the picture lacks %q:\n%s", want, text)
		}
	}
	for _, width := range []int{1, 20, 80, 500} {
		s.block(width) // no width breaks it
	}
}

func TestAVideoThatFailedSaysWhyAndWithWhichCode(t *testing.T) {
	t.Parallel()
	for kind, code := range map[string]int{"source-not-media": exitRefused, "no-room": exitRefused, "encoding": exitFailed, "internal": exitFailed} {
		a := new(videoAsset)
		text := fmt.Sprintf(`{"name":"demo/x","state":"failed","reason":{"type":"urn:stratos:problem:%s","detail":"That is wrong.","hint":"Do this."}}`, kind)
		if err := a.UnmarshalJSON([]byte(text)); err != nil {
			t.Fatal(err)
		}
		var f *failure
		if !errors.As(outcome(a), &f) || f.code != code || f.hint != "Do this." || f.Error() != "demo/x: That is wrong." {
			t.Errorf("%s: %+v", kind, f)
		}
	}
}
