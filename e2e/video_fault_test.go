package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// survives plays with at most 8 s buffered at twice the speed, spoils the edge
// in use, and plays on far beyond what was buffered.
func (v *scene) survives(spoil func(role, at string)) {
	v.t.Helper()
	v.showPlayer(v.Router+"/"+film, `buffer="4"`, 2)
	v.goesOnAfter(spoil)
	failovers := v.happened("stratos-failover")
	if len(failovers) == 0 {
		v.t.Error("no failover was told")
	}
}

// goesOnAfter is survives for any player that is open.
func (v *scene) goesOnAfter(spoil func(role, at string)) {
	v.t.Helper()
	v.until("m.currentTime > 3 && ahead() > 2 || m.error")
	if buffered := v.number("ahead()"); buffered > 8.2 {
		v.t.Errorf("%.1f s are buffered, want at most 8", buffered)
	}
	role, at := v.edgeInUse()
	before := v.number("m.currentTime")
	spoil(role, at)
	spoiled := len(v.segments())
	v.until(fmt.Sprintf("m.currentTime > %f || m.error", before+14))
	v.playsWithoutFault()
	others := 0
	for _, r := range v.segments()[spoiled:] {
		if r.Done && r.Status == 200 && host(r) != at {
			others++
		} else if r.Done && r.Status == 200 {
			v.t.Errorf("%s came from the edge that is gone", r.URL)
		}
	}
	// 14 s less 8 that were there: two segments at least, of sound and pictures.
	if others < 4 {
		v.t.Errorf("%d segments came from other edges, want 4 or more", others)
	}
	v.t.Logf("spoiled %s at %.1f s; longest standstill %.0f ms", role, before, v.number("recorded.longestStall"))
}

func edgeIsKilled(v *scene) {
	v.survives(func(role, _ string) { v.killed(role) })
}

// killed kills a role, which comes back after the test.
func (v *scene) killed(role string) {
	v.t.Helper()
	v.kill(role)
	v.t.Cleanup(v.mended)
}

func edgeIsStopped(v *scene) {
	v.survives(func(role, _ string) {
		pid := v.role(role).PID()
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			v.t.Fatal(err)
		}
		v.t.Cleanup(func() {
			if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
				v.t.Error(err)
			}
			v.mended()
		})
	})
}

// mended starts what does not run and waits until all edges are well. The
// part's test is over then, so it reports to that of all parts.
func (v *scene) mended() {
	n := v.studio.network
	n.up()
	eventually(n.t, 20*time.Second, "all edges are well", func() error {
		for _, e := range n.status().Edges {
			if e.State != "live" {
				return fmt.Errorf("edge %d is %s", e.ID, e.State)
			}
		}
		return nil
	})
}

func edgeIsCutOff(v *scene) {
	road := v.through()
	v.survives(func(_, at string) { road.Cut(at, true) })
}

func edgeChangesBytes(v *scene) {
	road := v.through()
	v.showPlayer(v.Router+"/"+film, `buffer="4"`, 4)
	v.until("m.currentTime > 2")
	_, at := v.edgeInUse()
	asked := func() (n int) {
		for _, r := range v.segments() {
			if host(r) == at {
				n++
			}
		}
		return n
	}
	road.Flip(at, true)
	v.until("recorded.events.some((e) => e.name === 'stratos-integrity') || m.error || m.ended")
	before := asked()
	v.until("m.ended || m.error")
	v.playsWithoutFault()
	reports := v.happened("stratos-integrity")
	if len(reports) == 0 || len(reports) != road.Flipped() {
		v.t.Errorf("%d segments were changed, %d reports: want one for each", road.Flipped(), len(reports))
	}
	for _, r := range reports {
		if want := fmt.Sprintf("e%d", v.edgeAt(at)); r.Detail.Edge != want {
			v.t.Errorf("%s was reported, want %s", r.Detail.Edge, want)
		}
	}
	// Sound and pictures are asked at once: one more may have been under way.
	if after := asked(); after > before+1 {
		v.t.Errorf("the edge was asked %d times more after the first report", after-before)
	}
	published := v.published()
	appended := v.appended()
	if len(appended) < filmSeconds/4*2 {
		v.t.Errorf("the decoder got %d pieces, want all of the film", len(appended))
	}
	for _, digest := range appended {
		if published[digest] == "" {
			v.t.Errorf("the decoder got bytes that nobody published: %s", digest)
		}
	}
	// A player that does not verify shows that changed bytes would be seen here.
	naive := *v
	for _, e := range v.Edges {
		road.Flip(strings.TrimPrefix(e.URL, "http://"), true)
	}
	naive.showHLSJS(1)
	naive.until("recorded.appended.length > 3")
	if !slices.ContainsFunc(naive.appended(), func(digest string) bool { return published[digest] == "" }) {
		v.t.Error("no changed byte was seen in a player that does not verify")
	}
}

// edgeAt is the number of the edge at a host:port.
func (v *scene) edgeAt(at string) uint32 {
	for _, e := range v.Edges {
		if e.URL == "http://"+at {
			return e.ID
		}
	}
	return 0
}

var uris = regexp.MustCompile(`(?m)URI="([^"]+)"|^([^#\n]+)$`)

// published are the digests of all media of the film.
func (v *scene) published() map[string]string {
	v.t.Helper()
	published := map[string]string{}
	for _, folder := range []string{"video/234p", "video/360p", "video/432p", "audio/und"} {
		playlist := string(v.fetch(path.Join(film, folder, "index.m3u8"), 10*time.Second))
		for _, m := range uris.FindAllStringSubmatch(playlist, -1) {
			name := path.Join(folder, m[1]+m[2])
			digest := sha256.Sum256(v.fetch(path.Join(film, name), 10*time.Second))
			published[hex.EncodeToString(digest[:])] = name
		}
	}
	return published
}

// appended are the digests of what the decoder got.
func (v *scene) appended() (digests []string) {
	v.t.Helper()
	if err := v.page.Eval(v.context(), "Promise.all(recorded.appended)", &digests); err != nil {
		v.t.Fatal(err)
	}
	return digests
}
