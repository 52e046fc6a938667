package router

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/internal/hls"
	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// presentation is a bundle's multivariant playlist as it lies under the root,
// with what else a player asks for. It never changes: who edits it makes a clone.
type presentation struct {
	playlist *hls.Playlist
	// integrity is empty where a variant lacks digest or stable id, as in a
	// ladder that was published as it came.
	integrity          string
	poster, thumbnails bool
	title              string
	width, height      int
	err                error
}

// presentationKey is a playlist under a root.
type presentationKey struct {
	root sds.CID
	path string
}

const (
	// presentationsKept bounds those in memory, of some 20 KiB each, and
	// presentationTTL their time there.
	presentationsKept = 1024
	// readingsKept bounds the paths known to be no playlists.
	readingsKept    = 4096
	presentationTTL = time.Hour
	// playlistSuffix is how multivariant playlists are told from other files
	// before they are read.
	playlistSuffix = ".m3u8"
	// maxMultivariant and maxLines bound one of them, and maxRewritten what the
	// router makes of it, so that publishers cannot fill its memory nor have it
	// make much out of little. Ours have some 5 KiB.
	maxMultivariant, maxLines, maxRewritten = 64 << 10, 1000, 1 << 20
	// What lies beside a multivariant playlist.
	posterName, thumbnailsName = "poster.jpg", "thumbnails.vtt"
	// edgeTime is what one edge has to give it.
	edgeTime = 800 * time.Millisecond
)

// errNoMultivariant tells that a path is no multivariant playlist.
var errNoMultivariant = errors.New("no multivariant playlist")

// present reads a multivariant playlist from the edges of a ticket, one after
// the other until one shows what the root has. That there is none they must prove
// too: when they only say so, they are asked again soon.
func (r *Router) present(ctx context.Context, q *request, ticket *meta.Issued, path string) (*presentation, error) {
	if q.found.Growing != nil {
		return r.presentGrowing(ctx, q, ticket, path)
	}
	return r.presentRoot(ctx, q, ticket, path)
}

func (r *Router) presentRoot(ctx context.Context, q *request, ticket *meta.Issued, path string) (*presentation, error) {
	key := presentationKey{q.found.Record.Root, path}
	if p, known := r.memory.presentations.peek(key); known {
		return p, nil
	}
	p, err := r.memory.readings.get(ctx, key, func(ctx context.Context) (*presentation, time.Duration) {
		p, err := r.readPresentation(ctx, q, ticket, path)
		switch {
		case err == nil:
			r.memory.presentations.set(key, p, presentationTTL)
			return p, 0
		case errors.Is(err, errDenied):
			return &presentation{err: err}, nameTTL
		case absentPlaylist(err):
			return &presentation{err: err}, presentationTTL
		}
		return &presentation{err: err}, 0
	})
	switch {
	case err != nil:
		return nil, err
	case p.err == nil:
		r.memory.readings.forget(key) // or it would be kept twice
		return p, nil
	case absentPlaylist(p.err):
		return nil, p.err
	}
	problem := httperr.Wrap(p.err, 503, "no-playlist", "no edge has given the playlist that the root names")
	return nil, problem.WithRetry(time.Second)
}

func (r *Router) readPresentation(ctx context.Context, q *request, ticket *meta.Issued, path string) (*presentation, error) {
	err := meta.ErrNoEdges
	for _, id := range ticket.Ticket.Edges {
		edge, ok := q.snapshot.table.Edge(meta.EdgeID(id))
		if !ok || !q.snapshot.table.Routable(edge.ID) {
			continue
		}
		base := edge.URL // from here, not from the viewer
		if base == "" {
			base = edge.TLSURL
		}
		s := source{r.config.HTTP, bundleURL(base, ticket.Text, q.found.Record.Name)}
		one, cancel := context.WithTimeout(ctx, edgeTime)
		p, failed := s.present(one, q.found.Record.Root, path)
		cancel()
		if failed == nil || absentPlaylist(failed) && !errors.Is(failed, errDenied) {
			return p, failed
		}
		if !absentPlaylist(failed) || errors.Is(err, meta.ErrNoEdges) {
			err = failed // one that could not be asked weighs more than one that denies
		}
		if !errors.Is(failed, errDenied) {
			r.config.Logger.WarnContext(ctx, "multivariant playlist not read", "edge", id, "path", path, "error", failed)
		}
	}
	return nil, err
}

