package e2e

import (
	"fmt"
	"net/http"
	"strings"
)

func watchPagePlays(v *scene) {
	v.open(v.Router + "/watch/" + film)
	v.until(`m?.readyState > 0 && customElements.get("stratos-player")`)
	if err := v.page.Click(v.context(), "stratos-player"); err != nil {
		v.t.Fatal(err)
	}
	v.until("m.currentTime > 1")
	v.do("m.currentTime = 30")
	v.until(`m.currentTime > 31 && !m.seeking`)
	v.do("m.currentTime = 5") // back to what may not be there any more
	v.until(`m.currentTime > 6 && !m.seeking`)
	if at := v.number("m.currentTime"); at > 20 {
		v.t.Errorf("after a seek to 5 s playback is at %.1f s", at)
	}
	v.do(fmt.Sprintf("m.currentTime = %d", filmSeconds-3))
	v.until("m.ended")
	v.playsWithoutFault()
	if d := v.number("m.duration"); d < filmSeconds-0.1 || d > filmSeconds+0.1 {
		v.t.Errorf("the film is %.2f s long, want %d", d, filmSeconds)
	}
	segments := v.segments()
	if len(segments) < 6 {
		v.t.Errorf("%d requests for segments", len(segments))
	}
	for _, r := range segments {
		if !v.isEdge(host(r)) || r.Status != http.StatusOK || r.Method != http.MethodGet {
			v.t.Errorf("%s %s: %d %s; want segments from edges alone", r.Method, r.URL, r.Status, r.Failed)
		}
	}
}

// isEdge says whether a host:port is an edge's.
func (v *scene) isEdge(at string) bool {
	for _, e := range v.Edges {
		if e.URL == "http://"+at {
			return true
		}
	}
	return false
}

func embedPagePlays(v *scene) {
	v.show(fmt.Sprintf(`<iframe src="%s/embed/%s?autoplay=1&muted=1" allow="autoplay; fullscreen"></iframe>`, v.Router, film))
	in := func(expression string) func() error {
		return func() error {
			var is bool
			if err := v.page.EvalIn(v.context(), v.Router, expression, &is); err != nil {
				return err
			}
			if !is {
				return fmt.Errorf("not yet: %s", expression)
			}
			return nil
		}
	}
	eventually(v.t, hang, "the frame plays", in("m.currentTime > 1"))
	if err := v.page.EvalIn(v.context(), v.Router, fmt.Sprintf("m.currentTime = %d", filmSeconds-3), nil); err != nil {
		v.t.Fatal(err)
	}
	eventually(v.t, hang, "the frame plays to the end", in("m.ended"))
	if v.number("document.querySelectorAll('video, stratos-player').length") != 0 {
		v.t.Error("the player is in the page itself")
	}
}

func rungsFollowTheLine(v *scene) {
	road := v.through()
	v.showPlayer(v.Router+"/"+film, `buffer="8"`, 2)
	lastRung := `performance.getEntriesByType("resource").map((e) => /video\/(\d+p)\/\d+\.m4s/.exec(e.name)?.[1]).filter(Boolean).at(-1)`
	v.until("m.currentTime > 1 && m.videoHeight === 432 && " + lastRung + ` === "432p"`)
	road.Limit(100_000) // 800 kbit/s: enough for the lowest rung at twice the speed
	v.until(`m.videoHeight < 432`)
	low := v.number("m.currentTime")
	road.Limit(0)
	v.until(fmt.Sprintf("m.videoHeight === 432 && m.currentTime > %f", low))
	v.playsWithoutFault()
	for _, h := range v.happened("waiting") {
		if h.At > 0.1 {
			v.t.Errorf("playback waited at %.1f s", h.At)
		}
	}
	rungs := v.rungs()
	v.t.Logf("rungs asked: %v", rungs)
	if len(rungs) < 3 || rungs[len(rungs)-1] != "432p" {
		v.t.Errorf("rungs asked: %v; want up, down and up", rungs)
	}
}

// rungs are those that were asked one after the other.
func (v *scene) rungs() (out []string) {
	for _, r := range v.segments() {
		_, rest, ok := strings.Cut(r.URL, "/video/")
		if rung, _, _ := strings.Cut(rest, "/"); ok && (len(out) == 0 || out[len(out)-1] != rung) {
			out = append(out, rung)
		}
	}
	return out
}
