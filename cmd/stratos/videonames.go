package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/stratos-mesh/stratos/origin"
)

// videos are the assets of an origin, as `ls`, `stat` and `rm` see them: the
// oldest first.
type videos []*videoAsset

func (t *target) videos(ctx context.Context, prefix string) (videos, error) {
	all, err := t.assets(ctx, prefix)
	return all, err
}

// published is the video that a name has now.
func (v videos) published(name, root string) *videoAsset {
	for _, a := range v {
		if a.Name == name && a.Root == root && a.State == "ready" {
			return a
		}
	}
	return nil
}

// newest video of a name that is not there yet: under way or failed.
func (v videos) newest(name string) *videoAsset {
	var newest *videoAsset
	for _, a := range v {
		if a.Name == name && a.State != "ready" && a.State != "replaced" {
			newest = a
		}
	}
	return newest
}

// describeName prints what a name is, and the video that is made for it.
func (c *cli) describeName(ctx context.Context, t *target, name string) error {
	all, err := t.videos(ctx, name)
	if err != nil {
		return err
	}
	coming := all.newest(name)
	var r origin.Result
	err = t.callJSON(ctx, http.MethodGet, t.origin+"/v1/files/"+escape(name), nil, nil, &r)
	var f *failure
	if coming != nil && errors.As(err, &f) && f.code == exitNotFound {
		if c.json {
			return c.printVideo(coming)
		}
		return c.print(nil, coming.describe())
	}
	if err != nil {
		return err
	}
	a := all.published(name, r.Root.String())
	text := describeResult(&r)
	for _, video := range []*videoAsset{a, coming} {
		if video != nil {
			text += "\n\n" + video.describe()
		}
	}
	answer := struct {
		*origin.Result
		Video  json.RawMessage `json:"video,omitempty"`
		Coming json.RawMessage `json:"coming,omitempty"`
	}{Result: &r}
	if a != nil {
		answer.Video = a.raw
	}
	if coming != nil {
		answer.Coming = coming.raw
	}
	return c.print(answer, text)
}

// describe tells of a video in lines.
func (a *videoAsset) describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "video   %s, %s", a.ID, a.State)
	if a.State == "encoding" || a.State == "playable" {
		fmt.Fprintf(&b, " %d%%", percent(a.Progress))
		if a.TimeLeft > 0 {
			fmt.Fprintf(&b, ", %s left", seconds(a.TimeLeft))
		}
	}
	if a.Source.Container != "" {
		fmt.Fprintf(&b, "\nsource  %s", a.describeSource())
	}
	for _, r := range a.Rungs {
		fmt.Fprintf(&b, "\nrung    %s", r.label())
		if r.Progress < 1 {
			fmt.Fprintf(&b, " %d%%", percent(r.Progress))
		}
	}
	if a.Reason != nil {
		fmt.Fprintf(&b, "\nreason  %s\nhint    %s", a.Reason.Detail, a.Reason.Hint)
	}
	for _, place := range [][2]string{{"watch", a.URLs.Watch}, {"embed", a.URLs.snippet()}, {"hls", a.URLs.HLS}, {"poster", a.URLs.Poster}} {
		if place[1] != "" {
			fmt.Fprintf(&b, "\n%-7s %s", place[0], place[1])
		}
	}
	return b.String()
}

// removeVideos deletes the assets of a name, which takes what they published
// with it, and tells how many there were.
func (t *target) removeVideos(ctx context.Context, name string, now bool) (int, error) {
	all, err := t.videos(ctx, name)
	if err != nil {
		return 0, err
	}
	query, n := "", 0
	if now {
		query = "?now=1"
	}
	for _, a := range all {
		if a.Name != name {
			continue
		}
		err := t.callJSON(ctx, http.MethodDelete, t.origin+"/v1/assets/"+a.ID+query, nil, nil, nil)
		var f *failure
		if err != nil && (!errors.As(err, &f) || f.code != exitNotFound) {
			return n, err
		}
		n++
	}
	return n, nil
}
