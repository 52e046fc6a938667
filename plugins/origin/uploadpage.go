package caddyorigin

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// The upload page: /upload and its two files. It needs no key itself; what it
// calls does.
//
//go:embed upload
var uploadFiles embed.FS

// uploadCSP lets the page run its own script, speak to this origin alone, and
// be in no frame.
const uploadCSP = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// uploadFile is the file for a path, empty when it is none of the page's.
func uploadFile(path string) (name, mediaType string) {
	switch path {
	case "/upload":
		return "upload/index.html", "text/html; charset=utf-8"
	case "/upload/upload.css":
		return "upload/upload.css", "text/css; charset=utf-8"
	case "/upload/upload.js":
		return "upload/upload.js", "text/javascript; charset=utf-8"
	}
	return "", ""
}

// serveUploadPage answers a path of the upload page, and tells whether it is one.
func serveUploadPage(w http.ResponseWriter, r *http.Request) bool {
	name, mediaType := uploadFile(r.URL.Path)
	if name == "" || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	body, err := uploadFiles.ReadFile(name)
	if err != nil {
		return false
	}
	digest := sha256.Sum256(body)
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", `"`+hex.EncodeToString(digest[:8])+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	if strings.HasSuffix(name, ".html") {
		h.Set("Content-Security-Policy", uploadCSP)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	return true
}
