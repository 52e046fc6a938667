package caddyorigin

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func TestTheUploadPageIsServedUnderAStrictPolicy(t *testing.T) {
	t.Parallel()
	for path, kind := range map[string]string{"/upload": "text/html", "/upload/upload.js": "text/javascript", "/upload/upload.css": "text/css"} {
		w := httptest.NewRecorder()
		if !serveUploadPage(w, httptest.NewRequest(http.MethodGet, path, nil)) || w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		again := httptest.NewRequest(http.MethodGet, path, nil)
		again.Header.Set("If-None-Match", w.Header().Get("ETag"))
		w = httptest.NewRecorder()
		if serveUploadPage(w, again); w.Code != http.StatusNotModified {
			t.Errorf("%s again: %d", path, w.Code)
		}
	}
	w := httptest.NewRecorder()
	serveUploadPage(w, httptest.NewRequest(http.MethodGet, "/upload", nil))
	policy := w.Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy lacks %s: %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("the policy allows what it should not: %s", policy)
	}
	// The policy would break what these are for.
	if found := regexp.MustCompile(`(?i)<script>| style=| on[a-z]+=|<style`).FindString(w.Body.String()); found != "" {
		t.Errorf("the page has %q inline", found)
	}
}

func TestTheUploadPageIsNothingElse(t *testing.T) {
	t.Parallel()
	for _, r := range []*http.Request{
		httptest.NewRequest(http.MethodPost, "/upload", nil),
		httptest.NewRequest(http.MethodGet, "/upload/", nil),
		httptest.NewRequest(http.MethodGet, "/upload/index.html", nil),
		httptest.NewRequest(http.MethodGet, "/upload/../upload.go", nil),
		httptest.NewRequest(http.MethodGet, "/v1/uploads", nil),
	} {
		if w := httptest.NewRecorder(); serveUploadPage(w, r) {
			t.Errorf("%s %s is answered: %d", r.Method, r.URL.Path, w.Code)
		}
	}
}

// The key must not get to where it outlives the page.
func TestTheUploadPageKeepsNoKey(t *testing.T) {
	t.Parallel()
	script, err := uploadFiles.ReadFile("upload/upload.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(script), "\n") {
		if strings.Contains(line, "key") && (strings.Contains(line, "Storage") || strings.Contains(line, "cookie") || strings.Contains(line, "innerHTML")) {
			t.Errorf("the key may be kept by: %s", line)
		}
	}
	for _, never := range []string{"innerHTML", "eval(", "document.write", "document.cookie", "sessionStorage"} {
		if strings.Contains(string(script), never) {
			t.Errorf("the script uses %s", never)
		}
	}
}
