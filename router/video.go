package router

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// MultivariantName is the multivariant playlist that stands for a bundle.
const MultivariantName = "master.m3u8"

// Video is what a page says about a bundle with a multivariant playlist.
type Video struct {
	Name meta.Name
	// Playlist is the path of the multivariant playlist in the bundle.
	Playlist string
	// Title as the playlist has it, the name without it.
	Title string
	// Width and Height of the largest variant, 0 when unknown.
	Width, Height int
	// Poster tells that poster.jpg lies in the bundle.
	Poster bool
}

// Video finds the video at a path: a bundle, or its multivariant playlist. Its
// errors are answers for the client.
func (r *Router) Video(ctx context.Context, client netip.Addr, path string) (*Video, error) {
	path, err := cleanPath(path, path)
	if err != nil {
		return nil, err
	}
	q, err := r.understand(ctx, client, path)
	if err != nil {
		return nil, err
	}
	playlist := strings.TrimSuffix(q.found.Rest, "/")
	if playlist == "" {
		playlist = MultivariantName
	}
	none := httperr.New(http.StatusNotFound, "no-video", "there is no video under this name").
		WithHint("a video is a folder with a multivariant HLS playlist %s", MultivariantName)
	if q.found.Record.Kind != meta.Bundle || !strings.HasSuffix(playlist, playlistSuffix) {
		return nil, none
	}
	p, known := r.memory.presentations.peek(presentationKey{q.found.Record.Root, playlist})
	if !known {
		ticket, err := r.share(ctx, q.shareKey(), q)
		if err != nil {
			return nil, err
		}
		p, err = r.present(ctx, q, &ticket.Issued, playlist)
		if absentPlaylist(err) {
			return nil, none
		}
		if err != nil {
			return nil, err
		}
	}
	v := &Video{Name: q.found.Record.Name, Playlist: playlist, Title: p.title, Width: p.width, Height: p.height, Poster: p.poster}
	if v.Title == "" {
		v.Title = string(v.Name)
	}
	return v, nil
}

func absentPlaylist(err error) bool {
	return errors.Is(err, errNoMultivariant) || errors.Is(err, sds.ErrNotFound)
}
