package browser

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// hang is a ceiling, not an expectation.
const hang = 30 * time.Second

func startBrowser(t *testing.T) (*Browser, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	t.Cleanup(cancel)
	b, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b, ctx
}

func TestAPageTellsWhatItDid(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			fmt.Fprint(w, `<!doctype html><link rel=icon href=data:,><button onclick="window.clicked = 1">b</button>`+
				`<script>console.log("hello", 1); fetch("/from").then((r) => r.text()).then((text) => { window.text = text })</script>`)
		case "/from":
			http.Redirect(w, r, "/to", http.StatusTemporaryRedirect)
		default:
			fmt.Fprint(w, "there")
		}
	}))
	defer server.Close()
	b, ctx := startBrowser(t)
	page, err := b.Open(ctx, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := page.Goto(ctx, server.URL); err != nil {
		t.Fatal(err)
	}
	if err := page.Until(ctx, `text === "there"`); err != nil {
		t.Fatal(err)
	}
	if err := page.Click(ctx, "button"); err != nil {
		t.Fatal(err)
	}
	if err := page.Until(ctx, "clicked === 1"); err != nil {
		t.Error(err)
	}
	var got string
	if err := page.EvalIn(ctx, server.URL, "Promise.resolve(text)", &got); err != nil || got != "there" {
		t.Errorf("text is %q, %v", got, err)
	}
	if err := page.Eval(ctx, "nowhere.at.all", nil); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("an expression that throws: %v", err)
	}
	var asked []string
	for _, r := range page.Requests() {
		if strings.HasPrefix(r.URL, server.URL) {
			asked = append(asked, fmt.Sprintf("%s %d", strings.TrimPrefix(r.URL, server.URL), r.Status))
		}
	}
	if want := "/ 200, /from 307, /to 200"; strings.Join(asked, ", ") != want {
		t.Errorf("requests %v, want %s", asked, want)
	}
	if got := page.Console(); len(got) != 1 || got[0] != `log "hello" 1` {
		t.Errorf("the console has %q", got)
	}
	if err := page.Close(); err != nil {
		t.Error(err)
	}
	if err := page.Eval(ctx, "1", nil); err == nil {
		t.Error("a closed page evaluates")
	}
}

func TestARoadChangesCutsAndSlows(t *testing.T) {
	t.Parallel()
	want := bytes.Repeat([]byte("0123456789abcdef"), 2000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(want)))
		w.Write(want)
	}))
	defer server.Close()
	road, err := NewProxy()
	if err != nil {
		t.Fatal(err)
	}
	defer road.Close()
	b, ctx := startBrowser(t)
	page, err := b.Open(ctx, Options{Proxy: road.URL()})
	if err != nil {
		t.Fatal(err)
	}
	if err := page.Goto(ctx, server.URL); err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(server.URL, "http://")
	// differs counts the bytes that arrive otherwise than they were sent.
	differs := func(path string) (n int) {
		t.Helper()
		var text string
		if err := page.Eval(ctx, fmt.Sprintf("fetch(%q, {cache: 'no-store'}).then((r) => r.text())", path), &text); err != nil || len(text) != len(want) {
			t.Fatalf("%d bytes of %d came: %v", len(text), len(want), err)
		}
		for i := range want {
			if text[i] != want[i] {
				n++
			}
		}
		return n
	}
	road.Flip(host, true)
	if got := differs("/a.m4s"); got != 1 || road.Flipped() != 1 {
		t.Errorf("%d bytes of a segment differ, %d counted; want one", got, road.Flipped())
	}
	if got := differs("/a.m3u8"); got != 0 {
		t.Errorf("%d bytes of a playlist differ", got)
	}
	road.Flip(host, false)
	road.Limit(len(want)) // the body takes a second, but for its last piece
	start := time.Now()
	if got := differs("/b.m4s"); got != 0 || time.Since(start) < 500*time.Millisecond {
		t.Errorf("%d bytes differ; it took %s over a line that needs 0.7 s", got, time.Since(start))
	}
	road.Limit(0)
	road.Cut(host, true)
	if err := page.Eval(ctx, `fetch("/c", {signal: AbortSignal.timeout(300)})`, nil); err == nil || !strings.Contains(err.Error(), "TimeoutError") {
		t.Errorf("from a host that is cut off came %v, want silence", err)
	}
	road.Cut(host, false)
	if got := differs("/d.m4s"); got != 0 {
		t.Errorf("%d bytes differ after the cut", got)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	t.Parallel()
	b, ctx := startBrowser(t)
	if _, err := b.Open(ctx, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(b.profile); !os.IsNotExist(err) {
		t.Errorf("the profile is still there: %v", err)
	}
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && bytes.Contains(text, []byte(b.profile)) {
			t.Errorf("%s still runs: %.80q", file, text)
		}
	}
}
