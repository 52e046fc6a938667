package router

import (
	"compress/gzip"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/internal/hls"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/receipt"
)

const master = "/pub/movie/master.m3u8"

// read parses a multivariant playlist that the router answered with.
func (f *film) read(answer *http.Response) *hls.Multivariant {
	f.Helper()
	if answer.StatusCode != http.StatusOK {
		f.Fatalf("got status %d, Location %q", answer.StatusCode, answer.Header.Get("Location"))
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		f.Fatal(err)
	}
	return f.parse(string(text))
}

func (f *film) parse(text string) *hls.Multivariant {
	f.Helper()
	playlist, err := hls.Parse([]byte(text))
	if err != nil {
		f.Fatal(err)
	}
	m, err := playlist.Multivariant()
	if err != nil {
		f.Fatal(err)
	}
	return m
}

// ways are the pathways of a playlist's variants, and the ticket in their URLs.
func (f *film) ways(m *hls.Multivariant) (ids []string, ticket *receipt.Ticket, text string) {
	f.Helper()
	for _, v := range m.Variants {
		ids = append(ids, v.PathwayID)
		u, err := url.Parse(v.URI)
		if err != nil || !u.IsAbs() {
			f.Fatalf("variant at %q", v.URI)
		}
		text = strings.Split(u.Path, "/")[2]
		ticket = ticketOf(f.T, text)
		i := slices.IndexFunc(f.edges, func(e *fakeEdge) bool { return strings.HasPrefix(v.URI, e.URL+"/") })
		if i < 0 || pathway(meta.EdgeID(i+1)) != v.PathwayID || !strings.HasSuffix(u.Path, "/pub/movie/v/p.m3u8") {
			f.Errorf("pathway %s is at %s", v.PathwayID, v.URI)
		}
	}
	return ids, ticket, text
}

func (f *film) steer(ticket, query string) *http.Response {
	f.Helper()
	return f.get(inFrankfurt, "/v1/steering/"+ticket+query)
}

func (f *film) manifest(ticket, query string) SteeringManifest {
	f.Helper()
	answer := f.steer(ticket, query)
	if got := answer.Header.Get("Content-Type"); got != "application/vnd.apple.steering-list" {
		f.Errorf("got Content-Type %q", got)
	}
	return decode[SteeringManifest](f.scene, answer)
}

