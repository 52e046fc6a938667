package serve

import (
	"net/http"
	"strings"

	"github.com/stratos-mesh/stratos/internal/httperr"
)

// conditional tells whether a request has conditions that we know. There is no
// Last-Modified, so those by date do not apply (RFC 9110 section 13.1).
func conditional(header http.Header) bool {
	return header["If-None-Match"] != nil || header["If-Match"] != nil
}

// conditions answers 304 or 412 where RFC 9110 section 13.2.2 says so, and tells
// whether it did.
func (d *delivery) conditions(w http.ResponseWriter, r *http.Request) (bool, error) {
	etag := d.object.ETag[0]
	if match := r.Header["If-Match"]; match != nil && !matches(match, etag, false) {
		return true, httperr.New(http.StatusPreconditionFailed, "precondition", "the content is another than If-Match names")
	}
	none := r.Header["If-None-Match"]
	if none == nil || !matches(none, etag, true) {
		return false, nil
	}
	d.head(w.Header())
	w.WriteHeader(http.StatusNotModified)
	d.handler.Counters.Count(class(d.class), http.StatusNotModified)
	return true, nil
}

// matches compares entity tags of header fields with ours, weakly or strongly.
func matches(fields []string, etag string, weak bool) bool {
	for _, field := range fields {
		for field != "" {
			var one string
			one, field = nextTag(field)
			if one == "*" || one == etag {
				return true
			}
			if rest, ok := strings.CutPrefix(one, "W/"); ok && weak && rest == etag {
				return true
			}
		}
	}
	return false
}

// nextTag cuts the first entity tag off a list. Commas may stand inside quotes.
func nextTag(list string) (tag, rest string) {
	list = strings.TrimLeft(list, " \t,")
	start := 0
	if strings.HasPrefix(list, "W/") {
		start = 2
	}
	if start < len(list) && list[start] == '"' {
		if end := strings.IndexByte(list[start+1:], '"'); end >= 0 {
			end += start + 2
			return list[:end], list[end:]
		}
		return "", ""
	}
	tag, rest, _ = strings.Cut(list, ",")
	return strings.TrimSpace(tag), rest
}
