package serve

import (
	"net/http"
	"net/url"

	"github.com/stratos-mesh/stratos/edge/fill"
)

// Values that every answer shares. They are assigned into header maps as they
// are; nobody changes them.
type fixed struct {
	any, exposed, crossOrigin, nosniff, bytes []string
	immutable, minute, second                 []string
	noVary, sandbox                           []string
}

var shared = fixed{
	any: []string{"*"},
	exposed: []string{"Accept-Ranges, Cache-Status, Content-Length, Content-Range, ETag, Repr-Digest, " +
		"Retry-After, Server-Timing, X-Request-Id"},
	crossOrigin: []string{"cross-origin"},
	nosniff:     []string{"nosniff"},
	bytes:       []string{"bytes"},
	immutable:   []string{"public, max-age=31536000, immutable"},
	minute:      []string{"public, max-age=60"},
	second:      []string{"public, max-age=1"},
	noVary:      []string{`params=("t" "CMCD")`},
	sandbox:     []string{"sandbox"},
}

// playlistType is the one kind of file in a growing bundle that changes.
const playlistType = "application/vnd.apple.mpegurl"

// openHeader sets what lets pages of any origin read an answer. It stands on
// every one, so that nothing varies by Origin.
func openHeader(header http.Header) {
	v := &shared
	header["Access-Control-Allow-Origin"] = v.any
	header["Access-Control-Expose-Headers"] = v.exposed
	header["Timing-Allow-Origin"] = v.any
	header["Cross-Origin-Resource-Policy"] = v.crossOrigin
	header["X-Content-Type-Options"] = v.nosniff
}

// head sets the fields of an object that do not depend on ranges.
func (d *delivery) head(header http.Header) {
	v := &shared
	openHeader(header)
	header["Etag"] = d.object.ETag
	switch {
	case d.bundle && d.root.Growing() && d.object.Type == playlistType:
		header["Cache-Control"] = v.second
	case d.bundle:
		header["Cache-Control"] = v.immutable
	default:
		header["Cache-Control"] = v.minute
		header["No-Vary-Search"] = v.noVary
	}
}

// bodyHead sets the fields that describe an answer with content.
func (d *delivery) bodyHead(header http.Header) {
	v := &shared
	d.head(header)
	header["Accept-Ranges"] = v.bytes
	header["Content-Type"] = d.object.ContentType
	if d.object.Digest != nil {
		header["Repr-Digest"] = d.object.Digest
	}
	if d.object.Script {
		header["Content-Security-Policy"] = v.sandbox
	}
}

// served tells where the first slice came from.
func (d *delivery) served(header http.Header, origin fill.Origin) {
	header["Cache-Status"] = d.handler.cacheStatus[origin]
	header["Server-Timing"] = d.timing(origin)
}

func escape(component string) string { return (&url.URL{Path: component}).EscapedPath() }
