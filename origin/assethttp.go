package origin

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/origin/apikey"
	"github.com/stratos-mesh/stratos/origin/work"
	"github.com/stratos-mesh/stratos/transcode"
)

// serveAssets answers /v1/assets and below.
func (o *Origin) serveAssets(w http.ResponseWriter, r *http.Request, rest string) error {
	if !o.config().Video.on() {
		return httperr.New(http.StatusNotImplemented, "no-video", "this origin makes no videos; publish a finished HLS ladder as a bundle instead")
	}
	if rest == "" {
		switch r.Method {
		case http.MethodPost:
			return o.postAsset(w, r)
		case http.MethodGet, http.MethodHead:
			return o.listAssets(w, r)
		}
		return methodNotAllowed(w, "GET, HEAD, POST")
	}
	id, what, _ := strings.Cut(rest, "/")
	switch {
	case what == "" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		a, err := o.findAsset(w, r, id, apikey.Read)
		if err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, a.view(r.Context()))
	case what == "" && r.Method == http.MethodDelete:
		return o.deleteAsset(w, r, id)
	case what == "":
		return methodNotAllowed(w, "GET, HEAD, DELETE")
	case what == "source" && r.Method == http.MethodPut:
		return o.putSource(w, r, id)
	case what == "source":
		return methodNotAllowed(w, "PUT")
	case what == "retry" && r.Method == http.MethodPost:
		a, err := o.findAsset(w, r, id, apikey.Write)
		if err != nil {
			return err
		}
		if err := a.retry(); err != nil {
			return err
		}
		return writeJSON(w, http.StatusAccepted, a.view(r.Context()))
	case what == "retry":
		return methodNotAllowed(w, "POST")
	case what == "events" && r.Method == http.MethodGet:
		return o.streamEvents(w, r, id)
	case what == "events":
		return methodNotAllowed(w, "GET")
	}
	return httperr.New(http.StatusNotFound, "not-found", "an asset has source, events and retry")
}

// findAsset returns an asset that the request's key may use in that way.
func (o *Origin) findAsset(w http.ResponseWriter, r *http.Request, id string, scope apikey.Scope) (*asset, error) {
	key, err := o.authorize(w, r, scope, "")
	if err != nil {
		return nil, err
	}
	a := o.assets.get(id)
	if a == nil || !key.May(scope, a.name.Namespace()) {
		return nil, errNoAsset() // who may not use it need not know of it
	}
	return a, nil
}

func errNoAsset() error {
	return httperr.New(http.StatusNotFound, "no-asset", "there is no such asset; it may have been deleted or expired")
}

// assetAsk is what POST /v1/assets takes.
type assetAsk struct {
	Name        string       `json:"name"`
	Title       string       `json:"title"`
	Passthrough string       `json:"passthrough"`
	Policy      *assetPolicy `json:"policy"`
	Webhook     *webhook     `json:"webhook"`
}

// assetPolicy is what a publisher may ask of a ladder.
type assetPolicy struct {
	Codecs    []transcode.Codec `json:"codecs,omitempty"`
	MaxHeight int               `json:"max_height,omitempty"`
	Quality   int               `json:"quality,omitempty"`
	Preset    string            `json:"preset,omitempty"`
}

// Bounds of the texts of an asset.
const (
	maxTitle       = 1000
	maxPassthrough = 4000
)

