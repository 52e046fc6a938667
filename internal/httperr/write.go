package httperr

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// RequestID is the field in which an answer names its request; the same id is
// in the log.
const RequestID = "X-Request-Id"

// body is RFC 9457 with members of ours. Hint and request id are extensions.
type body struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail,omitempty"`
	Instance  string `json:"instance,omitempty"`
	RequestID string `json:"request_id"`
	Hint      string `json:"hint,omitempty"`
}

// Write answers with the problem that err maps to and returns it, for the log.
// Nothing must have been written before. Fields of the answer that describe a
// body that is not sent are taken away; what a caller set besides them, such as
// CORS fields, stays.
func Write(w http.ResponseWriter, r *http.Request, err error) *Problem {
	p := From(err)
	header := w.Header()
	for _, name := range []string{
		"Content-Length", "Content-Encoding", "Content-Range", "Content-Disposition", "ETag", "Last-Modified",
		"Expires", "Accept-Ranges", "Repr-Digest", "No-Vary-Search",
	} {
		header.Del(name)
	}
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if p.RetryAfter > 0 {
		seconds := (p.RetryAfter + time.Second - 1) / time.Second
		header.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	status := p.HTTPStatus()
	answer := body{
		Type:      "about:blank",
		Title:     p.Title,
		Status:    status,
		Detail:    p.Detail,
		Instance:  r.URL.EscapedPath(),
		RequestID: requestID(header, r),
		Hint:      p.Hint,
	}
	if p.Type != "" {
		answer.Type = "urn:stratos:problem:" + p.Type
	}
	if answer.Title == "" {
		answer.Title = http.StatusText(status)
	}
	text, marshalErr := json.Marshal(answer)
	if marshalErr != nil { // strings and a number always marshal
		panic(marshalErr)
	}
	header.Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(append(text, '\n')) // nobody is left to tell
	}
	return p
}

// requestID is the one that the answer or the request has already, if it is
// harmless, else a new one.
func requestID(header http.Header, r *http.Request) string {
	for _, id := range []string{header.Get(RequestID), r.Header.Get(RequestID)} {
		if plain(id) {
			header.Set(RequestID, id)
			return id
		}
	}
	id := rand.Text()[:16]
	header.Set(RequestID, id)
	return id
}

func plain(id string) bool {
	if len(id) < 8 || len(id) > 64 {
		return false
	}
	for _, c := range id {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
