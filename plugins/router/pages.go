package caddyrouter

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/player"
	"github.com/stratos-mesh/stratos/router"
)

// pages shows videos: the player's files, a page to watch one, a page for
// frames, and oEmbed (oembed.com).
//
//	/static/player/{file}        the built files; under a name with its digest, for ever
//	/watch/{namespace}/{path}    a page with the video and how to embed it
//	/embed/{namespace}/{path}    the video alone, for frames on any site
//	/oembed?url=                 JSON for sites that embed by a link
type pages struct {
	files  *player.Files
	router videos
}

// videos is what pages ask of a router.
type videos interface {
	Video(ctx context.Context, client netip.Addr, path string) (*router.Video, error)
}

const (
	staticPath = "/static/player/"
	watchPath  = "/watch/"
	embedPath  = "/embed/"
	oembedPath = "/oembed"
)

// serves tells whether a path is one of a page's.
func (p *pages) serves(path string) bool {
	return strings.HasPrefix(path, staticPath) || strings.HasPrefix(path, watchPath) || strings.HasPrefix(path, embedPath) || path == oembedPath
}

// ServeHTTP answers GET and HEAD.
func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "strict-origin-when-cross-origin")
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	if err := p.serve(w, r); err != nil {
		httperr.Write(w, r, err)
	}
}

func (p *pages) serve(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return httperr.New(http.StatusMethodNotAllowed, "method", "this URL knows GET and HEAD")
	}
	path := r.URL.Path
	switch {
	case strings.HasPrefix(path, staticPath):
		return p.file(w, r, strings.TrimPrefix(path, staticPath))
	case strings.HasPrefix(path, watchPath):
		return p.page(w, r, "watch", strings.TrimPrefix(path, watchPath))
	case strings.HasPrefix(path, embedPath):
		return p.page(w, r, "embed", strings.TrimPrefix(path, embedPath))
	}
	return p.oembed(w, r)
}

// file answers with a built file.
func (p *pages) file(w http.ResponseWriter, r *http.Request, name string) error {
	file, immutable, ok := p.files.Open(name)
	if !ok {
		return httperr.New(http.StatusNotFound, "not-found", "the player has no such file").
			WithHint("a program that was built without Node has no player: run make build")
	}
	header := w.Header()
	header.Set("Content-Type", file.Type)
	header.Set("ETag", file.ETag)
	header.Set("Cache-Control", "public, max-age=300")
	if immutable {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.Body))
	return nil
}

// base is this router as the client knows it.
func base(r *http.Request) string {
	if secure(r) {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func at(r *http.Request, prefix, path string) string {
	return base(r) + (&url.URL{Path: prefix + path}).EscapedPath()
}

func (p *pages) page(w http.ResponseWriter, r *http.Request, name, path string) error {
	video, err := p.router.Video(r.Context(), client(r), strings.TrimSuffix(path, "/"))
	if err != nil {
		return err
	}
	full, query := string(video.Name), r.URL.Query()
	page := player.Page{
		Static: staticPath, Src: at(r, "/", full), Name: full, Title: video.Title,
		Embed: at(r, embedPath, full), HLS: at(r, "/", full+"/"+video.Playlist),
		OEmbed: base(r) + oembedPath + "?format=json&url=" + url.QueryEscape(at(r, watchPath, full)),
		Width:  video.Width, Height: video.Height,
		Autoplay: asked(query, "autoplay"), Muted: asked(query, "muted"), Loop: asked(query, "loop"),
		Integrity: query.Get("integrity"),
	}
	if video.Playlist != router.MultivariantName {
		page.Src = page.HLS
	}
	if video.Poster {
		page.Poster = at(r, "/", full+"/poster.jpg")
	}
	var body bytes.Buffer
	if err := p.files.WritePage(&body, name, page); err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "public, max-age=60")
	policy := player.PageCSP
	if name == "embed" {
		policy += "; frame-ancestors *"
	} else {
		policy += "; frame-ancestors 'self'"
	}
	header.Set("Content-Security-Policy", policy)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body.Bytes()))
	return nil
}

// asked reads a flag: ?muted or ?muted=1.
func asked(query url.Values, name string) bool {
	return query.Has(name) && query.Get(name) != "0" && query.Get(name) != "false"
}

// oembed answers oEmbed 1.0 for the URLs of a video, as JSON.
func (p *pages) oembed(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	if format := query.Get("format"); format != "" && format != "json" {
		return httperr.New(http.StatusNotImplemented, "format", "oEmbed is answered as JSON only: leave format out, or format=json")
	}
	target, err := url.Parse(query.Get("url"))
	if err != nil || target.Path == "" || target.Host != "" && !strings.EqualFold(target.Host, r.Host) {
		return httperr.New(http.StatusNotFound, "bad-url", "url must be the address of a video on this router")
	}
	path := strings.TrimPrefix(target.Path, "/")
	for _, prefix := range []string{watchPath, embedPath} {
		path = strings.TrimPrefix(path, strings.TrimPrefix(prefix, "/"))
	}
	video, err := p.router.Video(r.Context(), client(r), strings.TrimSuffix(path, "/"))
	if err != nil {
		return err
	}
	width, height := fit(video.Width, video.Height, limit(query.Get("maxwidth")), limit(query.Get("maxheight")))
	full := string(video.Name)
	answer := map[string]any{
		"version": "1.0", "type": "video", "title": video.Title, "provider_name": "Stratos", "provider_url": base(r) + "/",
		"width": width, "height": height, "cache_age": 300,
		"html": fmt.Sprintf(`<iframe src="%s" width="%d" height="%d" title="%s" style="border:0" allow="autoplay; fullscreen; picture-in-picture" allowfullscreen></iframe>`,
			html.EscapeString(at(r, embedPath, full)), width, height, html.EscapeString(video.Title)),
	}
	if video.Poster {
		answer["thumbnail_url"] = at(r, "/", full+"/poster.jpg")
		answer["thumbnail_width"], answer["thumbnail_height"] = max(video.Width, 1), max(video.Height, 1)
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "public, max-age=300")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
	return nil
}

// limit reads a bound in pixels; none is no bound.
func limit(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 1 << 20
	}
	return n
}

// fit shrinks a video into bounds and keeps its shape; one of unknown size is 16
// by 9.
func fit(width, height, maxWidth, maxHeight int) (int, int) {
	if width <= 0 || height <= 0 {
		width, height = 1280, 720
	}
	w, h := min(width, maxWidth), 0
	h = max(height*w/width, 1)
	if h > maxHeight {
		h = maxHeight
		w = max(width*h/height, 1)
	}
	return w, h
}
