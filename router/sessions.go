package router

import (
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/receipt"
)

// maxSessionBody bounds the body of POST /v1/sessions.
const maxSessionBody = 8 << 10

// SessionRequest is the body of POST /v1/sessions.
type SessionRequest struct {
	// Src is what is to be played: a canonical URL of this router, or its path.
	Src string `json:"src"`
	// ViewerAlg is "ed25519" or "p256", ViewerKey the public key in base64url:
	// 32 bytes, or a compressed point of 33.
	ViewerAlg string `json:"viewer_alg"`
	ViewerKey string `json:"viewer_key"`
}

// Session is the answer to POST /v1/sessions.
type Session struct {
	Ticket   string        `json:"ticket"`
	TicketID string        `json:"ticket_id"`
	Class    string        `json:"class"`
	Root     string        `json:"root"`
	Kind     string        `json:"kind"`
	Edges    []SessionEdge `json:"edges"`
	Expires  time.Time     `json:"expires"`
	// Of a bundle with a multivariant playlist: the playlist, with whole URLs on
	// the first two edges; the digest over all of its media playlists, unless
	// some have none; where to ask which edge to use; and what lies beside it.
	Multivariant string `json:"multivariant,omitempty"`
	Integrity    string `json:"integrity,omitempty"`
	Steering     string `json:"steering,omitempty"`
	Poster       string `json:"poster,omitempty"`
	Thumbnails   string `json:"thumbnails,omitempty"`
	// Growing is there while the bundle is still being made.
	Growing *SessionGrowing `json:"growing,omitempty"`
}

// SessionGrowing is how to check the playlists of a bundle that is still being
// made: each is signed, under this name, with this key, in base64url.
type SessionGrowing struct {
	Name     meta.Name `json:"name"`
	Key      string    `json:"key"`
	Sequence uint64    `json:"sequence"`
}

// SessionEdge is an edge of the session, in the order in which to try them, and
// the whole URL of what was asked for on it.
type SessionEdge struct {
	ID  meta.EdgeID `json:"id"`
	URL string      `json:"url"`
}

// open answers POST /v1/sessions: a class A ticket, bound to the viewer's key.
// The body is JSON whatever its Content-Type says, since a page may send
// text/plain across origins without a preflight.
func (r *Router) open(w http.ResponseWriter, req *http.Request) error {
	body, err := readSession(w, req)
	if err != nil {
		return err
	}
	path, err := sessionPath(body.Src)
	if err != nil {
		return err
	}
	draft := meta.TicketRequest{Class: receipt.ClassA}
	if draft.ViewerAlg, draft.ViewerKey, err = viewerKey(body.ViewerAlg, body.ViewerKey); err != nil {
		return err
	}
	q, err := r.understand(req.Context(), r.config.Client(req), path)
	if err != nil {
		return err
	}
	q.bits, q.before = r.memory.demand.add(q.unit(), q.found.Record.Size)
	draft.MaxBytes = firstInstalment(q.found.Record)
	issued, err := r.ticket(req.Context(), q, draft)
	if err != nil {
		return err
	}
	answer := Session{
		Ticket: issued.Text, TicketID: issued.Ticket.ID.String(), Class: "A", Kind: "object",
		Edges: []SessionEdge{}, Expires: issued.Ticket.ID.NotAfter().UTC(),
	}
	if q.found.Record.Kind == meta.Bundle {
		answer.Kind = "bundle"
	}
	for _, id := range issued.Ticket.Edges {
		if edge, ok := q.snapshot.table.Edge(meta.EdgeID(id)); ok {
			url := edgeURL(q.snapshot.table.base(edge, r.config.Secure(req)), q, issued.Text, false, nil)
			answer.Edges = append(answer.Edges, SessionEdge{ID: edge.ID, URL: url})
		}
	}
	if err := r.video(req.Context(), req, q, &issued, &answer); err != nil {
		return err
	}
	answer.Root = q.found.Record.Root.String() // a newer state's, if it has grown meanwhile
	return writeJSON(w, answer)
}

func keyText(key []byte) string { return base64.RawURLEncoding.EncodeToString(key) }

func readSession(w http.ResponseWriter, req *http.Request) (*SessionRequest, error) {
	decoder := json.NewDecoder(http.MaxBytesReader(w, req.Body, maxSessionBody))
	body := new(SessionRequest)
	var tooLarge *http.MaxBytesError
	switch err := decoder.Decode(body); {
	case errors.As(err, &tooLarge):
		return nil, err
	case err != nil:
		return nil, httperr.Wrap(err, http.StatusBadRequest, "bad-body", "the body is not the JSON object that this call takes")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, httperr.New(http.StatusBadRequest, "bad-body", "something follows the JSON object")
	}
	return body, nil
}

// sessionPath takes the path out of a src. The host of a URL is not looked at:
// a router answers for all names of the network.
func sessionPath(src string) (string, error) {
	u, err := url.Parse(src)
	if err != nil || src == "" {
		return "", httperr.New(http.StatusBadRequest, "bad-src", "src must be a canonical URL or its path")
	}
	if u.IsAbs() && u.Scheme != "http" && u.Scheme != "https" {
		return "", httperr.New(http.StatusBadRequest, "bad-src", "src must be an http or https URL, or a path")
	}
	return cleanPath(strings.TrimPrefix(u.EscapedPath(), "/"), strings.TrimPrefix(u.Path, "/"))
}

func viewerKey(algorithm, text string) (receipt.ViewerAlg, [33]byte, error) {
	var key [33]byte
	bad := func(why string) (receipt.ViewerAlg, [33]byte, error) {
		return 0, [33]byte{}, httperr.New(http.StatusBadRequest, "bad-viewer-key", why)
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return bad("viewer_key is not base64url")
	}
	switch algorithm {
	case "ed25519":
		if len(raw) != 32 {
			return bad("an Ed25519 key has 32 bytes")
		}
		copy(key[:], raw)
		if key == [33]byte{} {
			return bad("an Ed25519 key of zeros belongs to nobody")
		}
		return receipt.Ed25519, key, nil
	case "p256":
		if len(raw) != 33 {
			return bad("a P-256 key is a compressed point of 33 bytes")
		}
		if x, _ := elliptic.UnmarshalCompressed(elliptic.P256(), raw); x == nil {
			return bad("viewer_key is no point of P-256")
		}
		copy(key[:], raw)
		return receipt.P256, key, nil
	}
	return bad(`viewer_alg is "ed25519" or "p256"`)
}

// firstInstalment of a session that signs receipts: more follows as they come.
func firstInstalment(record meta.Record) uint64 {
	return uint64(min(max(record.Size/4*5, 1<<16), 64<<20))
}
