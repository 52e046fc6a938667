package sds

import (
	"mime"
	"path"
	"strings"
)

// unknownType is what files of an unknown kind are.
const unknownType = "application/octet-stream"

// MediaType tells a file's media type by the end of its name. The table is the
// only one: neither the machine's nor the content is asked, so that every edge
// answers the same.
func MediaType(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	// Streaming: RFC 8216, DASH, WebVTT.
	case ".m3u8":
		return "application/vnd.apple.mpegurl"
	case ".mpd":
		return "application/dash+xml"
	case ".m4s", ".cmfv", ".mp4", ".m4v":
		return "video/mp4"
	case ".cmfa", ".m4a":
		return "audio/mp4"
	case ".cmft":
		return "application/mp4"
	case ".ts", ".m2ts":
		return "video/mp2t"
	case ".vtt":
		return "text/vtt; charset=utf-8"
	case ".srt":
		return "application/x-subrip"
	// Video and audio files.
	case ".webm":
		return "video/webm"
	case ".mkv":
		return "video/matroska"
	case ".mov":
		return "video/quicktime"
	case ".ogv":
		return "video/ogg"
	case ".avi":
		return "video/vnd.avi"
	case ".mp3":
		return "audio/mpeg"
	case ".aac":
		return "audio/aac"
	case ".flac":
		return "audio/flac"
	case ".ogg", ".oga", ".opus":
		return "audio/ogg"
	case ".wav":
		return "audio/wav"
	// Pictures.
	case ".png":
		return "image/png"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".gif":
		return "image/gif"
	case ".webp":
		return "image/webp"
	case ".avif":
		return "image/avif"
	case ".bmp":
		return "image/bmp"
	case ".ico":
		return "image/vnd.microsoft.icon"
	case ".svg":
		return "image/svg+xml"
	// Pages.
	case ".html", ".htm":
		return "text/html; charset=utf-8"
	case ".xhtml":
		return "application/xhtml+xml"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".json", ".map":
		return "application/json"
	case ".webmanifest":
		return "application/manifest+json"
	case ".wasm":
		return "application/wasm"
	case ".xml":
		return "application/xml"
	case ".txt", ".log":
		return "text/plain; charset=utf-8"
	case ".md":
		return "text/markdown; charset=utf-8"
	case ".csv":
		return "text/csv; charset=utf-8"
	case ".woff":
		return "font/woff"
	case ".woff2":
		return "font/woff2"
	case ".ttf":
		return "font/ttf"
	case ".otf":
		return "font/otf"
	// Documents and archives.
	case ".pdf":
		return "application/pdf"
	case ".epub":
		return "application/epub+zip"
	case ".zip":
		return "application/zip"
	case ".gz", ".tgz":
		return "application/gzip"
	case ".zst":
		return "application/zstd"
	case ".tar":
		return "application/x-tar"
	case ".7z":
		return "application/x-7z-compressed"
	default:
		return unknownType
	}
}

// CanRunScript tells whether a browser that opens an answer of this type as a
// page might run a script in it, or might take it for something that can. Only
// types known to be inert are false.
func CanRunScript(mediaType string) bool {
	kind, _, err := mime.ParseMediaType(mediaType)
	if err != nil {
		return true
	}
	family, _, _ := strings.Cut(kind, "/")
	switch family {
	case "video", "audio", "font":
		return false
	case "image":
		return kind == "image/svg+xml"
	}
	switch kind {
	case "application/vnd.apple.mpegurl", "application/mp4", "application/json", "application/manifest+json",
		"application/wasm", "application/zip", "application/gzip", "application/zstd", "application/x-tar",
		"application/x-7z-compressed", "application/x-subrip",
		"text/plain", "text/css", "text/csv", "text/javascript", "text/markdown", "text/vtt":
		return false
	}
	return true
}
