package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// videoAsset is a video at an origin; docs/http-api/origin.md has all of it.
type videoAsset struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	State  string `json:"state"`
	Title  string `json:"title"`
	Reason *struct {
		Type   string `json:"type"`
		Detail string `json:"detail"`
		Hint   string `json:"hint"`
	} `json:"reason"`
	Changed time.Time `json:"changed"`
	Source  struct {
		Received  int64   `json:"received"`
		Size      int64   `json:"size"`
		Container string  `json:"container"`
		Duration  float64 `json:"duration"`
		Width     int     `json:"width"`
		Height    int     `json:"height"`
		FrameRate float64 `json:"frame_rate"`
		Video     string  `json:"video"`
		Audio     int     `json:"audio"`
		Captions  int     `json:"captions"`
	} `json:"source"`
	Progress float64     `json:"progress"`
	Speed    float64     `json:"speed"`
	TimeLeft float64     `json:"time_left"`
	Rungs    []videoRung `json:"rungs"`
	Left     []string    `json:"left"`
	Root     string      `json:"root"`
	URLs     videoURLs   `json:"urls"`

	// raw is all that the origin said.
	raw json.RawMessage
}

// videoRung is one rendition.
type videoRung struct {
	Name     string  `json:"name"`
	Kind     string  `json:"kind"`
	Codec    string  `json:"codec"`
	Width    int     `json:"width"`
	Height   int     `json:"height"`
	Language string  `json:"language"`
	Progress float64 `json:"progress"`
	Speed    float64 `json:"speed"`
}

// videoURLs are where viewers find a video.
type videoURLs struct {
	Page   string `json:"page"`
	HLS    string `json:"hls"`
	Watch  string `json:"watch"`
	Embed  string `json:"embed"`
	Poster string `json:"poster"`
}

// UnmarshalJSON keeps what is not known here.
func (a *videoAsset) UnmarshalJSON(text []byte) error {
	type plain videoAsset
	if err := json.Unmarshal(text, (*plain)(a)); err != nil {
		return err
	}
	a.raw = append(json.RawMessage(nil), text...)
	return nil
}

// waits tells whether the source is not whole at the origin.
func (a *videoAsset) waits() bool {
	return a.State == "waiting-for-upload" || a.State == "uploading"
}

// settled assets do not change any more.
func (a *videoAsset) settled() bool {
	return a.State == "ready" || a.State == "failed" || a.State == "replaced"
}

// snippet puts the player into any page.
func (u videoURLs) snippet() string {
	at, err := url.Parse(u.Page)
	if err != nil || at.Host == "" {
		return ""
	}
	return fmt.Sprintf(`<script src="%s://%s/static/player/stratos-player.js" async></script><stratos-player src="%s"></stratos-player>`, at.Scheme, at.Host, u.Page)
}

func (t *target) asset(ctx context.Context, id string) (*videoAsset, error) {
	a := new(videoAsset)
	return a, t.callJSON(ctx, http.MethodGet, t.origin+"/v1/assets/"+url.PathEscape(id), nil, nil, a)
}

// assets are the videos with a name or below a prefix, the oldest first. An
// origin that makes no videos has none.
func (t *target) assets(ctx context.Context, prefix string) ([]*videoAsset, error) {
	var all []*videoAsset
	for cursor := ""; ; {
		var page struct {
			Assets []*videoAsset
			Next   string
		}
		address := t.origin + "/v1/assets?limit=1000&name=" + url.QueryEscape(prefix) + "&cursor=" + url.QueryEscape(cursor)
		resp, err := t.call(ctx, http.MethodGet, address, nil, nil)
		if resp != nil && (resp.StatusCode == http.StatusNotImplemented || resp.StatusCode == http.StatusNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if err := decode(resp, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Assets...)
		if cursor = page.Next; cursor == "" {
			return all, nil
		}
	}
}

const (
	// quiet is how long a stream of events may say nothing: the origin says
	// something every 15 s.
	quiet = 45 * time.Second
	// away is how long an origin may be gone while an asset is followed.
	away = 2 * time.Minute
)

// follow calls see with every change of an asset until that says enough, or the
// asset is settled. It outlives broken connections and a restart of the origin.
func (t *target) follow(ctx context.Context, id string, see func(*videoAsset) (enough bool)) error {
	lost := time.Time{}
	for last := ""; ; {
		done, heard, err := t.events(ctx, id, &last, see)
		var f *failure
		switch {
		case done:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &f) && f.code != exitUnreachable && f.code != exitFailed:
			return err
		case heard || lost.IsZero():
			lost = time.Now()
		case time.Since(lost) > away:
			if err == nil {
				err = fail(exitUnreachable, "", errors.New("the origin ends every stream of events at once"))
			}
			return err
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// events reads one stream of events to its end.
func (t *target) events(ctx context.Context, id string, last *string, see func(*videoAsset) bool) (done, heard bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	header := http.Header{"Accept": {"text/event-stream"}}
	if *last != "" {
		header.Set("Last-Event-ID", *last)
	}
	resp, err := t.call(ctx, http.MethodGet, t.origin+"/v1/assets/"+url.PathEscape(id)+"/events", nil, header)
	if err != nil {
		return false, false, err
	}
	defer resp.Body.Close()
	silence := time.AfterFunc(quiet, cancel)
	defer silence.Stop()
	err = readEvents(resp.Body, func(e event) error {
		silence.Reset(quiet)
		if e.id != "" {
			*last = e.id
		}
		if e.name != "asset" {
			return nil
		}
		var a videoAsset
		if err := json.Unmarshal([]byte(e.data), &a); err != nil {
			return fmt.Errorf("event of the origin: %w", err)
		}
		heard = true
		if see(&a) || a.settled() {
			done = true
			return io.EOF
		}
		return nil
	})
	return done, heard, err
}

// event is one of a text/event-stream (HTML, section 9.2).
type event struct{ name, id, data string }

// maxEvent bounds one event; an asset with a hundred renditions has 20 KiB.
const maxEvent = 4 << 20

// readEvents calls each with every event, and with an empty one for a comment,
// until the stream ends or each says io.EOF.
func readEvents(r io.Reader, each func(event) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEvent)
	var e event
	var data []string
	for size := 0; lines.Scan(); {
		line := lines.Text()
		if size += len(line); size > maxEvent {
			return errors.New("an event of the origin is too long")
		}
		var err error
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			e.data = strings.Join(data, "\n")
			if e.data != "" {
				err = each(e)
			}
			e, data, size = event{}, nil, 0
		case field == "":
			err = each(event{})
		case field == "event":
			e.name = value
		case field == "id":
			e.id = value
		case field == "data":
			data = append(data, value)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return lines.Err()
}
