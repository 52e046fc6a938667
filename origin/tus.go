package origin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	tusd "github.com/tus/tusd/v2/pkg/handler"
	xslog "golang.org/x/exp/slog"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/origin/apikey"
)

// tusBase is where uploads live.
const tusBase = "/v1/uploads/"

// tusDoor is tusd's handler with what it lacks around it: API keys, checksum,
// expiration, problem+json, and a HEAD that publishes what is complete.
type tusDoor struct {
	uploads *uploads
	handler http.Handler
}

func newTusDoor(u *uploads) (*tusDoor, error) {
	store := &tusStore{u}
	composer := tusd.NewStoreComposer()
	composer.UseCore(store)
	composer.UseTerminater(store)
	composer.UseConcater(store)
	composer.UseLocker(u.locks)
	h, err := tusd.NewHandler(tusd.Config{
		StoreComposer:   composer,
		BasePath:        tusBase,
		DisableDownload: true,
		Cors:            &tusd.CorsConfig{Disable: true}, // route has set ours
		NetworkTimeout:  u.origin.config().IdleTimeout,
		Logger:          xslog.New(xslog.NewTextHandler(io.Discard, nil)), // the server logs accesses, fail logs errors
	})
	if err != nil {
		return nil, err
	}
	return &tusDoor{uploads: u, handler: http.StripPrefix(strings.TrimSuffix(tusBase, "/"), h)}, nil
}

// tusRequest goes with the context through tusd to the store.
type tusRequest struct {
	key      *apikey.Key
	checksum *checksum
	control  *http.ResponseController
	reading  atomic.Bool // the body, in WriteChunk
	// failure is what the store said; tusd's own answer would show only a text.
	failure error
}

type tusRequestKey struct{}

func requestOf(ctx context.Context) *tusRequest {
	if t, ok := ctx.Value(tusRequestKey{}).(*tusRequest); ok {
		return t
	}
	return &tusRequest{} // no request: the store is used by ourselves
}

// serve answers /v1/uploads and below.
func (u *uploads) serve(w http.ResponseWriter, r *http.Request) error {
	method := r.Method
	if override := r.Header.Get("X-HTTP-Method-Override"); method == http.MethodPost && override != "" {
		method = override
	}
	id := strings.Trim(strings.TrimPrefix(r.URL.Path, strings.TrimSuffix(tusBase, "/")), "/")
	if id, ok := strings.CutSuffix(id, "/result"); ok {
		return u.serveResult(w, r, id)
	}
	t := &tusRequest{control: http.NewResponseController(w)}
	switch {
	case method == http.MethodOptions:
		w.Header().Set("Tus-Checksum-Algorithm", "sha1,sha256")
		w.Header().Set("Tus-Max-Size", strconv.FormatInt(u.origin.config().MaxUpload, 10))
	case id == "" && method != http.MethodPost:
		return methodNotAllowed(w, "POST, OPTIONS")
	default:
		leave, err := u.enter(w, r, t, method, id)
		if err != nil {
			return err
		}
		defer leave()
	}
	answer := &tusAnswer{ResponseWriter: w, uploads: u, request: t, id: id}
	u.tus.handler.ServeHTTP(answer, r.WithContext(context.WithValue(r.Context(), tusRequestKey{}, t)))
	return answer.problem(r.Context())
}

// enter checks key, upload and checksum before tusd sees the request.
func (u *uploads) enter(w http.ResponseWriter, r *http.Request, t *tusRequest, method, id string) (leave func(), err error) {
	if t.key, err = u.origin.authorize(w, r, apikey.Write, ""); err != nil {
		return nil, err
	}
	if id != "" {
		s, err := u.find(t.key, id)
		if err != nil {
			return nil, err
		}
		w.Header().Set("Upload-Expires", s.Expires.UTC().Format(http.TimeFormat))
		if s.complete() && !s.Partial && (method == http.MethodHead || method == http.MethodPatch) {
			if err := u.published(r.Context(), s); err != nil {
				return nil, err
			}
			s.Result.announce(w.Header())
		}
	}
	if t.checksum, err = parseChecksum(r.Header.Get("Upload-Checksum")); err != nil {
		return nil, err
	}
	if method != http.MethodPost && method != http.MethodPatch {
		return func() {}, nil
	}
	return u.origin.enter(t.key)
}

// published makes sure that a complete upload is, so that HEAD never says that
// all is well when it is not.
func (u *uploads) published(ctx context.Context, s *upload) error {
	if s.Result != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := u.finish(ctx, s.ID); err != nil {
		return err
	}
	done, err := u.load(s.ID)
	if err != nil {
		return err
	}
	s.Result = done.Result
	return nil
}

// find reads an upload that a key may use: one of its own, or one in a
// namespace of its own.
func (u *uploads) find(key *apikey.Key, id string) (*upload, error) {
	gone := httperr.New(http.StatusNotFound, "no-upload", "there is no such upload; it may have expired")
	if !validID(id) {
		return nil, gone
	}
	s, err := u.load(id)
	if err != nil {
		gone.Err = err
		return nil, gone
	}
	if !u.origin.config().Now().Before(s.Expires) {
		return nil, httperr.New(http.StatusGone, "expired", "this upload has expired")
	}
	namespace := u.namespace(s)
	if key.ID != s.Key && (namespace == "" || !key.May(apikey.Write, namespace)) {
		return nil, gone // who may not use it need not know of it
	}
	return s, nil
}

// serveResult answers GET /v1/uploads/{id}/result: what the upload became.
func (u *uploads) serveResult(w http.ResponseWriter, r *http.Request, id string) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return methodNotAllowed(w, "GET, HEAD")
	}
	key, err := u.origin.authorize(w, r, apikey.Write, "")
	if err != nil {
		return err
	}
	s, err := u.find(key, id)
	if err != nil {
		return err
	}
	if s.Partial || !s.complete() {
		return httperr.New(http.StatusConflict, "incomplete", "this upload is not complete, or a part that another one concatenates")
	}
	if err := u.published(r.Context(), s); err != nil {
		return err
	}
	if s.Result.Root.Defined() {
		w.Header().Set("ETag", etag(s.Result.Root))
	}
	return writeJSON(w, http.StatusOK, s.Result)
}

// statusChecksumMismatch is tus's own.
const statusChecksumMismatch = 460

// tusKind turns tusd's codes into types of problems: ERR_UPLOAD_LOCKED becomes
// upload-locked.
func tusKind(text string) (kind, detail string) {
	code, detail, ok := strings.Cut(strings.TrimSpace(text), ": ")
	if !ok || !strings.HasPrefix(code, "ERR_") {
		return "", ""
	}
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(code, "ERR_")), "_", "-"), detail
}

// asTus keeps an error for the answer and gives tusd its status.
func (t *tusRequest) asTus(err error) error {
	if err == nil {
		return nil
	}
	var own tusd.Error
	if errors.As(err, &own) {
		return own
	}
	t.failure = err
	return tusd.NewError("ERR_STRATOS", "see the answer's body", problem(err).HTTPStatus())
}
