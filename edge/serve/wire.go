package serve

import (
	"net/http"
	"strings"

	"github.com/stratos-mesh/stratos/edge/catalog"
	"github.com/stratos-mesh/stratos/edge/fill"
)

// Wire is the connection of a request, where delivery has a say in how bytes
// leave.
type Wire interface {
	// Hold keeps what is written until Release, so that the head of an answer
	// and its body leave in one piece, and puts lines into the head.
	Hold(lines Lines)
	// Release writes what is held.
	Release() error
}

// Lines are pieces of text that together make lines of an answer's head, each
// with its CRLF.
type Lines [5]string

// headLeaves is the size from which on a body pushes its head out of the
// server's buffer of 4 KiB, so that the wire sees it before Release.
const headLeaves = 4 << 10

// lines make the head of a hit without the server's header map: a dozen fields
// in a map are copied, sorted and written one by one for each answer, which
// costs as much as the rest of a small object.
func (d *delivery) lines() Lines {
	return Lines{d.handler.hitLines[d.kind()], d.object.ETag[0], "\r\nRepr-Digest: ", d.object.Digest[0], "\r\n"}
}

// kind numbers the sets of fields that objects share.
func (d *delivery) kind() int {
	kind := 0
	if d.bundle {
		kind |= 1
	}
	if d.object.Script {
		kind |= 2
	}
	return kind
}

// outright tells whether the head of a hit may be written as lines: nobody else
// has put or reads fields, and those of the object are the usual ones.
func (d *delivery) outright(header http.Header) bool {
	return (len(header) == 0 || len(header) == 1 && header["Alt-Svc"] != nil) &&
		d.object.Digest != nil && d.object.Type != playlistType
}

// prepareLines writes the fields of a hit that are the same for every object,
// and begins the one with its ETag.
func (h *Handler) prepareLines() {
	for _, bundle := range []bool{false, true} {
		for _, script := range []bool{false, true} {
			d := delivery{handler: h, root: new(catalog.Root), object: &catalog.Object{Script: script}, bundle: bundle}
			header := make(http.Header)
			d.bodyHead(header)
			d.served(header, fill.Hit)
			var text strings.Builder
			_ = header.Write(&text) // a strings.Builder takes everything
			h.hitLines[d.kind()] = text.String() + "Etag: "
		}
	}
}
