package router

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/receipt"
	"github.com/stratos-mesh/stratos/sds"
)

const (
	inFrankfurt = "198.51.100.7"
	inSingapore = "203.0.113.7"
)

// scene is a router with a meta node, five edges, a film, a site and names that
// are no more.
type scene struct {
	*testing.T
	meta   *fakeMeta
	router *Router
	now    time.Time
}

func newScene(t *testing.T) *scene {
	t.Helper()
	t.Parallel()
	s := &scene{T: t, now: time.Now()}
	s.meta = newFakeMeta(t, world()...)
	s.meta.now = func() time.Time { return s.now }
	s.meta.add("pub/film.mp4", meta.Object, 5<<20, 1, 3)
	s.meta.add("pub/site", meta.Bundle, 50<<20, 1, 3)
	s.meta.absent["pub/gone"] = meta.ErrDeleted
	s.meta.absent["pub/banned"] = meta.ErrBanned
	s.router = newTestRouter(t, s.meta)
	return s
}

func (s *scene) get(from, url string, edit ...func(*http.Request)) *http.Response {
	s.Helper()
	return ask(s, s.router, from, http.MethodGet, url, edit...)
}

// problem checks an error answer.
func (s *scene) problem(answer *http.Response, status int, kind string) {
	s.Helper()
	var body struct{ Type string }
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		s.Errorf("the body is no JSON: %v", err)
	}
	if answer.StatusCode != status || body.Type != "urn:stratos:problem:"+kind {
		s.Errorf("got %d %s, want %d %s", answer.StatusCode, body.Type, status, kind)
	}
	if got := answer.Header.Get("Content-Type"); got != "application/problem+json" {
		s.Errorf("got Content-Type %q", got)
	}
	if got := answer.Header.Get("Cache-Control"); got != "no-store" {
		s.Errorf("got Cache-Control %q, want no-store", got)
	}
	if retry := answer.Header.Get("Retry-After"); (status == http.StatusServiceUnavailable) != (retry != "") {
		s.Errorf("got status %d with Retry-After %q", status, retry)
	}
}

// change waits for nothing: it polls the changed network itself.
func (s *scene) change(edit func(n *meta.Network)) {
	s.Helper()
	s.meta.change(edit)
	if err := s.router.poll(s.Context()); err != nil {
		s.Fatal(err)
	}
}

func post(body string) func(*http.Request) {
	return func(r *http.Request) {
		r.Method, r.Body = http.MethodPost, io.NopCloser(strings.NewReader(body))
	}
}

func overTLS(r *http.Request) { r.TLS = tlsState() }

// session asks for a class A session.
func (s *scene) session(src, algorithm string, key []byte) *http.Response {
	s.Helper()
	body, err := json.Marshal(SessionRequest{Src: src, ViewerAlg: algorithm, ViewerKey: base64.RawURLEncoding.EncodeToString(key)})
	if err != nil {
		s.Fatal(err)
	}
	return s.get(inFrankfurt, "/v1/sessions", post(string(body)))
}

func (s *scene) viewer() ed25519.PublicKey {
	s.Helper()
	key, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		s.Fatal(err)
	}
	return key
}

func decode[T any](s *scene, answer *http.Response) T {
	s.Helper()
	var v T
	if answer.StatusCode != http.StatusOK {
		s.Fatalf("got status %d", answer.StatusCode)
	}
	if err := json.NewDecoder(answer.Body).Decode(&v); err != nil {
		s.Fatal(err)
	}
	return v
}

