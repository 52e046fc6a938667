package router

import (
	"fmt"
	"testing"
)

// Who asks for playlists that are not there drives none out of memory.
func TestPlaylistsStayInMemoryWhateverStrangersAskFor(t *testing.T) {
	f := newFilm(newScene(t))
	f.read(f.get(inFrankfurt, master))
	for n := range 3 * presentationsKept {
		f.get(inSingapore, fmt.Sprintf("/pub/movie/none-%d.m3u8", n))
	}
	var before, after int64
	for _, e := range f.edges {
		before += e.asked.Load()
	}
	f.read(f.get(inFrankfurt, master))
	for _, e := range f.edges {
		after += e.asked.Load()
	}
	if after != before {
		t.Errorf("edges were asked %d times more for a playlist that was read before", after-before)
	}
}
