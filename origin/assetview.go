package origin

import (
	"context"
	"net/url"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// assetView is an asset as clients see it.
type assetView struct {
	ID          string     `json:"id"`
	Name        meta.Name  `json:"name"`
	State       string     `json:"state"`
	Title       string     `json:"title,omitempty"`
	Passthrough string     `json:"passthrough,omitempty"`
	Created     time.Time  `json:"created"`
	Changed     time.Time  `json:"changed"`
	Reason      *Reason    `json:"reason,omitempty"`
	Source      sourceView `json:"source"`
	// Progress of the whole encoding, 0 to 1; Speed in seconds of finished video a
	// second, TimeLeft in seconds once it can be told.
	Progress float64    `json:"progress"`
	Speed    float64    `json:"speed,omitempty"`
	TimeLeft float64    `json:"time_left,omitempty"`
	Rungs    []rungView `json:"rungs,omitempty"`
	// Left are sentences about what of the source does not come along.
	Left []string          `json:"left,omitempty"`
	Root sds.CID           `json:"root,omitzero"`
	URLs map[string]string `json:"urls,omitempty"`
	// Upload takes the source by PUT; TUS takes it in pieces, with the metadata
	// asset.
	Upload string `json:"upload,omitempty"`
	TUS    string `json:"tus,omitempty"`
	Events string `json:"events"`
	// WebhookSecret signs; told once.
	WebhookSecret string `json:"webhook_secret,omitempty"`
}

// sourceView is what came and what is in it.
type sourceView struct {
	Received  int64   `json:"received"`
	Size      int64   `json:"size,omitempty"`
	SHA256    string  `json:"sha256,omitempty"`
	Container string  `json:"container,omitempty"`
	Duration  float64 `json:"duration,omitempty"` // seconds
	Width     int     `json:"width,omitempty"`
	Height    int     `json:"height,omitempty"`
	FrameRate float64 `json:"frame_rate,omitempty"`
	Video     string  `json:"video,omitempty"`
	Audio     int     `json:"audio,omitempty"`    // tracks
	Captions  int     `json:"captions,omitempty"` // tracks
}

// rungView is one rendition and how far it has come.
type rungView struct {
	Name     string  `json:"name"`
	Kind     string  `json:"kind"` // video, audio or captions
	Codec    string  `json:"codec,omitempty"`
	Width    int     `json:"width,omitempty"`
	Height   int     `json:"height,omitempty"`
	Bitrate  int     `json:"bitrate,omitempty"`
	Language string  `json:"language,omitempty"`
	Progress float64 `json:"progress"`
	// Speed of what runs now.
	Speed float64 `json:"speed,omitempty"`
}

func (a *asset) view(ctx context.Context) *assetView {
	a.mu.Lock()
	info, received, job := a.info, a.received, a.job
	a.mu.Unlock()
	v := &assetView{
		ID: info.ID, Name: info.Name, State: info.State, Title: info.Title, Passthrough: info.Passthrough, Created: info.Created,
		Changed: info.History[len(info.History)-1].Time, Reason: info.Reason, Events: "/v1/assets/" + info.ID + "/events",
		Source: sourceView{Received: max(received, info.Size), Size: info.Size, SHA256: info.SHA256},
	}
	if !info.sourceHere() {
		v.Upload, v.TUS = "/v1/assets/"+info.ID+"/source", tusBase
	}
	if info.Plan != nil {
		v.describe(&info, job)
	}
	if info.Result != nil {
		v.Root = info.Result.Root
	}
	if info.Result != nil || info.State == assetPlayable || info.State == assetPublishing && len(info.Grown) > 0 {
		v.URLs = a.origin.videoURLs(ctx, info.Name)
	}
	return v
}

// describe tells what is in the source and how far its ladder is.
func (v *assetView) describe(info *assetInfo, job *job) {
	source := info.Plan.Source
	v.Left = source.Left
	v.Source.Container, v.Source.Duration = source.Container, source.Duration.Seconds()
	v.Source.Audio, v.Source.Captions = len(source.Audio), len(source.Captions)
	if t := source.Video; t != nil {
		v.Source.Video, v.Source.Width, v.Source.Height = t.Codec, t.Width, t.Height
		if t.Rate.Den > 0 {
			v.Source.FrameRate = float64(t.Rate.Num) / float64(t.Rate.Den)
		}
	}
	for _, r := range info.Plan.Rungs {
		v.Rungs = append(v.Rungs, rungView{Name: r.Name, Kind: "video", Codec: string(r.Codec), Width: r.Width, Height: r.Height, Bitrate: r.Bitrate})
	}
	for _, r := range info.Plan.Audio {
		v.Rungs = append(v.Rungs, rungView{Name: r.Name, Kind: "audio", Codec: "aac", Bitrate: r.Bitrate, Language: r.Language})
	}
	for _, r := range info.Plan.Captions {
		v.Rungs = append(v.Rungs, rungView{Name: r.Name, Kind: "captions", Language: r.Language})
	}
	whole := info.State == assetReady || info.State == assetPublishing || info.State == assetReplaced
	if whole {
		v.Progress = 1
	}
	for i := range v.Rungs {
		if whole {
			v.Rungs[i].Progress = 1
		} else if job != nil {
			v.Rungs[i].Progress, v.Rungs[i].Speed = job.progress(v.Rungs[i].Name)
		}
	}
	if job != nil && !whole {
		v.Progress, v.Speed, v.TimeLeft = job.total()
	}
}

// videoURLs are where viewers find a video; none while no router is known.
func (o *Origin) videoURLs(ctx context.Context, name meta.Name) map[string]string {
	page := o.publicURL(ctx, string(name))
	if page == "" {
		return nil
	}
	at := func(door string) string { return o.publicURL(ctx, door+string(name)) }
	watch := at("watch/")
	return map[string]string{
		"page": page, "hls": page + "/master.m3u8", "watch": watch, "embed": at("embed/"), "poster": page + "/poster.jpg",
		"oembed": o.publicURL(ctx, "oembed") + "?format=json&url=" + url.QueryEscape(watch),
	}
}
