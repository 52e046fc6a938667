package work

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/internal/httperr"
)

// Base is where the protocol lives at an origin.
const Base = "/v1/work/"

// Handler serves a Queue. Who may use it is decided before.
type Handler struct {
	Queue Queue
	// Local workers share this machine's disk: they read the source by its path.
	Local bool
	// Idle ends a request whose body does not move; 60 s.
	Idle time.Duration
}

// ServeHTTP implements http.Handler; it writes errors too.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h.Serve(w, r); err != nil {
		httperr.Write(w, r, err)
	}
}

// Serve answers a request and leaves writing its error to the caller.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request) error {
	rest := strings.TrimPrefix(r.URL.Path, Base)
	if rest == "lease" {
		if r.Method != http.MethodPost {
			return notAllowed(w, "POST")
		}
		return h.lease(w, r)
	}
	lease, what, _ := strings.Cut(rest, "/")
	what, path, _ := strings.Cut(what, "/")
	var serve func(http.ResponseWriter, *http.Request, string) error
	method := http.MethodPost
	switch {
	case what == "renew":
		serve = h.renew
	case what == "complete":
		serve = h.complete
	case what == "fail":
		serve = h.fail
	case what == "source":
		method, serve = http.MethodGet, h.source
	case what == "files" && path != "":
		method, serve = http.MethodPut, func(w http.ResponseWriter, r *http.Request, lease string) error { return h.put(w, r, lease, path) }
	default:
		return httperr.New(http.StatusNotFound, "not-found", "a task has renew, source, files/, complete and fail")
	}
	if r.Method != method {
		return notAllowed(w, method)
	}
	return problem(serve(w, r, lease))
}

func notAllowed(w http.ResponseWriter, allow string) error {
	w.Header().Set("Allow", allow)
	return httperr.New(http.StatusMethodNotAllowed, "method-not-allowed", "this resource takes "+allow)
}

// problem gives the errors of a Queue their answers.
func problem(err error) error {
	for _, m := range []struct {
		err    error
		status int
		kind   string
	}{
		{ErrLost, http.StatusGone, "lease-lost"},
		{ErrFile, http.StatusUnprocessableEntity, "file"},
		{ErrRoom, http.StatusInsufficientStorage, "no-room"},
	} {
		if errors.Is(err, m.err) {
			return httperr.Wrap(err, m.status, m.kind, err.Error())
		}
	}
	return err
}

func (h *Handler) lease(w http.ResponseWriter, r *http.Request) error {
	var ask Ask
	if err := read(r, &ask); err != nil {
		return err
	}
	if len(ask.Kinds) == 0 || len(ask.Worker) > 200 {
		return httperr.New(http.StatusBadRequest, "json", `send {"worker": "a name", "kinds": ["video", "sound"]}`)
	}
	ask.Wait = max(0, min(ask.Wait, MaxWait.Seconds()))
	ask.Local = h.Local
	task, err := h.Queue.Lease(r.Context(), ask)
	if errors.Is(err, ErrNone) {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if err != nil {
		return problem(err)
	}
	task.Source.URL = Base + task.ID + "/source"
	return write(w, task)
}

func (h *Handler) renew(w http.ResponseWriter, r *http.Request, lease string) error {
	var p Progress
	if err := read(r, &p); err != nil {
		return err
	}
	until, err := h.Queue.Renew(r.Context(), lease, p)
	if err != nil {
		return err
	}
	return write(w, map[string]time.Time{"until": until})
}

func (h *Handler) complete(w http.ResponseWriter, r *http.Request, lease string) error {
	var done Done
	if err := read(r, &done); err != nil {
		return err
	}
	if err := h.Queue.Complete(r.Context(), lease, done); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *Handler) fail(w http.ResponseWriter, r *http.Request, lease string) error {
	var f Failure
	if err := read(r, &f); err != nil {
		return err
	}
	if err := h.Queue.Fail(r.Context(), lease, f); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *Handler) source(w http.ResponseWriter, r *http.Request, lease string) error {
	f, err := h.Queue.Source(r.Context(), lease)
	if err != nil {
		return err
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	// A source takes as long as it takes; the worker says every few seconds that
	// it is alive, on another request.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	http.ServeContent(w, r, "", time.Time{}, f)
	return nil
}

func (h *Handler) put(w http.ResponseWriter, r *http.Request, lease, path string) error {
	sum, err := announced(r.Header)
	if err != nil {
		return err
	}
	if r.ContentLength < 0 || r.ContentLength > MaxFile {
		return httperr.New(http.StatusRequestEntityTooLarge, "too-large", "a file has a Content-Length of at most "+strconv.Itoa(MaxFile))
	}
	file := File{Path: path, Size: r.ContentLength, SHA256: sum}
	if err := h.Queue.Put(r.Context(), lease, file, h.receive(w, r, file)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// announced is the SHA-256 that a request says its body has (RFC 9530), in
// hexadecimal.
func announced(h http.Header) (string, error) {
	text, ok := strings.CutPrefix(h.Get("Content-Digest"), "sha-256=:")
	text, ok2 := strings.CutSuffix(text, ":")
	sum, err := base64.StdEncoding.DecodeString(text)
	if !ok || !ok2 || err != nil || len(sum) != 32 {
		return "", httperr.New(http.StatusBadRequest, "bad-digest", "a file needs Content-Digest: sha-256=:base64:")
	}
	return hex.EncodeToString(sum), nil
}

func read(r *http.Request, v any) error {
	b, err := io.ReadAll(io.LimitReader(r.Body, maxMessage+1))
	if err != nil || len(b) > maxMessage {
		return httperr.New(http.StatusBadRequest, "json", "the message is too long or broke off")
	}
	if err := json.Unmarshal(b, v); err != nil {
		return httperr.New(http.StatusBadRequest, "json", "the message is not the JSON that this request takes; docs/http-api/origin.md says which")
	}
	return nil
}

func write(w http.ResponseWriter, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n'))
	return nil
}
