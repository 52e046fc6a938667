package e2e

import (
	"encoding/json"
	"net/http"
	"syscall"
	"time"
)

// growingFilmPlays opens the film before its ladder is complete, in our player
// and in hls.js, and sees both to the end. A third viewer seeks when it is.
func growingFilmPlays(v *scene) {
	other, patient := *v, *v
	patient.showPlayer(v.Router+"/"+film, `buffer="4"`, 0.1)
	v.showPlayer(v.Router+"/"+film, "", 2)
	v.until("m.currentTime > 1 || m.error")
	other.showHLSJS(2)
	other.until("m.currentTime > 1")
	patient.until("m.currentTime > 0.1")
	if state := v.filmState(); state != "playable" {
		v.t.Fatalf("the film was %s before anything has played", state)
	}
	v.studio.signal(v.t, syscall.SIGCONT)
	early := patient.rungs()
	v.until("m.ended || m.error")
	other.until("m.ended")
	v.playsWithoutError()
	other.playsWithoutError()

	v.studio.publish(v.network, "ready")
	patient.do("m.playbackRate = 1; m.currentTime = 20")
	patient.until("m.currentTime > 20.5 && m.videoHeight === 432 || m.error")
	patient.playsWithoutFault()
	v.t.Logf("the first rungs were %v, all that were asked are %v", early, patient.rungs())
	if rungs := patient.rungs(); rungs[len(rungs)-1] != "432p" {
		v.t.Errorf("after a seek the rungs %v were asked, want the highest last", rungs)
	}
}

// filmState asks origin how far the film is.
func (v *scene) filmState() string {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.context(), http.MethodGet, v.Origin+"/v1/assets?name="+film, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+v.APIKey)
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		Assets []struct{ State string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || len(got.Assets) != 1 {
		v.t.Fatalf("assets named %s: %s, %v, %+v", film, resp.Status, err, got)
	}
	return got.Assets[0].State
}
