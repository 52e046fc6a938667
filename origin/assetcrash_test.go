package origin

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/origin/origintest"
	"github.com/stratos-mesh/stratos/transcode"
)

// slowTranscoder takes a while for a segment, so that a kill meets it at work.
func slowTranscoder() *origintest.Transcoder {
	return &origintest.Transcoder{Speed: 8, Gate: func(ctx context.Context, _ transcode.Task, _ string, _ int) error {
		return sleep(ctx, 10*time.Millisecond)
	}}
}

// doneLines counts the results that an asset's origin has acknowledged.
func (v *victim) doneLines(id string) int {
	text, err := os.ReadFile(filepath.Join(v.dir, "origin", "assets", id, "done"))
	if err != nil {
		return 0
	}
	return strings.Count(string(text), "\n")
}

func TestKillingTheOriginWhileItMakesAVideo(t *testing.T) {
	t.Parallel()
	v := startVictim(t)
	random := rand.New(rand.NewPCG(1, 2))
	const rounds, segments = 25, 30
	var made assetView
	v.want(http.StatusCreated, "POST", v.at("/v1/assets"), strings.NewReader(`{"name":"films/killed"}`)).decode(t, &made)
	v.kill(true)
	acknowledged := false
	done, published := 0, false
	for round := 0; round < 100 && (!published || round < rounds); round++ {
		if !acknowledged {
			a, err := v.try("PUT", v.at("/v1/assets/"+made.ID+"/source"), strings.NewReader(fmt.Sprintf("video %d", 4*segments)))
			acknowledged = err == nil && a.StatusCode == http.StatusAccepted
		}
		time.Sleep(time.Duration(random.IntN(100+20*round)) * time.Millisecond) // a kill at any moment
		before := v.doneLines(made.ID)
		v.kill(true)
		var now assetView
		v.want(http.StatusOK, "GET", v.at("/v1/assets/"+made.ID), nil).decode(t, &now)
		if acknowledged && (now.State == assetWaiting || now.State == assetUploading) {
			t.Fatalf("the source was acknowledged and is gone: %s", now.State)
		}
		if now.State == assetFailed {
			t.Fatalf("failed: %+v", now.Reason)
		}
		if after := v.doneLines(made.ID); after < before && now.State != assetReady {
			t.Fatalf("%d results were acknowledged, %d are left", before, after)
		}
		done = max(done, before)
		// The meta node here looks into every block of what is published and shown.
		if moves := v.net.Meta.Published(); len(moves) > 0 {
			published = true
			if len(moves) > 1 {
				t.Fatalf("the name moved %d times", len(moves))
			}
		}
	}
	var now assetView
	for end := time.Now().Add(20 * time.Second); now.State != assetReady && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		v.want(http.StatusOK, "GET", v.at("/v1/assets/"+made.ID), nil).decode(t, &now)
	}
	if now.State != assetReady {
		t.Fatalf("after %d kills it is %s", v.kills, now.State)
	}
	for _, rung := range []string{"video/720p", "video/360p", "video/234p", "audio/und"} {
		for n := range segments {
			got := v.want(http.StatusOK, "GET", v.at(fmt.Sprintf("/v1/files/films/killed/%s/%05d.m4s?content=1", rung, n)), nil).body
			if string(got) != origintest.SegmentText(rung, n) {
				t.Fatalf("%s %d: %.40q", rung, n, got)
			}
		}
	}
	states := v.net.Meta.Grown()
	for i := range len(states) - 1 {
		if states[i+1].Sequence == states[i].Sequence && states[i+1].Root != states[i].Root {
			t.Errorf("two states have the number %d", states[i].Sequence)
		}
	}
	t.Logf("%d kills, %d results before the last, %d states shown", v.kills, done, len(states))
}
