package router

import (
	"net/http"
	"testing"

	"github.com/stratos-mesh/stratos/meta"
)

// A router that was started anew, or another one of the network, has never seen
// the playlist, and the edges that the ticket names are gone: that is when a
// player needs to hear of others.
func TestSteeringByARouterThatHasNotSeenThePlaylist(t *testing.T) {
	f := newFilm(newScene(t))
	open := decode[Session](f.scene, f.session("/pub/movie", "ed25519", f.viewer()))
	var gone []meta.EdgeID
	for _, id := range ticketOf(t, open.Ticket).Edges {
		gone = append(gone, meta.EdgeID(id))
	}
	f.state(meta.Down, gone...)
	f.router.memory.presentations.forget(presentationKey{f.edges[0].root, "master.m3u8"})
	if s := f.manifest(open.Ticket, ""); len(s.Clones) != 1 || len(s.Priority) != 1 {
		t.Errorf("got %+v", s)
	}
}

// 404 would have players believe that there is no steering.
func TestSteeringWhileNoEdgeAnswers(t *testing.T) {
	f := newFilm(newScene(t))
	open := decode[Session](f.scene, f.session("/pub/movie", "ed25519", f.viewer()))
	f.router.memory.presentations.forget(presentationKey{f.edges[0].root, "master.m3u8"})
	f.everyEdge(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	f.problem(f.steer(open.Ticket, ""), http.StatusServiceUnavailable, "no-playlist")
}
