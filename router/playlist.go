package router

import (
	"bytes"
	"compress/gzip"
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/stratos-mesh/stratos/meta"
)

// playlist answers a request for a multivariant playlist itself, since media
// requests must not be redirected (HLS authoring specification, rule 8.18) and
// only the router knows a second edge. It does nothing and returns false for all
// else: a media playlist or a segment goes to an edge.
func (r *Router) playlist(w http.ResponseWriter, req *http.Request, q *request, returned bool) (bool, error) {
	if q.found.Record.Kind != meta.Bundle || !strings.HasSuffix(q.found.Rest, playlistSuffix) {
		return false, nil
	}
	ctx := req.Context()
	key := q.shareKey()
	if returned {
		r.returning(key, q)
	}
	ticket, err := r.share(ctx, key, q)
	if err != nil {
		return false, err
	}
	p, err := r.present(ctx, q, &ticket.Issued, q.found.Rest)
	if absentPlaylist(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	text, err := r.rewrite(p, q, &ticket.Issued, q.found.Rest, r.self(req), r.config.Secure(req))
	if err != nil {
		return false, err
	}
	r.memory.metrics.sent(q.found.Record.Kind)
	cache := "private, max-age=60"
	if returned || q.found.Growing != nil {
		cache = "no-store"
	}
	writePlaylist(w, req, text, cache)
	return true, nil
}

// writePlaylist sends a playlist, compressed where that is taken (rule 10.1).
func writePlaylist(w http.ResponseWriter, req *http.Request, text []byte, cache string) {
	header := w.Header()
	header.Set("Content-Type", "application/vnd.apple.mpegurl")
	header.Set("Cache-Control", cache)
	header.Set("Vary", "Accept-Encoding")
	header.Set("X-Content-Type-Options", "nosniff")
	if acceptsGzip(req.Header.Get("Accept-Encoding")) {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, _ = z.Write(text) // memory does not fail
		_ = z.Close()
		text = packed.Bytes()
		header.Set("Content-Encoding", "gzip")
	}
	header.Set("Content-Length", strconv.Itoa(len(text)))
	if req.Method != http.MethodHead {
		_, _ = w.Write(text) // whoever has gone away needs no answer
	}
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3).
func acceptsGzip(field string) bool {
	for coding := range strings.SplitSeq(field, ",") {
		name, weight, _ := strings.Cut(coding, ";")
		if name = strings.TrimSpace(name); strings.EqualFold(name, "gzip") || name == "*" {
			q, isWeight := strings.CutPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
			value, err := strconv.ParseFloat(q, 64)
			return !isWeight || err == nil && value > 0
		}
	}
	return false
}

// self is this router as the client knows it.
func (r *Router) self(req *http.Request) string {
	if r.config.Secure(req) {
		return "https://" + req.Host
	}
	return "http://" + req.Host
}

// video adds to a session's answer what a player needs of a bundle that has a
// multivariant playlist.
func (r *Router) video(ctx context.Context, req *http.Request, q *request, issued *meta.Issued, answer *Session) error {
	path := q.found.Rest
	if path == "" {
		path = MultivariantName
	}
	if q.found.Record.Kind != meta.Bundle || !strings.HasSuffix(path, playlistSuffix) {
		return nil
	}
	p, err := r.present(ctx, q, issued, path)
	if absentPlaylist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	text, err := r.rewrite(p, q, issued, path, r.self(req), r.config.Secure(req))
	if err != nil {
		return err
	}
	answer.Multivariant, answer.Integrity = string(text), p.integrity
	answer.Steering = steeringURL(r.self(req), issued.Text, path)
	if len(answer.Edges) > 0 {
		edge, _ := q.snapshot.table.Edge(answer.Edges[0].ID)
		base := bundleURL(q.snapshot.table.base(edge, r.config.Secure(req)), issued.Text, q.found.Record.Name)
		if p.poster {
			answer.Poster = base + posterName
		}
		if p.thumbnails {
			answer.Thumbnails = base + thumbnailsName
		}
	}
	if g := q.found.Growing; g != nil {
		answer.Growing = &SessionGrowing{Name: g.Name, Key: keyText(g.Owner), Sequence: g.Sequence}
		answer.Integrity = "" // it changes with every state; playlists are signed instead
	}
	return nil
}