// contract has a test for each row of the document.
func contract() map[string]func(*scene) {
	return map[string]func(*scene){
		"C1": func(s *scene) {
			answer := s.get(inFrankfurt, "/pub/film.mp4")
			to := follow(s.T, answer)
			if to.Scheme != "http" || to.Host != "e1.test" || to.Path != "/pub/film.mp4" || len(to.Query()) != 1 {
				s.Errorf("got %s", to)
			}
			if got := answer.Header.Get("Cache-Control"); got != "private, max-age=60" {
				s.Errorf("got Cache-Control %q", got)
			}
			if body, err := io.ReadAll(answer.Body); err != nil || len(body) != 0 || answer.Header.Get("Content-Length") != "0" {
				s.Errorf("got a body of %d bytes, error %v", len(body), err)
			}
			ticket := ticketOf(s.T, to.Query().Get("t"))
			if ticket.Bind != s.meta.records["pub/film.mp4"].Record.Root.Digest || ticket.Kind() != receipt.ClassB || ticket.MaxBytes < 5<<20 {
				s.Errorf("got ticket %+v", ticket)
			}
			if err := ticket.Verify(s.meta.key.Public().(ed25519.PublicKey), "test"); err != nil {
				s.Error(err)
			}
			if left := ticket.ID.NotAfter().Sub(s.now); left < 59*time.Minute || left > time.Hour {
				s.Errorf("the ticket is good for %s, want an hour", left)
			}
		},
		"C2": func(s *scene) {
			to := follow(s.T, s.get(inSingapore, "/pub/site/a/b.html"))
			parts := strings.SplitN(to.Path, "/", 4)
			if to.Host != "e3.test" || parts[1] != "t" || parts[3] != "pub/site/a/b.html" || to.RawQuery != "" {
				s.Fatalf("got %s", to)
			}
			ticket := ticketOf(s.T, parts[2])
			if left := ticket.ID.NotAfter().Sub(s.now); left < 11*time.Hour {
				s.Errorf("the ticket of a bundle is good for %s, want 12 hours", left)
			}
		},
		"C3": func(s *scene) {
			for _, path := range []string{"/pub/site", "/pub/site/"} {
				if to := follow(s.T, s.get(inSingapore, path)); !strings.HasSuffix(to.Path, "/pub/site/") {
					s.Errorf("%s: got %s", path, to)
				}
			}
		},
		"C4": func(s *scene) {
			answer := ask(s, s.router, inFrankfurt, http.MethodHead, "/pub/film.mp4")
			if to := follow(s.T, answer); to.Host != "e1.test" {
				s.Errorf("got %s", to)
			}
			if gone := ask(s, s.router, inFrankfurt, http.MethodHead, "/pub/gone"); gone.StatusCode != http.StatusGone {
				s.Errorf("got %d of a deleted name", gone.StatusCode)
			}
		},
		"C5": func(s *scene) {
			if to := follow(s.T, s.get(inFrankfurt, "/pub/film.mp4", overTLS)); to.Scheme != "https" {
				s.Errorf("over https: got %s", to)
			}
			s.router.config.Development = false
			s.change(func(n *meta.Network) { n.Development = false; n.Edges[0].TLSURL = "" })
			if to := follow(s.T, s.get(inFrankfurt, "/pub/film.mp4")); to.Scheme != "https" || to.Host == "e1.test" {
				s.Errorf("outside a development network: got %s", to)
			}
		},
		"C6": func(s *scene) {
			s.meta.add("pub/ä b?c#d.mp4", meta.Object, 1, 1)
			to := follow(s.T, s.get(inFrankfurt, "/pub/"+url.PathEscape("ä b?c#d.mp4")))
			if to.Path != "/pub/ä b?c#d.mp4" || to.Query().Get("t") == "" || to.Fragment != "" {
				s.Errorf("got %s", to)
			}
		},
		"C7": func(s *scene) {
			to := follow(s.T, s.get(inFrankfurt, "/pub/film.mp4?CMCD="+url.QueryEscape(`br=1,sid="x&y"`)+"&format=car&utm_source=z&t=forged"))
			q := to.Query()
			if q.Get("CMCD") != `br=1,sid="x&y"` || q.Get("format") != "car" || len(q) != 3 || q.Get("t") == "forged" {
				s.Errorf("got %v", q)
			}
			long := follow(s.T, s.get(inFrankfurt, "/pub/film.mp4?CMCD="+strings.Repeat("x", 3000)))
			if long.Query().Has("CMCD") {
				s.Error("3,000 bytes of CMCD were passed on")
			}
		},
		"C8": func(s *scene) {
			first := follow(s.T, s.get(inFrankfurt, "/pub/film.mp4"))
			s.now = s.now.Add(59 * time.Second)
			second := follow(s.T, s.get("198.51.100.200", "/pub/film.mp4"))
			if first.String() != second.String() {
				s.Errorf("got %s, then %s", first, second)
			}
			s.change(func(n *meta.Network) { n.Edges[0].State = meta.Suspect })
			third := follow(s.T, s.get(inFrankfurt, "/pub/film.mp4"))
			if third.Query().Get("t") != first.Query().Get("t") || third.Host == first.Host {
				s.Errorf("its edge is suspect: got %s after %s", third, first)
			}
			a, b := s.get("2001:db8:0:1::1", "/pub/film.mp4"), s.get("2001:db8:0:ff::2", "/pub/film.mp4")
			if x, y := follow(s.T, a), follow(s.T, b); x.String() != y.String() {
				s.Error("two tickets for one /56")
			}
		},
		"C9": func(s *scene) {
			ticket := func(from string) string { return follow(s.T, s.get(from, "/pub/film.mp4")).Query().Get("t") }
			first := ticket(inFrankfurt)
			if ticket("198.51.101.7") == first || ticket("2001:db8:0:100::1") == ticket("2001:db8:0:200::1") {
				s.Error("two networks share a ticket")
			}
			s.now = s.now.Add(61 * time.Second)
			if ticket(inFrankfurt) == first {
				s.Error("the ticket is used after a minute")
			}
		},
		"C10": func(s *scene) {
			first := follow(s.T, s.get(inFrankfurt, "/pub/film.mp4"))
			s.now = s.now.Add(time.Second)
			answer := s.get(inFrankfurt, "/pub/film.mp4?r=1")
			second := follow(s.T, answer)
			if second.Host == first.Host || second.Query().Get("t") == first.Query().Get("t") || second.Query().Get("r") != "1" {
				s.Errorf("got %s after %s", second, first)
			}
			if got := answer.Header.Get("Cache-Control"); got != "no-store" {
				s.Errorf("got Cache-Control %q, want no-store", got)
			}
			s.now = s.now.Add(6 * time.Second)
			if third := follow(s.T, s.get(inFrankfurt, "/pub/film.mp4?r=1")); third.Host != first.Host {
				s.Errorf("a later visit: got %s, want the best edge again", third)
			}
			if to := follow(s.T, s.get(inSingapore, "/pub/film.mp4?r=1")); to.Host != "e3.test" {
				s.Errorf("nobody was sent anywhere: got %s, want the best edge", to)
			}
		},
		"C11": func(s *scene) {
			s.change(func(n *meta.Network) { n.Edges = n.Edges[:1] })
			follow(s.T, s.get(inFrankfurt, "/pub/film.mp4"))
			s.problem(s.get(inFrankfurt, "/pub/film.mp4?r=1"), http.StatusServiceUnavailable, "no-edge")
		},
		"C12": func(s *scene) {
			for range 2 {
				s.problem(s.get(inFrankfurt, "/pub/nothing"), http.StatusNotFound, "not-found")
			}
			if got := s.meta.resolves.Load(); got != 1 {
				s.Errorf("asked %d times about a name that is not there, want once a second", got)
			}
			s.meta.add("pub/nothing", meta.Object, 1, 1)
			s.now = s.now.Add(time.Second)
			follow(s.T, s.get(inFrankfurt, "/pub/nothing"))
		},
		"C13": func(s *scene) { s.problem(s.get(inFrankfurt, "/pub/gone"), http.StatusGone, "deleted") },
		"C14": func(s *scene) {
			s.problem(s.get(inFrankfurt, "/pub/banned"), http.StatusUnavailableForLegalReasons, "banned")
		},
		"C15": func(s *scene) {
			s.problem(s.get(inFrankfurt, "/pub/film.mp4/x"), http.StatusNotFound, "not-found")
			s.problem(s.get(inFrankfurt, "/pub/film.mp4/"), http.StatusNotFound, "not-found")
		},
		"C16": func(s *scene) {
			for _, path := range []string{"/", "/pub", "/pub/", "/ab/x", "/Pub/x", "/www/x", "/ipfs/x", "/favicon.ico", "/-ab/x", "/v1"} {
				s.problem(s.get(inFrankfurt, path), http.StatusNotFound, "not-found")
			}
		},
		"C17": func(s *scene) {
			for _, path := range []string{
				"/pub//x", "/pub/./x", "/pub/../x", "/pub/x/..", "/pub/x//", "/pub/a%2Fb", "/pub/a%2fb", "/pub/%00", "/pub/a%0Ab", "/pub/%7f",
				"/pub/%ff", "/pub/" + strings.Repeat("x", 256), "/pub/" + strings.Repeat("x/", 10_000) + "x", "/v1/route/pub/../x", "/v1//route/pub/x",
			} {
				s.problem(s.get(inFrankfurt, path), http.StatusBadRequest, "bad-path")
			}
			if s.meta.resolves.Load() != 0 {
				s.Error("the meta node was asked about a bad path")
			}
		},
		"C18": func(s *scene) {
			s.meta.add("pub/\u00e9.mp4", meta.Object, 1, 1)
			if to := follow(s.T, s.get(inFrankfurt, "/pub/e%CC%81.mp4")); to.Path != "/pub/\u00e9.mp4" {
				s.Errorf("got %s", to)
			}
		},
		"C19": func(s *scene) {
			s.change(func(n *meta.Network) {
				for i := range n.Edges {
					n.Edges[i].State = meta.Down
				}
			})
			s.problem(s.get(inFrankfurt, "/pub/film.mp4"), http.StatusServiceUnavailable, "no-edge")
		},
		"C20": func(s *scene) {
			first := follow(s.T, s.get(inFrankfurt, "/pub/film.mp4"))
			s.meta.fail(errors.New("connection refused"))
			if again := follow(s.T, s.get(inFrankfurt, "/pub/film.mp4")); again.String() != first.String() {
				s.Errorf("got %s after %s", again, first)
			}
			s.problem(s.get(inSingapore, "/pub/site/x"), http.StatusServiceUnavailable, "meta-away")
			s.meta.fail(nil)
			follow(s.T, s.get(inSingapore, "/pub/site/x"))
		},
		"C21": func(s *scene) {
			s.router = New(Config{Meta: s.meta, Logger: slog.New(slog.DiscardHandler)})
			s.problem(s.get(inFrankfurt, "/pub/film.mp4"), http.StatusServiceUnavailable, "not-ready")
		},
		"C22": func(s *scene) {
			for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "TRACE", "G", "get"} {
				answer := ask(s, s.router, inFrankfurt, http.MethodGet, "/pub/film.mp4", func(r *http.Request) { r.Method = method })
				s.problem(answer, http.StatusMethodNotAllowed, "method")
				if got := answer.Header.Get("Allow"); got != "GET, HEAD, OPTIONS" {
					s.Errorf("%s: got Allow %q", method, got)
				}
			}
		},
		"S1": func(s *scene) {
			key := s.viewer()
			answer := decode[Session](s, s.session("/pub/film.mp4", "ed25519", key))
			ticket := ticketOf(s.T, answer.Ticket)
			if ticket.Kind() != receipt.ClassA || ticket.ViewerAlg != receipt.Ed25519 || !slices.Equal(ticket.ViewerKey[:32], key) {
				s.Errorf("got ticket %+v", ticket)
			}
			if answer.Class != "A" || answer.TicketID != ticket.ID.String() || !answer.Expires.Equal(ticket.ID.NotAfter()) || answer.Kind != "object" {
				s.Errorf("got %+v", answer)
			}
			if root, err := sds.Parse(answer.Root); err != nil || root.Digest != ticket.Bind {
				s.Errorf("got root %s, error %v", answer.Root, err)
			}
			if want := uint64(5<<20) / 4 * 5; ticket.MaxBytes != want {
				s.Errorf("got a first instalment of %d bytes, want %d", ticket.MaxBytes, want)
			}
			for i, edge := range answer.Edges {
				if want := fmt.Sprintf("http://e%d.test/pub/film.mp4?t=%s", edge.ID, answer.Ticket); edge.URL != want || uint32(edge.ID) != ticket.Edges[i] {
					s.Errorf("got edge %+v, want %s", edge, want)
				}
			}
			if len(answer.Edges) != 4 {
				s.Errorf("got %d edges, want 4", len(answer.Edges))
			}
			other := decode[Session](s, s.session("/pub/film.mp4", "ed25519", s.viewer()))
			if other.Ticket == answer.Ticket {
				s.Error("two viewers share a class A ticket")
			}
		},
		"S2": func(s *scene) {
			for src, want := range map[string]string{
				"/pub/film.mp4": "/pub/film.mp4", "pub/film.mp4": "/pub/film.mp4", "https://router.test/pub/film.mp4": "/pub/film.mp4",
				"https://router.test/pub/site/a%20b/main.html?x=1#y": "/pub/site/a%20b/main.html",
			} {
				answer := decode[Session](s, s.session(src, "ed25519", s.viewer()))
				if to, err := url.Parse(answer.Edges[0].URL); err != nil || !strings.HasSuffix(to.EscapedPath(), want) {
					s.Errorf("%s: got %s, error %v", src, answer.Edges[0].URL, err)
				}
			}
		},
		"S3": func(s *scene) {
			private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				s.Fatal(err)
			}
			point := elliptic.MarshalCompressed(elliptic.P256(), private.X, private.Y)
			answer := decode[Session](s, s.session("/pub/film.mp4", "p256", point))
			if ticket := ticketOf(s.T, answer.Ticket); ticket.ViewerAlg != receipt.P256 || !slices.Equal(ticket.ViewerKey[:], point) {
				s.Errorf("got ticket %+v", ticket)
			}
			off := slices.Clone(point)
			for x, _ := elliptic.UnmarshalCompressed(elliptic.P256(), off); x != nil; x, _ = elliptic.UnmarshalCompressed(elliptic.P256(), off) {
				off[32]++
			}
			for _, test := range []struct {
				algorithm string
				key       []byte
			}{{"ed25519", point}, {"ed25519", nil}, {"p256", s.viewer()}, {"p256", off}, {"rsa", s.viewer()}, {"", nil}, {"ed25519", make([]byte, 32)}} {
				s.problem(s.session("/pub/film.mp4", test.algorithm, test.key), http.StatusBadRequest, "bad-viewer-key")
			}
			s.problem(s.get(inFrankfurt, "/v1/sessions", post(`{"src":"/pub/film.mp4","viewer_alg":"ed25519","viewer_key":"???"}`)), http.StatusBadRequest, "bad-viewer-key")
		},
		"S4": func(s *scene) {
			body := fmt.Sprintf(`{"src":"/pub/film.mp4","viewer_alg":"ed25519","viewer_key":"%s"}`, base64.URLEncoding.EncodeToString(s.viewer()))
			for _, kind := range []string{"", "text/plain", "application/json", "text/plain;charset=UTF-8"} {
				decode[Session](s, s.get(inFrankfurt, "/v1/sessions", post(body), func(r *http.Request) { r.Header.Set("Content-Type", kind) }))
			}
		},
		"S5": func(s *scene) {
			for _, body := range []string{"", "null x", "[]", "{", `{"src":5}`, `{} {}`, `"x"`} {
				s.problem(s.get(inFrankfurt, "/v1/sessions", post(body)), http.StatusBadRequest, "bad-body")
			}
			s.problem(s.get(inFrankfurt, "/v1/sessions", post(`{"src":"`+strings.Repeat("x", 9000)+`"}`)), http.StatusRequestEntityTooLarge, "too-large")
		},
		"S6": func(s *scene) {
			key := s.viewer()
			s.problem(s.session("/pub/nothing", "ed25519", key), http.StatusNotFound, "not-found")
			s.problem(s.session("/pub/gone", "ed25519", key), http.StatusGone, "deleted")
			s.problem(s.session("/pub/banned", "ed25519", key), http.StatusUnavailableForLegalReasons, "banned")
			s.problem(s.session("/pub/../x", "ed25519", key), http.StatusBadRequest, "bad-path")
			for _, src := range []string{"", "javascript:alert(1)", "http://[", "file:///etc/passwd"} {
				s.problem(s.session(src, "ed25519", key), http.StatusBadRequest, "bad-src")
			}
		},
		"D1": func(s *scene) {
			s.change(func(n *meta.Network) { n.Edges[1].State = meta.Suspect })
			d := decode[Decision](s, s.get(inFrankfurt, "/v1/route/pub/site/a.html"))
			if d.Name != "pub/site" || d.Rest != "a.html" || d.Kind != "bundle" || d.Client.Source != "zones" || d.Client.Region != "eu-central" || d.Client.Address != inFrankfurt {
				s.Errorf("got %+v", d)
			}
			if d.Candidates[0].ExpectedMs <= 0 || d.Candidates[0].Reason == "" || d.Candidates[0].URL == "" || len(d.Sources) != 2 {
				s.Errorf("got %+v", d.Candidates)
			}
			if len(d.Candidates)+len(d.Rejected) != 5 || !strings.Contains(fmt.Sprint(d.Rejected), "suspect") {
				s.Errorf("got %d candidates, rejected %+v", len(d.Candidates), d.Rejected)
			}
			if s.meta.issues.Load() != 0 {
				s.Error("a ticket was issued for an explanation")
			}
			s.problem(s.get(inFrankfurt, "/v1/route/pub/gone"), http.StatusGone, "deleted")
		},
		"D2": func(s *scene) {
			d := decode[Decision](s, s.get(inFrankfurt, "/v1/route/pub/film.mp4?ip="+inSingapore, func(r *http.Request) {
				for _, name := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP", "True-Client-IP"} {
					r.Header.Set(name, inSingapore)
				}
			}))
			if d.Client.Region != "eu-central" || d.Client.Address != inFrankfurt {
				s.Errorf("got %+v", d.Client)
			}
		},
		"D3": func(s *scene) {
			ticket := ticketOf(s.T, follow(s.T, s.get(inFrankfurt, "/pub/film.mp4")).Query().Get("t"))
			d := decode[Decision](s, s.get(inSingapore, "/v1/why/"+ticket.ID.String()))
			if d.Ticket != ticket.ID.String() || d.Name != "pub/film.mp4" || d.Client.Region != "eu-central" || d.Client.Address != "" || d.Client.Network != "" || d.Client.Lat != 50 {
				s.Errorf("got %+v", d)
			}
			for i, c := range d.Candidates {
				if uint32(c.Edge) != ticket.Edges[i] || c.ExpectedMs <= 0 {
					s.Errorf("candidate %d: got %+v, want edge %d", i, c, ticket.Edges[i])
				}
			}
			for i := range whyKept {
				id := receipt.NewTicketID(s.now, 2, [6]byte{byte(i), byte(i >> 8)})
				s.router.memory.why.remember(id, s.now, &request{snapshot: s.router.memory.network.Load()}, answerOf(), new(Choice), nil)
			}
			s.problem(s.get(inFrankfurt, "/v1/why/"+ticket.ID.String()), http.StatusNotFound, "not-found")
			if n := len(s.router.memory.why.at); n != whyKept {
				s.Errorf("%d decisions are kept, want %d", n, whyKept)
			}
		},
		"D4": func(s *scene) {
			s.problem(s.get(inFrankfurt, "/v1/why/00112233445566778899aabbccddeeff"), http.StatusNotFound, "not-found")
			for _, id := range []string{"x", "00112233445566778899AABBCCDDEEFF", "00112233445566778899aabbccddeeff00"} {
				s.problem(s.get(inFrankfurt, "/v1/why/"+id), http.StatusBadRequest, "bad-ticket-id")
			}
		},
		"H1": func(s *scene) {
			s.router = New(Config{Meta: s.meta})
			if got := s.get(inFrankfurt, "/healthz").StatusCode; got != http.StatusOK {
				s.Errorf("got %d", got)
			}
		},
		"H2": func(s *scene) {
			ready := decode[map[string]any](s, s.get(inFrankfurt, "/readyz"))
			if ready["network_version"] != 1.0 || ready["snapshot_age_seconds"] != 0.0 {
				s.Errorf("got %v", ready)
			}
			s.now = s.now.Add(time.Hour)
			ready = decode[map[string]any](s, s.get(inFrankfurt, "/readyz"))
			if ready["snapshot_age_seconds"] != 3600.0 {
				s.Errorf("an hour later: got %v", ready)
			}
			s.router = New(Config{Meta: s.meta, Logger: slog.New(slog.DiscardHandler)})
			s.problem(s.get(inFrankfurt, "/readyz"), http.StatusServiceUnavailable, "not-ready")
		},
		"H3": func(s *scene) {
			for _, path := range []string{"/v1/", "/v1/nothing", "/v1/sessions/x", "/v1/why/a/b", "/v1/routes"} {
				s.problem(s.get(inFrankfurt, path), http.StatusNotFound, "not-found")
			}
		},
		"O1": func(s *scene) {
			for path, want := range map[string]string{
				"/pub/film.mp4": "GET, HEAD, OPTIONS", "/v1/sessions": "POST, OPTIONS", "/v1/route/pub/x": "GET, HEAD, OPTIONS", "/": "GET, HEAD, OPTIONS",
			} {
				answer := ask(s, s.router, inFrankfurt, http.MethodOptions, path)
				if answer.StatusCode != http.StatusNoContent || answer.Header.Get("Access-Control-Allow-Methods") != want || answer.Header.Get("Access-Control-Max-Age") == "" {
					s.Errorf("%s: got %d %v", path, answer.StatusCode, answer.Header)
				}
			}
		},
		"O2": func(s *scene) {
			for _, path := range []string{"/pub/film.mp4", "/pub/gone", "/pub//", "/v1/route/pub/film.mp4", "/v1/sessions", "/v1/x", "/healthz", "/readyz", "/"} {
				for _, method := range []string{http.MethodGet, http.MethodOptions, http.MethodPost} {
					h := ask(s, s.router, inFrankfurt, method, path).Header
					if h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Timing-Allow-Origin") != "*" || h.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
						s.Errorf("%s %s: got %v", method, path, h)
					}
				}
			}
		},
	}
}