// videoContract has the rows about playlists and steering.
func videoContract() map[string]func(*scene) {
	rows := map[string]func(*film){
		"V1": func(f *film) {
			answer := f.get(inFrankfurt, master)
			if got := answer.Header.Get("Content-Type"); got != "application/vnd.apple.mpegurl" {
				f.Errorf("got Content-Type %q", got)
			}
			if got := answer.Header.Get("Cache-Control"); got != "private, max-age=60" {
				f.Errorf("got Cache-Control %q", got)
			}
			m := f.read(answer)
			ids, ticket, text := f.ways(m)
			if want := []string{pathway(meta.EdgeID(ticket.Edges[0])), pathway(meta.EdgeID(ticket.Edges[1]))}; !slices.Equal(ids, want) {
				f.Errorf("got pathways %v, want %v", ids, want)
			}
			if ticket.Kind() != receipt.ClassB || m.Steering == nil || m.Steering.ServerURI != "http://example.com/v1/steering/"+text || m.Steering.PathwayID != ids[0] {
				f.Errorf("got class %d, steering %+v", ticket.Kind(), m.Steering)
			}
			if len(m.Renditions) != 2 || m.Renditions[0].GroupID == m.Renditions[1].GroupID || m.Renditions[0].StableID != m.Renditions[1].StableID {
				f.Errorf("got renditions %+v", m.Renditions)
			}
		},
		"V2": func(f *film) {
			for field, want := range map[string]string{"gzip, br": "gzip", "gzip;q=0": "", "br": "", "": ""} {
				answer := f.get(inFrankfurt, master, func(r *http.Request) { r.Header.Set("Accept-Encoding", field) })
				if got := answer.Header.Get("Content-Encoding"); got != want || answer.Header.Get("Vary") != "Accept-Encoding" {
					f.Errorf("%q: got Content-Encoding %q", field, got)
				}
				if want == "gzip" {
					z, err := gzip.NewReader(answer.Body)
					if err != nil {
						f.Fatal(err)
					}
					answer.Body = z
				}
				f.read(answer)
			}
		},
		"V3": func(f *film) {
			for _, path := range []string{"/pub/movie/v/p.m3u8", "/pub/movie/plain.m3u8", "/pub/movie/poster.jpg", "/pub/movie/none.m3u8"} {
				if answer := f.get(inFrankfurt, path); answer.StatusCode != http.StatusTemporaryRedirect {
					f.Errorf("%s: got %d, want 307", path, answer.StatusCode)
				}
			}
		},
		"V4": func(f *film) {
			lie := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				evil := strings.ReplaceAll(ladder, "v/p.m3u8", "https://evil.test/p.m3u8")
				other := newFakeEdge(f, "pub/movie", map[string]string{"master.m3u8": evil})
				other.Config.Handler.ServeHTTP(w, r)
			})
			ids, _, _ := f.ways(f.read(f.get(inFrankfurt, master)))
			f.router.memory.presentations.forget(presentationKey{f.edges[0].root, "master.m3u8"})
			for i, e := range f.edges {
				if pathway(meta.EdgeID(i+1)) == ids[0] {
					e.spoil.Store(&lie)
				}
			}
			f.ways(f.read(f.get(inFrankfurt, master))) // fails on a foreign address
			f.router.memory.presentations.forget(presentationKey{f.edges[0].root, "master.m3u8"})
			for _, e := range f.edges {
				e.spoil.Store(&lie)
			}
			f.problem(f.get(inFrankfurt, master), http.StatusServiceUnavailable, "no-playlist")
		},
		"V5": func(f *film) {
			ids, _, _ := f.ways(f.read(f.get(inFrankfurt, master)))
			f.get(inFrankfurt, "/pub/movie/v/p.m3u8") // sent to the first
			again := f.get(inFrankfurt, master+"?r=1")
			if got := again.Header.Get("Cache-Control"); got != "no-store" {
				f.Errorf("got Cache-Control %q", got)
			}
			now, _, _ := f.ways(f.read(again))
			if slices.Contains(now, ids[0]) {
				f.Errorf("came back from %s and got %v", ids[0], now)
			}
		},
		"V6": func(f *film) {
			m := f.read(f.get(inFrankfurt, master))
			ids, ticket, text := f.ways(m)
			s := f.manifest(text, "?_HLS_pathway="+ids[0]+"&_HLS_throughput=5000")
			var want []string
			for _, id := range ticket.Edges {
				want = append(want, pathway(meta.EdgeID(id)))
			}
			if s.Version != 1 || s.TTL != 300 || !slices.Equal(s.Priority, want) || s.ReloadURI != "http://example.com/v1/steering/"+text {
				f.Errorf("got %+v, want priority %v", s, want)
			}
			if len(s.Clones) != len(want)-2 {
				f.Fatalf("got %d clones, want %d", len(s.Clones), len(want)-2)
			}
			clone := s.Clones[0]
			at := f.edges[ticket.Edges[2]-1].URL + "/t/" + text + "/pub/movie/"
			if clone.BaseID != ids[0] || clone.ID != want[2] || clone.Replacement.Variants["v"] != at+"v/p.m3u8" || clone.Replacement.Renditions["a"] != at+"a/p.m3u8" {
				f.Errorf("got clone %+v", clone)
			}
		},
		"V7": func(f *film) {
			ids, ticket, text := f.ways(f.read(f.get(inFrankfurt, master)))
			f.state(meta.Suspect, meta.EdgeID(ticket.Edges[0]))
			s := f.manifest(text, "?_HLS_pathway="+ids[0])
			if s.TTL != 10 || slices.Contains(s.Priority, ids[0]) || s.Priority[0] != ids[1] {
				f.Errorf("got %+v, want %s first and %s nowhere", s, ids[1], ids[0])
			}
			// It has gone over to the second and stays there when the first is back.
			f.state(meta.Live, meta.EdgeID(ticket.Edges[0]))
			if s = f.manifest(text, "?_HLS_pathway="+ids[1]); s.Priority[0] != ids[1] || s.TTL != 300 {
				f.Errorf("got %+v, want %s first", s, ids[1])
			}
		},
		"V8": func(f *film) {
			key := f.viewer()
			open := decode[Session](f.scene, f.session("/pub/movie", "ed25519", key))
			ticket := ticketOf(f.T, open.Ticket)
			var gone []meta.EdgeID
			for _, id := range ticket.Edges {
				gone = append(gone, meta.EdgeID(id))
			}
			f.manifest(open.Ticket, "") // the playlist is in memory now
			f.state(meta.Down, gone...)
			s := f.manifest(open.Ticket, "")
			if len(s.Clones) != 1 || len(s.Priority) != 1 || s.TTL != 10 || s.Priority[0] != s.Clones[0].ID {
				f.Fatalf("got %+v", s)
			}
			u, err := url.Parse(s.Clones[0].Replacement.Variants["v"])
			if err != nil {
				f.Fatal(err)
			}
			second := ticketOf(f.T, strings.Split(u.Path, "/")[2])
			if second.Kind() != receipt.ClassA || !slices.Equal(second.ViewerKey[:32], key) || slices.Contains(gone, meta.EdgeID(second.Edges[0])) {
				f.Errorf("got the second ticket %+v", second)
			}
			if again := f.manifest(open.Ticket, ""); again.Clones[0].ID != s.Clones[0].ID {
				f.Errorf("got pathway %s and then %s for the same need", s.Clones[0].ID, again.Clones[0].ID)
			}
		},
		"V9": func(f *film) {
			_, ticket, text := f.ways(f.read(f.get(inFrankfurt, master)))
			forged := *ticket
			forged.MaxBytes++
			f.problem(f.steer(forged.Text(), ""), http.StatusForbidden, "forged")
			f.problem(f.steer("nonsense", ""), http.StatusBadRequest, "bad-ticket")
			f.problem(f.steer(text, "?path=none.m3u8"), http.StatusNotFound, "not-found")
			f.now = f.now.Add(13 * time.Hour)
			f.problem(f.steer(text, ""), http.StatusGone, "session-over")
		},
		"V10": func(f *film) {
			for _, src := range []string{"/pub/movie", master} {
				s := decode[Session](f.scene, f.session(src, "ed25519", f.viewer()))
				m := f.parse(s.Multivariant)
				ids, ticket, text := f.ways(m)
				digest, err := m.Integrity()
				if err != nil || s.Integrity != hls.FormatIntegrity(digest) {
					f.Errorf("%s: got integrity %q, playlist has %s, %v", src, s.Integrity, hls.FormatIntegrity(digest), err)
				}
				at := f.edges[ticket.Edges[0]-1].URL + "/t/" + text + "/pub/movie/"
				if text != s.Ticket || len(ids) != 2 || s.Steering != "http://example.com/v1/steering/"+text || s.Poster != at+"poster.jpg" || s.Thumbnails != at+"thumbnails.vtt" || s.Growing != nil {
					f.Errorf("%s: got %+v", src, s)
				}
			}
			if s := decode[Session](f.scene, f.session("/pub/movie/poster.jpg", "ed25519", f.viewer())); s.Multivariant != "" || s.Steering != "" {
				f.Errorf("a picture has %+v", s)
			}
		},
		"V11": func(f *film) {
			owner := ed25519.NewKeyFromSeed(make([]byte, 32))
			f.meta.mu.Lock()
			found := f.meta.records["pub/movie"]
			found.Growing = &meta.GrowingState{Name: "pub/movie", Sequence: 7, Root: found.Record.Root}
			found.Growing.Sign(owner, "test")
			found.Record.Growing = 7
			f.meta.records["pub/movie"] = found
			f.meta.mu.Unlock()
			bind := meta.GrowingBind("pub/movie", owner.Public().(ed25519.PublicKey))
			answer := f.get(inFrankfurt, master)
			if got := answer.Header.Get("Cache-Control"); got != "no-store" {
				f.Errorf("got Cache-Control %q", got)
			}
			if _, ticket, _ := f.ways(f.read(answer)); !ticket.Growing() || ticket.Kind() != receipt.ClassB || ticket.Bind != bind {
				f.Errorf("got ticket %+v", ticket)
			}
			s := decode[Session](f.scene, f.session("/pub/movie", "ed25519", f.viewer()))
			want := SessionGrowing{Name: "pub/movie", Key: base64.RawURLEncoding.EncodeToString(owner.Public().(ed25519.PublicKey)), Sequence: 7}
			if ticket := ticketOf(f.T, s.Ticket); s.Growing == nil || *s.Growing != want || s.Integrity != "" || !ticket.Growing() || ticket.Kind() != receipt.ClassA {
				f.Errorf("got %+v", s)
			}
			f.manifest(s.Ticket, "") // found by what the ticket binds
		},
	}
	out := map[string]func(*scene){}
	for row, test := range rows {
		out[row] = func(s *scene) { test(newFilm(s)) }
	}
	return out
}

func TestAPlaylistIsReadFromEdgesOnceARoot(t *testing.T) {
	f := newFilm(newScene(t))
	for range 5 {
		f.read(f.get(inFrankfurt, master))
		f.read(f.get(inSingapore, master))
	}
	var asked int64
	for _, e := range f.edges {
		asked += e.asked.Load()
	}
	if asked != 2 { // nodes, and the file
		t.Errorf("edges were asked %d times, want 2", asked)
	}
}

// A digest over all is what a page may pin: it must not depend on the session.
func TestIntegrityIsTheSameForEverybody(t *testing.T) {
	f := newFilm(newScene(t))
	lines := []string{
		"a ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\n", "v 3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d\n",
	}
	sum := sha256.Sum256([]byte(strings.Join(lines, "")))
	want := "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
	for range 3 {
		if s := decode[Session](f.scene, f.session("/pub/movie", "ed25519", f.viewer())); s.Integrity != want {
			t.Errorf("got %s, want %s", s.Integrity, want)
		}
	}
}
