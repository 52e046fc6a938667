package httperr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stratos-mesh/stratos/sds"
)

type refusal struct{}

func (refusal) Error() string   { return "unknown key" }
func (refusal) HTTPStatus() int { return http.StatusUnauthorized }

func TestWrite(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err    error
		status int
		kind   string
		detail string
	}{
		"a problem":               {New(429, "receipt-due", "sign first"), 429, "urn:stratos:problem:receipt-due", "sign first"},
		"a wrapped problem":       {fmt.Errorf("edge: %w", New(410, "deleted", "")), 410, "urn:stratos:problem:deleted", ""},
		"a problem of status 200": {New(200, "x", ""), 500, "urn:stratos:problem:x", ""},
		"a block nobody has":      {fmt.Errorf("get: %w", sds.ErrNotFound), 404, "urn:stratos:problem:not-found", ""},
		"a block too large":       {sds.ErrTooLarge, 413, "urn:stratos:problem:too-large", ""},
		"a malformed path":        {sds.ErrMalformed, 400, "urn:stratos:problem:malformed", ""},
		"bytes of another name":   {sds.ErrCorrupt, 422, "urn:stratos:problem:digest-mismatch", "the bytes do not hash to the name they were sent under"},
		"a full disk":             {sds.ErrFull, 507, "urn:stratos:problem:full", ""},
		"a body over its limit":   {&http.MaxBytesError{Limit: 7}, 413, "urn:stratos:problem:too-large", "the limit is 7 bytes"},
		"an error with a status":  {fmt.Errorf("peer 10.0.0.1: %w", refusal{}), 401, "about:blank", "unknown key"},
		"a client that left":      {context.Canceled, 499, "about:blank", ""},
		"a call that took long":   {context.DeadlineExceeded, 504, "urn:stratos:problem:timeout", ""},
		"anything else":           {errors.New("open /secret: no such file"), 500, "about:blank", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			w.Header().Set("ETag", `"x"`)
			w.Header().Set("Cache-Control", "immutable")
			w.Header().Set("Access-Control-Allow-Origin", "*")
			p := Write(w, httptest.NewRequest("GET", "/a%20b", nil), test.err)
			if own := new(Problem); !errors.Is(p, test.err) && !errors.As(test.err, &own) {
				t.Errorf("Write = %v, lost its cause %v", p, test.err)
			}
			var got body
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			want := body{
				Type: test.kind, Title: http.StatusText(test.status), Status: test.status, Detail: test.detail,
				Instance: "/a%20b", RequestID: w.Header().Get(RequestID),
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if w.Code != test.status || len(got.RequestID) != 16 {
				t.Errorf("status %d, request id %q", w.Code, got.RequestID)
			}
			header := w.Header()
			if header.Get("ETag") != "" || header.Get("Cache-Control") != "no-store" ||
				header.Get("Access-Control-Allow-Origin") != "*" || header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("header %v", header)
			}
			if strings.Contains(w.Body.String(), "secret") || strings.Contains(w.Body.String(), "10.0.0.1") {
				t.Errorf("tells a stranger %s", w.Body)
			}
		})
	}
}

func TestWriteKeepsHarmlessRequestIDs(t *testing.T) {
	t.Parallel()
	for sent, kept := range map[string]bool{
		"abc-DEF_123": true, "short": false, strings.Repeat("a", 65): false, "with space in": false, "<script>": false, "": false,
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
		r.Header.Set(RequestID, sent)
		Write(w, r, New(400, "", ""))
		if got := w.Header().Get(RequestID); (got == sent) != kept || got == "" {
			t.Errorf("request id %q became %q; kept should be %v", sent, got, kept)
		}
	}
}

func TestWriteTellsHintAndRetry(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	Write(w, httptest.NewRequest("GET", "/", nil), New(503, "no-edges", "").WithHint("run %s", "doctor").WithRetry(1500*time.Millisecond))
	if w.Header().Get("Retry-After") != "2" || !strings.Contains(w.Body.String(), `"hint":"run doctor"`) {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
}

func TestWriteToHeadHasNoBody(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	Write(w, httptest.NewRequest("HEAD", "/", nil), New(404, "", ""))
	if w.Body.Len() != 0 || w.Header().Get("Content-Length") == "" {
		t.Errorf("%v, body %q", w.Header(), w.Body)
	}
}
