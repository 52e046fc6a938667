package origin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/internal/hls"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/origin/origintest"
	"github.com/stratos-mesh/stratos/sds"
	"github.com/stratos-mesh/stratos/transcode"
)

// valve holds segments back until they are let through.
type valve struct {
	mu    sync.Mutex
	open  func(rendition string, segment int) bool
	moved chan struct{}
}

func newValve(open func(string, int) bool) *valve {
	return &valve{open: open, moved: make(chan struct{})}
}

func (g *valve) set(open func(rendition string, segment int) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = open
	close(g.moved)
	g.moved = make(chan struct{})
}

func (g *valve) wait(ctx context.Context, _ transcode.Task, rendition string, segment int) error {
	for {
		g.mu.Lock()
		open, moved := g.open(rendition, segment), g.moved
		g.mu.Unlock()
		if open {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func all(string, int) bool { return true }

// before lets segments below n of the low rungs and the sound through.
func lowBelow(n int) func(string, int) bool {
	return func(rendition string, segment int) bool { return rendition != "video/720p" && segment < n }
}

// inState reads a file of a growing state, from the edges that are said to have
// it.
func (s *studio) inState(state *meta.GrowingState, path string) []byte {
	s.t.Helper()
	from := s.origin.writer.Getter(state.Durable)
	manifest, err := sds.LoadManifest(s.t.Context(), from, state.Manifest, state.Root)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, o := range manifest.Objects {
		if o.Path != path {
			continue
		}
		f, err := sds.OpenFile(s.t.Context(), from, o.CID)
		if err != nil {
			s.t.Fatal(err)
		}
		text, err := io.ReadAll(&contentReader{ctx: s.t.Context(), file: f, blocks: from})
		if err != nil {
			s.t.Fatal(err)
		}
		return text
	}
	s.t.Fatalf("%s is not in state %d", path, state.Sequence)
	return nil
}

// grown waits for a state that lists so many segments.
func (s *studio) grown(segments int) *meta.GrowingState {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		states := s.net.Meta.Grown()
		if len(states) > 0 {
			last := &states[len(states)-1]
			if n := strings.Count(string(s.inState(last, "video/360p/playlist.m3u8")), "#EXTINF"); n >= segments {
				return last
			}
		}
		time.Sleep(20 * time.Millisecond) // nothing tells a test of a state
	}
	s.t.Fatalf("no state has %d segments", segments)
	return nil
}

func TestAVideoPlaysWhileItIsMade(t *testing.T) {
	t.Parallel()
	held := newValve(lowBelow(2))
	s := startStudio(t, func(_ *Config, f *origintest.Transcoder) { f.Gate = held.wait })
	v := s.make(`{"name":"films/film"}`)
	s.send(v.ID, "video 30")
	v = s.until(v.ID, assetPlayable)
	if v.URLs["hls"] == "" {
		t.Errorf("playable without a URL: %+v", v)
	}
	first := s.grown(2)
	owner := first.Owner
	last := (*hls.Signed)(nil)
	check := func(state *meta.GrowingState, rendition string, segments int) {
		t.Helper()
		if err := state.Verify(origintest.ChainID); err != nil {
			t.Fatal(err)
		}
		path := rendition + "/playlist.m3u8"
		text := s.inState(state, path)
		signed, err := hls.Verify(text, "films/film", path, owner)
		if err != nil {
			t.Fatal(err)
		}
		if signed.Seq != state.Sequence {
			t.Errorf("the playlist is state %d, the root %d", signed.Seq, state.Sequence)
		}
		if rendition == "video/234p" {
			if err := signed.Follows(last); err != nil {
				t.Error(err)
			}
			last = signed
		}
		if n := strings.Count(string(text), "#EXTINF"); n != segments {
			t.Errorf("%s: %d segments, want %d", path, n, segments)
		}
	}
	check(first, "video/234p", 2)
	check(first, "audio/und", 2)
	m, err := hls.Parse(s.inState(first, "master.m3u8"))
	if err != nil {
		t.Fatal(err)
	}
	view, err := m.Multivariant()
	if err != nil || len(view.Variants) != 2 {
		t.Fatalf("the growing multivariant lists %d variants, want the 2 low ones: %v", len(view.Variants), err)
	}
	if !view.Variants[0].Digest.IsZero() {
		t.Error("the growing multivariant has digests of playlists that change")
	}
	held.set(lowBelow(5))
	second := s.grown(5)
	if second.Sequence <= first.Sequence {
		t.Errorf("state %d after %d", second.Sequence, first.Sequence)
	}
	check(second, "video/234p", 5)
	segment := s.inState(second, "video/360p/00001.m4s")

	// A restart goes on with higher numbers.
	s.restart()
	held.set(lowBelow(8))
	third := s.grown(8)
	if third.Sequence <= second.Sequence || third.Upload != second.Upload {
		t.Errorf("after a restart: state %d of upload %x, before %d of %x", third.Sequence, third.Upload, second.Sequence, second.Upload)
	}
	check(third, "video/234p", 8)
	held.set(all)
	s.until(v.ID, assetReady)
	s.checkDigests("films/film")
	if got := s.read("films/film/video/360p/00001.m4s"); string(got) != string(segment) {
		t.Error("a segment that was shown has other bytes now")
	}
	final := s.read("films/film/video/234p/playlist.m3u8")
	signed, err := hls.Verify(final, "films/film", "video/234p/playlist.m3u8", owner)
	if err != nil {
		t.Fatal(err)
	}
	if err := signed.Follows(last); err != nil || signed.Seq <= last.Seq {
		t.Errorf("the published playlist is state %d after %d: %v", signed.Seq, last.Seq, err)
	}
	if text := s.read("films/film/video/720p/playlist.m3u8"); strings.Contains(string(text), "STRATOS-SIGNED") {
		t.Error("a playlist that never grew is signed")
	}
	states := s.net.Meta.Grown()
	if !slices.IsSortedFunc(states, func(a, b meta.GrowingState) int { return int(a.Sequence) - int(b.Sequence) }) {
		t.Error("states are not in order")
	}
}

func TestASlowEncoderShowsNothingEarly(t *testing.T) {
	t.Parallel()
	s := startStudio(t, func(_ *Config, f *origintest.Transcoder) { f.Speed = 3.9 })
	v := s.make(`{"name":"films/slow"}`)
	s.send(v.ID, "video 30")
	s.until(v.ID, assetReady)
	if n := len(s.net.Meta.Grown()); n != 0 {
		t.Errorf("%d states were shown", n)
	}
	if text := s.read("films/slow/video/234p/playlist.m3u8"); strings.Contains(string(text), "STRATOS-SIGNED") {
		t.Error("a playlist that never grew is signed")
	}
}

func TestANewSourceReplacesAVideoWhenItIsWhole(t *testing.T) {
	t.Parallel()
	held := newValve(all)
	s := startStudio(t, func(_ *Config, f *origintest.Transcoder) { f.Gate = held.wait })
	old := s.make(`{"name":"films/film"}`)
	s.send(old.ID, "video 12")
	s.until(old.ID, assetReady)
	before := s.asset(old.ID).Root
	grown := len(s.net.Meta.Grown())
	held.set(func(_ string, segment int) bool { return segment < 5 })
	v := s.make(`{"name":"films/film"}`)
	s.send(v.ID, "video 30")
	for end := time.Now().Add(20 * time.Second); s.asset(v.ID).Progress < 0.3 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond) // a task of a few milliseconds tells nothing in between
	}
	if record, err := s.net.Meta.Resolve(t.Context(), "films/film"); err != nil || record.Record.Root != before {
		t.Errorf("while the new one is made: %v, %v", record.Record.Root, err)
	}
	held.set(all)
	after := s.until(v.ID, assetReady)
	if n := len(s.net.Meta.Grown()); n != grown {
		t.Errorf("a published name was shown growing %d times", n-grown)
	}
	s.ended(v.ID)
	if got := s.asset(old.ID).State; got != assetReplaced {
		t.Errorf("the old asset is %s", got)
	}
	// Deleting the old asset leaves the new one's name.
	s.want(http.StatusNoContent, "DELETE", "/v1/assets/"+old.ID, nil)
	if record, err := s.net.Meta.Resolve(t.Context(), "films/film"); err != nil || record.Record.Root != after.Root {
		t.Errorf("after deleting the old asset: %v, %v", record.Record.Root, err)
	}
	s.want(http.StatusNoContent, "DELETE", "/v1/assets/"+v.ID, nil)
	if _, err := s.net.Meta.Resolve(t.Context(), "films/film"); !errors.Is(err, meta.ErrDeleted) {
		t.Errorf("after deleting the asset: %v", err)
	}
	s.want(http.StatusNotFound, "GET", "/v1/assets/"+v.ID, nil)
}

func TestAVideoThatIsDeletedWhileItGrowsIsGoneAtOnce(t *testing.T) {
	t.Parallel()
	held := newValve(lowBelow(2))
	s := startStudio(t, func(_ *Config, f *origintest.Transcoder) { f.Gate = held.wait })
	v := s.make(`{"name":"films/film"}`)
	s.send(v.ID, "video 30")
	s.until(v.ID, assetPlayable)
	last := s.grown(2)
	s.want(http.StatusNoContent, "DELETE", "/v1/assets/"+v.ID, nil)
	if _, err := s.net.Meta.Resolve(t.Context(), "films/film"); !errors.Is(err, meta.ErrNotFound) {
		t.Errorf("resolved: %v, want ErrNotFound", err)
	}
	// The next upload's states come after all that anybody kept of this one.
	v = s.make(`{"name":"films/film"}`)
	s.send(v.ID, "video 30")
	s.until(v.ID, assetPlayable)
	if next := s.grown(1); next.Sequence <= last.Sequence || next.Upload == last.Upload {
		t.Errorf("state %d of upload %x after state %d of %x", next.Sequence, next.Upload, last.Sequence, last.Upload)
	}
	held.set(all)
}
