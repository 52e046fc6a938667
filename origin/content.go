package origin

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/sds"
)

// sendContent streams an object's bytes from the edges that hold it. It is for
// publishers who want their own back; viewers go through a router.
func (o *Origin) sendContent(w http.ResponseWriter, r *http.Request, found meta.Resolution) error {
	if found.Record.Kind == meta.Bundle && found.Rest == "" {
		return httperr.New(http.StatusBadRequest, "bundle", "a bundle has no bytes of its own; name a file in it")
	}
	object, err := o.object(r.Context(), found)
	if err != nil {
		return err
	}
	file, err := sds.OpenFile(r.Context(), o.writer.Getter(found.Holders), object.CID)
	if err != nil {
		return unreadable(err)
	}
	header := w.Header()
	header.Set("ETag", etag(object.CID))
	header.Set("Content-Type", object.Type)
	header.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(object.SHA256[:])+":")
	if sds.CanRunScript(object.Type) {
		header.Set("Content-Security-Policy", "sandbox")
	}
	http.ServeContent(w, r, "", found.Record.Modified, &contentReader{ctx: r.Context(), file: file, blocks: o.writer.Getter(found.Holders)})
	return nil
}

// contentReader is an io.ReadSeeker over a file's slices, one at a time. It
// lives as long as one request, whose context it keeps.
type contentReader struct {
	ctx    context.Context
	file   *sds.File
	blocks sds.Getter
	offset int64
	rest   []byte // of the slice at offset
}

// Read implements io.Reader.
func (c *contentReader) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		if c.offset >= c.file.Size() {
			return 0, io.EOF
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	c.offset += int64(n)
	return n, nil
}

// next fetches the slice at offset.
func (c *contentReader) next() error {
	spans, err := c.file.Spans(c.ctx, c.offset, min(c.offset+sds.SliceSize, c.file.Size()))
	if err != nil {
		return err
	}
	block, err := c.blocks.Get(c.ctx, spans[0].CID)
	if err != nil {
		return err
	}
	c.rest, err = spans[0].Of(block)
	return err
}

// Seek implements io.Seeker.
func (c *contentReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.offset
	case io.SeekEnd:
		offset += c.file.Size()
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	if offset != c.offset {
		c.offset, c.rest = offset, nil
	}
	return offset, nil
}
