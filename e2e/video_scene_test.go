package e2e

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/e2e/browser"
)

// scene is one part: a page and the network, reporting to the part's own test.
type scene struct {
	*network
	studio *studio
	page   *browser.Page
	road   *browser.Proxy
}

func (v *scene) context() context.Context {
	ctx, cancel := context.WithTimeout(v.t.Context(), hang)
	v.t.Cleanup(cancel)
	return ctx
}

// open shows a page at a URL.
func (v *scene) open(address string) {
	v.t.Helper()
	var o browser.Options
	if v.road != nil {
		o.Proxy = v.road.URL()
	}
	page, err := v.studio.browser.Open(v.context(), o)
	if err != nil {
		v.t.Fatal(err)
	}
	v.page = page
	v.t.Cleanup(func() {
		if v.t.Failed() {
			v.explain(page)
		}
		if err := page.Close(); err != nil {
			v.t.Errorf("close the page: %v", err)
		}
	})
	if err := page.Goto(v.context(), address); err != nil {
		v.t.Fatal(err)
	}
}

// show opens a page with a body, at an origin that is not the router's.
func (v *scene) show(body string) {
	v.t.Helper()
	v.open(v.studio.pages.URL + "/?body=" + url.QueryEscape(body))
}

// show a page with our player at a speed, and wait until it is there.
func (v *scene) showPlayer(src, attributes string, speed float64) {
	v.t.Helper()
	v.show(fmt.Sprintf(`<script src="%s/static/player/stratos-player.js"></script>`+
		`<stratos-player src="%s" muted autoplay %s></stratos-player><script>m.defaultPlaybackRate = m.playbackRate = %g</script>`,
		v.Router, src, attributes, speed))
}

// through puts a road between the pages and the network that can be spoiled.
func (v *scene) through() *browser.Proxy {
	v.t.Helper()
	road, err := browser.NewProxy()
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(road.Close)
	v.road = road
	return road
}

// until waits for an expression; m is the player or video.
func (v *scene) until(expression string) {
	v.t.Helper()
	if err := v.page.Until(v.context(), expression); err != nil {
		v.t.Fatal(err)
	}
}

// do evaluates an expression.
func (v *scene) do(expression string) {
	v.t.Helper()
	if err := v.page.Eval(v.context(), expression, nil); err != nil {
		v.t.Fatal(err)
	}
}

// number is what an expression gives.
func (v *scene) number(expression string) (out float64) {
	v.t.Helper()
	if err := v.page.Eval(v.context(), expression, &out); err != nil {
		v.t.Fatal(err)
	}
	return out
}

// happening is an event of a player.
type happening struct {
	Name    string
	At, Now float64
	Detail  struct{ From, To, Reason, Object, Edge, Message string }
}

// happened are the events with a name.
func (v *scene) happened(name string) (out []happening) {
	v.t.Helper()
	var all []happening
	if err := v.page.Eval(v.context(), "recorded.events", &all); err != nil {
		v.t.Fatal(err)
	}
	for _, h := range all {
		if h.Name == name {
			out = append(out, h)
		}
	}
	return out
}

// segments are requests for media so far.
func (v *scene) segments() []browser.Request {
	return slices.DeleteFunc(v.page.Requests(), func(r browser.Request) bool {
		path, _, _ := strings.Cut(r.URL, "?")
		return !strings.HasSuffix(path, ".m4s")
	})
}

// host is that of a request.
func host(r browser.Request) string {
	u, err := url.Parse(r.URL)
	if err != nil {
		return ""
	}
	return u.Host
}

// edgeInUse sent the last whole segment of the page.
func (v *scene) edgeInUse() (role, at string) {
	v.t.Helper()
	for _, r := range slices.Backward(v.segments()) {
		for _, e := range v.Edges {
			if r.Done && strings.HasPrefix(r.URL, e.URL+"/") {
				return fmt.Sprintf("edge-%d", e.ID), host(r)
			}
		}
	}
	v.t.Fatalf("no edge has sent a segment: %+v", v.page.Requests())
	return "", ""
}

// playsWithoutFault checks that nothing went wrong so far, for the viewer.
func (v *scene) playsWithoutFault() {
	v.t.Helper()
	v.playsWithoutError()
	if stall := time.Duration(v.number("recorded.longestStall")) * time.Millisecond; stall > standstill {
		v.t.Errorf("playback stood still for %s", stall)
	}
}

// playsWithoutError lets playback stand still: whoever watches faster than the
// film is made has to wait.
func (v *scene) playsWithoutError() {
	v.t.Helper()
	for _, name := range []string{"error", "stratos-error"} {
		for _, h := range v.happened(name) {
			v.t.Errorf("%s at %.1f s: %s", name, h.At, h.Detail.Message)
		}
	}
}

// explain prints what a page did.
func (v *scene) explain(page *browser.Page) {
	ctx, cancel := context.WithTimeout(context.Background(), standstill)
	defer cancel()
	var state string
	_ = page.Eval(ctx, `JSON.stringify({ at: m?.currentTime, paused: m?.paused, ended: m?.ended, ready: m?.readyState, ahead: m && ahead(), error: m?.error && m.error.message,
		stall: recorded.longestStall, events: recorded.events.map((e) => e.name + "@" + e.at.toFixed(1) + " " + (e.detail ? JSON.stringify(e.detail) : "")) })`, &state)
	v.t.Logf("the page: %s\nits console: %s", state, strings.Join(page.Console(), "\n"))
	for _, r := range page.Requests() {
		if u, err := url.Parse(r.URL); err == nil {
			path := u.Path
			if _, rest, ok := strings.Cut(strings.TrimPrefix(path, "/t/"), "/"); ok && strings.HasPrefix(path, "/t/") {
				path = "/t/…/" + rest
			}
			v.t.Logf("%s %s %s%s %d %s done=%v", r.At.Format("05.000"), r.Method, u.Host, path, r.Status, r.Failed, r.Done)
		}
	}
}
