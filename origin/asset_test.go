package origin

import (
	"context"
	"encoding/json"
	"net/http"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/internal/hls"
	"github.com/stratos-mesh/stratos/origin/origintest"
	"github.com/stratos-mesh/stratos/origin/work"
	"github.com/stratos-mesh/stratos/transcode/sandbox"
)

// studio is an origin that makes videos with a stand-in for the encoder, and one
// worker in the same process.
type studio struct {
	*bench
	fake *origintest.Transcoder
}

// video is a Config.Video of a stand-in.
func video(fake *origintest.Transcoder, dir string) Video {
	return Video{
		Probe: fake.Probe, Ladder: fake.Ladder, Assemble: fake.Assemble, Grow: fake.Grow,
		Box: func(context.Context) (*sandbox.Box, error) { return nil, nil },
		Worker: func(ctx context.Context, socket string) error {
			return work.Run(ctx, work.Config{Origin: socket, Dir: dir, Encode: fake.Encode})
		},
	}
}

func startStudio(t testing.TB, change func(*Config, *origintest.Transcoder)) *studio {
	t.Helper()
	s := &studio{fake: &origintest.Transcoder{Speed: 10}}
	s.bench = start(t, func(c *Config) {
		c.Video = video(s.fake, filepath.Join(t.TempDir(), "worker"))
		if change != nil {
			change(c, s.fake)
		}
	})
	return s
}

// make makes an asset and returns what was answered.
func (s *studio) make(ask string) (v assetView) {
	s.t.Helper()
	s.want(http.StatusCreated, "POST", "/v1/assets", strings.NewReader(ask)).decode(s.t, &v)
	return v
}

// send gives an asset its source.
func (s *studio) send(id, source string) (v assetView) {
	s.t.Helper()
	s.want(http.StatusAccepted, "PUT", "/v1/assets/"+id+"/source", strings.NewReader(source)).decode(s.t, &v)
	return v
}

// asset as it is now.
func (s *studio) asset(id string) (v assetView) {
	s.t.Helper()
	s.want(http.StatusOK, "GET", "/v1/assets/"+id, nil).decode(s.t, &v)
	return v
}

// until waits for a state, and fails at one that ends before.
func (s *studio) until(id string, states ...string) assetView {
	s.t.Helper()
	end := time.Now().Add(30 * time.Second)
	for {
		a := s.origin.assets.get(id)
		if a == nil {
			s.t.Fatalf("asset %s is gone", id)
		}
		changed := a.watch()
		info := a.state() // before the view, which may be newer
		v := s.asset(id)
		for _, want := range states {
			if v.State == want {
				return v
			}
		}
		if info.settled() || time.Now().After(end) {
			text, _ := json.Marshal(v)
			s.t.Fatalf("want %v, got %s", states, text)
		}
		select {
		case <-changed:
		case <-time.After(time.Until(end)):
		}
	}
}

// ended waits until nothing is done for an asset any more.
func (s *studio) ended(id string) {
	s.t.Helper()
	select {
	case <-s.origin.assets.get(id).ended: // set when the source came
	case <-time.After(30 * time.Second):
		s.t.Fatal("an asset is still worked on")
	}
}

func TestAVideoFromUploadToName(t *testing.T) {
	t.Parallel()
	s := startStudio(t, nil)
	v := s.make(`{"name":"films/film","title":"A film","passthrough":"mine"}`)
	if v.State != assetWaiting || v.Upload != "/v1/assets/"+v.ID+"/source" || v.Title != "A film" {
		t.Errorf("just made: %+v", v)
	}
	s.send(v.ID, "video 30")
	v = s.until(v.ID, assetReady)
	if v.Progress != 1 || len(v.Rungs) != 4 || v.Source.Duration != 30 || v.Source.Width != 1280 || len(v.Left) != 1 {
		t.Errorf("ready: %+v", v)
	}
	if v.URLs["hls"] != "http://router.test/films/film/master.m3u8" || v.URLs["watch"] != "http://router.test/watch/films/film" {
		t.Errorf("URLs: %v", v.URLs)
	}
	for _, rung := range []string{"video/720p", "video/234p", "audio/und"} {
		if got := string(s.read("films/film/" + rung + "/00007.m4s")); got != origintest.SegmentText(rung, 7) {
			t.Errorf("%s: the last segment is %.40q", rung, got)
		}
	}
	s.checkDigests("films/film")
	s.ended(v.ID)
	if left := folderSize(filepath.Join(s.config.Dir, "assets", v.ID, "tree")); left != 0 {
		t.Errorf("%d bytes of the tree are still here", left)
	}
	s.restart()
	if v = s.asset(v.ID); v.State != assetReady || v.Root.String() == "" {
		t.Errorf("after a restart: %+v", v)
	}
}

// checkDigests follows the digests from the multivariant playlist to the
// segments, and the last segment's own.
func (s *studio) checkDigests(name string) {
	s.t.Helper()
	p, err := hls.Parse(s.read(name + "/master.m3u8"))
	if err != nil {
		s.t.Fatal(err)
	}
	m, err := p.Multivariant()
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := m.Integrity(); err != nil {
		s.t.Error(err)
	}
	for _, v := range m.Variants {
		text := s.read(name + "/" + v.URI)
		if hls.Sum(text) != v.Digest {
			s.t.Errorf("%s: its digest in the multivariant playlist is another", v.URI)
		}
		list, err := hls.Parse(text)
		if err != nil {
			s.t.Fatal(err)
		}
		media, err := list.Media()
		if err != nil {
			s.t.Fatal(err)
		}
		if !media.EndList {
			s.t.Errorf("%s has no end", v.URI)
		}
		last := media.Segments[len(media.Segments)-1]
		if hls.Sum(s.read(name+"/"+path.Join(path.Dir(v.URI), last.URI))) != last.Digest {
			s.t.Errorf("%s: the digest of %s is another", v.URI, last.URI)
		}
	}
}
