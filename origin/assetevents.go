package origin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/stratos-mesh/stratos/origin/apikey"
)

const (
	// eventPause is the least time between two reports of progress.
	eventPause = 500 * time.Millisecond
	// eventComment is sent when nothing else was for so long, that proxies keep
	// the connection.
	eventComment = 15 * time.Second
)

// streamEvents answers GET /v1/assets/{id}/events: every change of state since
// Last-Event-ID, then each change as it comes, and the progress. It ends when
// the asset is settled or gone.
func (o *Origin) streamEvents(w http.ResponseWriter, r *http.Request, id string) error {
	a, err := o.findAsset(w, r, id, apikey.Read)
	if err != nil {
		return err
	}
	last, _ := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64) // anything else is from the beginning
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	send := func(event string, id uint64, v any) error {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		_ = control.SetWriteDeadline(time.Now().Add(time.Minute)) // a recorder in tests has no deadlines
		if _, err = fmt.Fprintf(w, "event: %s\nid: %d\ndata: %s\n\n", event, id, text); err != nil {
			return err
		}
		return control.Flush()
	}
	for {
		changed := a.watch()
		info := a.state()
		for _, t := range info.History {
			if t.Event > last {
				last = t.Event
				if send("state", t.Event, t) != nil {
					return nil // the client has gone
				}
			}
		}
		if send("asset", last, a.view(r.Context())) != nil || info.settled() {
			return nil
		}
		if !o.nextEvent(w, r, a, changed) {
			return nil
		}
	}
}

// nextEvent waits for a change, not shorter than eventPause, and says something
// now and then meanwhile.
func (o *Origin) nextEvent(w http.ResponseWriter, r *http.Request, a *asset, changed <-chan struct{}) bool {
	pause := time.NewTimer(eventPause)
	defer pause.Stop()
	comment := time.NewTicker(eventComment)
	defer comment.Stop()
	for waited := false; ; {
		ready := changed
		if !waited {
			ready = nil
		}
		select {
		case <-pause.C:
			waited = true
		case <-ready:
			return o.assets.get(a.id) == a
		case <-comment.C:
			control := http.NewResponseController(w)
			_ = control.SetWriteDeadline(time.Now().Add(time.Minute))
			if _, err := fmt.Fprint(w, ": still there\n\n"); err != nil || control.Flush() != nil {
				return false
			}
		case <-r.Context().Done():
			return false
		case <-o.ctx.Done():
			return false
		}
	}
}