func (s source) present(ctx context.Context, root sds.CID, path string) (*presentation, error) {
	nodes, err := s.nodes(ctx, path)
	if err != nil {
		return nil, err
	}
	text, err := s.file(ctx, nodes, root, path)
	if errors.Is(err, sds.ErrTooLarge) || len(text) > maxMultivariant || bytes.Count(text, []byte("\n")) > maxLines {
		return nil, errNoMultivariant
	}
	if err != nil {
		return nil, err
	}
	playlist, err := hls.Parse(text)
	if err != nil || !playlist.IsMultivariant() {
		return nil, errNoMultivariant
	}
	// What it lacks to be steered is made up for here, the same each time.
	if err := playlist.AddStableIDs(); err != nil {
		return nil, errNoMultivariant
	}
	if tooLarge(playlist) {
		return nil, errNoMultivariant
	}
	p := &presentation{
		playlist: playlist, poster: has(ctx, nodes, root, posterName), thumbnails: has(ctx, nodes, root, thumbnailsName),
	}
	if m, err := playlist.Multivariant(); err == nil {
		p.describe(m)
		if digest, err := m.Integrity(); err == nil {
			p.integrity = hls.FormatIntegrity(digest)
		}
	}
	return p, nil
}

// tooLarge tries what rewrite will make of a playlist, whose variables may stand
// for much text.
func tooLarge(p *hls.Playlist) bool {
	base := &url.URL{Scheme: "https", Host: "edge.invalid", Path: "/" + strings.Repeat("t", ticketText)}
	trial, ways := p.Clone(), []hls.Pathway{{ID: "e1", Base: base}, {ID: "e2", Base: base}}
	// One that cannot be rewritten at all is refused with the reason.
	return trial.SetPathways(base.String(), ways) == nil && len(trial.Encode()) > maxRewritten
}

// ticketText is about the length of a ticket in a URL.
const ticketText = 600

// titleData is the DATA-ID under which a multivariant playlist tells its title.
const titleData = "com.apple.hls.title"

// describe takes what pages say of a video.
func (p *presentation) describe(m *hls.Multivariant) {
	for _, d := range m.SessionData {
		if d.DataID == titleData && p.title == "" {
			p.title = d.Value
		}
	}
	for _, v := range m.Variants {
		if v.Width*v.Height > p.width*p.height {
			p.width, p.height = v.Width, v.Height
		}
	}
}

// bundleURL is where an edge serves a bundle under a ticket, with a slash.
func bundleURL(base, ticket string, name meta.Name) string {
	return strings.TrimSuffix(base, "/") + "/t/" + ticket + (&url.URL{Path: "/" + string(name) + "/"}).EscapedPath()
}

// escaped is a path inside a bundle as it stands in URLs.
func escaped(path string) string { return (&url.URL{Path: path}).EscapedPath() }

// pathway is the id of an edge's pathway.
func pathway(id meta.EdgeID) string { return fmt.Sprintf("e%d", id) }

// maxPathways stand in a playlist; further edges come by steering.
const maxPathways = 2

// rewrite makes the playlist that viewers get: every media playlist twice, on
// the first two edges of the ticket, and where to ask which to take.
func (r *Router) rewrite(p *presentation, q *request, ticket *meta.Issued, path, router string, tls bool) ([]byte, error) {
	playlist := p.playlist.Clone()
	var ways []hls.Pathway
	for _, id := range ticket.Ticket.Edges {
		edge, ok := q.snapshot.table.Edge(meta.EdgeID(id))
		if !ok || !q.snapshot.table.Routable(edge.ID) || edge.ID == q.avoid || len(ways) == maxPathways {
			continue
		}
		base, err := url.Parse(bundleURL(q.snapshot.table.base(edge, tls), ticket.Text, q.found.Record.Name) + escaped(path))
		if err != nil {
			return nil, fmt.Errorf("address of edge %d: %w", id, err)
		}
		ways = append(ways, hls.Pathway{ID: pathway(edge.ID), Base: base})
	}
	if len(ways) == 0 {
		return nil, problem(meta.ErrNoEdges)
	}
	if err := playlist.SetPathways(steeringURL(router, ticket.Text, path), ways); err != nil {
		return nil, httperr.Wrap(err, 502, "bad-playlist", "the publisher's multivariant playlist cannot be served: "+err.Error())
	}
	return playlist.Encode(), nil
}
