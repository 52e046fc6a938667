package serve

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/stratos-mesh/stratos/edge/fill"
)

// span of bytes, to exclusive.
type byteRange struct{ from, to int64 }

// maxRanges of one request; who asks for more gets the whole (RFC 9110 section
// 14.2 lets a server ignore the field).
const maxRanges = 32

// ranges answers 206 or 416, and tells whether it did: a field that is ignored
// leaves the whole to be sent.
func (d *delivery) ranges(w http.ResponseWriter, r *http.Request) (bool, error) {
	if condition := r.Header.Get("If-Range"); condition != "" && condition != d.object.ETag[0] {
		return false, nil // another content, or a date, which we never gave
	}
	fields := r.Header["Range"]
	if len(fields) != 1 {
		return false, nil
	}
	list, ok := parseRanges(fields[0], d.object.Size)
	switch {
	case !ok:
		return false, nil
	case len(list) == 0:
		return true, &unsatisfiable{d.object.Size}
	case len(list) == 1:
		return true, d.one(w, r, list[0])
	}
	var total int64
	for _, b := range list {
		total += b.to - b.from
	}
	if len(list) > maxRanges || total > d.object.Size {
		return false, nil // overlapping or too many: no honest client's
	}
	return true, d.several(w, r, list)
}

// unsatisfiable is a range beyond the end.
type unsatisfiable struct{ size int64 }

func (u *unsatisfiable) Error() string { return fmt.Sprintf("the content has %d bytes", u.size) }

// HTTPStatus is 416.
func (u *unsatisfiable) HTTPStatus() int { return http.StatusRequestedRangeNotSatisfiable }

func (d *delivery) one(w http.ResponseWriter, r *http.Request, b byteRange) error {
	return d.stream(w, r, b.from, b.to, func(origin fill.Origin) {
		header := w.Header()
		d.bodyHead(header)
		d.served(header, origin)
		header["Content-Length"] = []string{strconv.FormatInt(b.to-b.from, 10)}
		header["Content-Range"] = []string{contentRange(b.from, b.to, d.object.Size)}
		w.WriteHeader(http.StatusPartialContent)
		d.handler.Counters.Count(class(d.class), http.StatusPartialContent)
	})
}

// several answers with multipart/byteranges (RFC 9110 section 14.6).
func (d *delivery) several(w http.ResponseWriter, r *http.Request, list []byteRange) error {
	boundary := rand.Text()
	heads := make([]string, len(list))
	length := int64(0)
	for i, b := range list {
		heads[i] = "\r\n--" + boundary + "\r\nContent-Type: " + d.object.Type +
			"\r\nContent-Range: " + contentRange(b.from, b.to, d.object.Size) + "\r\n\r\n"
		length += int64(len(heads[i])) + b.to - b.from
	}
	end := "\r\n--" + boundary + "--\r\n"
	length += int64(len(end))
	for i, b := range list {
		err := d.stream(w, r, b.from, b.to, func(origin fill.Origin) {
			if i > 0 {
				return
			}
			header := w.Header()
			d.bodyHead(header)
			d.served(header, origin)
			header["Content-Type"] = []string{"multipart/byteranges; boundary=" + boundary}
			header["Content-Length"] = []string{strconv.FormatInt(length, 10)}
			w.WriteHeader(http.StatusPartialContent)
			d.handler.Counters.Count(class(d.class), http.StatusPartialContent)
			_, _ = w.Write([]byte(heads[0])) // the next write fails too
		})
		if err != nil {
			if i > 0 {
				return &brokenOff{err}
			}
			return err
		}
		if i+1 < len(list) {
			_, err = w.Write([]byte(heads[i+1]))
		} else {
			_, err = w.Write([]byte(end))
		}
		if err != nil {
			return &brokenOff{err}
		}
	}
	return nil
}

// parseRanges reads a Range field (RFC 9110 section 14.1.2). It says false when
// the field is to be ignored; an empty list means that no part can be had.
func parseRanges(field string, size int64) ([]byteRange, bool) {
	spec, ok := strings.CutPrefix(field, "bytes=")
	if !ok {
		return nil, false
	}
	var out []byteRange
	for part := range strings.SplitSeq(spec, ",") {
		part = strings.Trim(part, " \t")
		if part == "" {
			continue
		}
		first, last, ok := strings.Cut(part, "-")
		if !ok {
			return nil, false
		}
		b, satisfiable, ok := oneRange(strings.TrimSpace(first), strings.TrimSpace(last), size)
		if !ok {
			return nil, false
		}
		if satisfiable {
			if out = append(out, b); len(out) > maxRanges {
				return nil, false
			}
		}
	}
	return out, true
}

func oneRange(first, last string, size int64) (b byteRange, satisfiable, ok bool) {
	if first == "" {
		n, ok := digits(last)
		if !ok {
			return b, false, false
		}
		b = byteRange{max(0, size-n), size}
		return b, n > 0 && size > 0, true
	}
	if b.from, ok = digits(first); !ok {
		return b, false, false
	}
	b.to = size
	if last != "" {
		end, ok := digits(last)
		if !ok || end < b.from {
			return b, false, false
		}
		b.to = min(size, end+1)
	}
	return b, b.from < size, true
}

// digits reads a number; one too large for us is as good as the largest.
func digits(text string) (int64, bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		n = 1<<63 - 2
	}
	return min(n, 1<<63-2), true
}