func TestTheRouterKeepsItsContract(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/http-api/router.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([A-Z]\d+) \|`).FindAllStringSubmatch(string(text), -1) {
		if rows[row[1]] {
			t.Errorf("row %s stands in the document twice", row[1])
		}
		rows[row[1]] = true
	}
	tests := contract()
	maps.Copy(tests, videoContract())
	for row := range rows {
		if tests[row] == nil {
			t.Errorf("row %s has no test", row)
		}
	}
	for row, test := range tests {
		if !rows[row] {
			t.Errorf("test %s has no row", row)
		}
		t.Run(row, func(t *testing.T) { test(newScene(t)) })
	}
}

func TestErrorsOfTheMetaNodeHaveAStatus(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err    error
		status int
	}{
		"a root banned since it was resolved":   {fmt.Errorf("issue: %w", meta.ErrBanned), http.StatusUnavailableForLegalReasons},
		"a path that the meta node refuses":     {meta.ErrInvalid, http.StatusBadRequest},
		"a router that was not admitted":        {meta.ErrForbidden, http.StatusBadGateway},
		"no edge that the meta node would sign": {meta.ErrNoEdges, http.StatusServiceUnavailable},
		"a conflict, which no question causes":  {meta.ErrConflict, http.StatusServiceUnavailable},
		"a client that went away":               {context.Canceled, httperr.StatusClientClosed},
		"a problem that says itself":            {errBusy, http.StatusServiceUnavailable},
	} {
		if got := httperr.From(problem(test.err)).HTTPStatus(); got != test.status {
			t.Errorf("%s: got status %d, want %d", name, got, test.status)
		}
	}
}