// postAsset makes an asset that waits for its source.
func (o *Origin) postAsset(w http.ResponseWriter, r *http.Request) error {
	key, err := o.authorize(w, r, apikey.Write, "")
	if err != nil {
		return err
	}
	var ask assetAsk
	d := json.NewDecoder(io.LimitReader(r.Body, 64<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(&ask); err != nil {
		return httperr.Wrap(err, http.StatusBadRequest, "json", `send {"name": "namespace/path"} and, as you like, title, passthrough, policy, webhook: `+err.Error())
	}
	name, err := meta.ParseName(ask.Name)
	if err != nil {
		return err
	}
	if err := allow(key, apikey.Write, name.Namespace()); err != nil {
		return err
	}
	if len(ask.Title) > maxTitle || len(ask.Passthrough) > maxPassthrough {
		return httperr.New(http.StatusBadRequest, "json", "title has at most 1,000 bytes and passthrough 4,000")
	}
	policy, err := o.policy(ask.Policy)
	if err != nil {
		return err
	}
	secret := ""
	if ask.Webhook != nil {
		if err := ask.Webhook.check(); err != nil {
			return err
		}
		secret = ask.Webhook.Secret
	}
	if _, err := o.assets.sandbox(r.Context()); err != nil {
		o.config().Logger.Error("videos cannot be made here", "error", err)
		return httperr.Wrap(err, http.StatusNotImplemented, "no-video", "this origin cannot make videos: ffmpeg or its sandbox is missing; its operator finds the reason in the log")
	}
	a, err := o.assets.create(key, assetInfo{Name: name, Title: ask.Title, Passthrough: ask.Passthrough, Policy: policy, Webhook: ask.Webhook})
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/v1/assets/"+a.id)
	v := a.view(r.Context())
	v.WebhookSecret = secret
	return writeJSON(w, http.StatusCreated, v)
}

// policy is the origin's with what the publisher may decide.
func (o *Origin) policy(ask *assetPolicy) (transcode.Policy, error) {
	p := o.config().Video.Policy
	if ask == nil {
		return p, nil
	}
	bad := func(rule string) (transcode.Policy, error) {
		return p, httperr.New(http.StatusBadRequest, "policy", rule)
	}
	for _, c := range ask.Codecs {
		if c != transcode.H264 && c != transcode.HEVC && c != transcode.AV1 {
			return bad("codecs are h264, hevc and av1")
		}
	}
	presets := []string{"ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"}
	known := ask.Preset == ""
	for _, word := range presets {
		known = known || word == ask.Preset
	}
	switch {
	case len(ask.Codecs) > 3:
		return bad("name each codec once")
	case ask.MaxHeight != 0 && (ask.MaxHeight < 144 || ask.MaxHeight > 4320):
		return bad("max_height is 144 to 4320")
	case ask.Quality != 0 && (ask.Quality < 10 || ask.Quality > 45):
		return bad("quality is 10 to 45")
	case !known:
		return bad("preset is one of " + strings.Join(presets, ", "))
	}
	if len(ask.Codecs) > 0 {
		p.Codecs = ask.Codecs
	}
	p.MaxHeight, p.Quality, p.Preset = or(ask.MaxHeight, p.MaxHeight), or(ask.Quality, p.Quality), or(ask.Preset, p.Preset)
	return p, nil
}

// listAssets answers GET /v1/assets: the oldest first.
func (o *Origin) listAssets(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	name := query.Get("name")
	namespace, _, _ := strings.Cut(name, "/")
	key, err := o.authorize(w, r, apikey.Read, namespace)
	if err != nil {
		return err
	}
	limit := 100
	if text := query.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > 1000 {
			return httperr.New(http.StatusBadRequest, "query", "limit is 1 to 1000")
		}
	}
	page := struct {
		Assets []*assetView `json:"assets"`
		Next   string       `json:"next,omitempty"`
	}{Assets: []*assetView{}}
	cursor := query.Get("cursor")
	for _, a := range o.assets.list() {
		at := a.cursor()
		if at <= cursor || !key.May(apikey.Read, a.name.Namespace()) {
			continue
		}
		if name != "" && string(a.name) != name && !strings.HasPrefix(string(a.name), strings.TrimSuffix(name, "/")+"/") {
			continue
		}
		if len(page.Assets) == limit {
			page.Next = cursor
			break
		}
		cursor = at
		page.Assets = append(page.Assets, a.view(r.Context()))
	}
	return writeJSON(w, http.StatusOK, page)
}

// cursor orders assets as list does.
func (a *asset) cursor() string {
	return strconv.FormatInt(a.created.UnixNano(), 36) + "-" + a.id
}

// deleteAsset stops what is under way and removes what it published, unless
// something else has the name meanwhile.
func (o *Origin) deleteAsset(w http.ResponseWriter, r *http.Request, id string) error {
	a, err := o.findAsset(w, r, id, apikey.Delete)
	if err != nil {
		return err
	}
	now, err := flag(r, "now")
	if err != nil {
		return err
	}
	a.halt()
	if info := a.state(); info.Result != nil || info.Sequence > 0 {
		unlock, err := o.names.lock(r.Context(), string(info.Name))
		if err != nil {
			return err
		}
		defer unlock()
		record, err := o.newest(r.Context(), info.Name)
		if err != nil {
			return err
		}
		published := record != nil && info.Result != nil && record.Root == info.Result.Root
		growing := record != nil && info.Result == nil && record.Growing > 0
		if published || growing {
			if err := o.removeName(r.Context(), info.Name, now); err != nil {
				return err
			}
		}
	}
	if err := o.assets.remove(a); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// serveWork answers workers on other machines.
func (o *Origin) serveWork(w http.ResponseWriter, r *http.Request) error {
	if !o.config().Video.on() {
		return httperr.New(http.StatusNotImplemented, "no-video", "this origin makes no videos and has no work")
	}
	if _, err := o.authorize(w, r, apikey.Work, ""); err != nil {
		return err
	}
	return (&work.Handler{Queue: o.assets.jobs, Idle: o.config().IdleTimeout}).Serve(w, r)
}
