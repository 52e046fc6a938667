// Package slicehttp moves blocks between nodes over HTTP: both ends.
//
//	GET  /slices/{cid}   the block, whole
//	HEAD /slices/{cid}   whether it is there, and its size
//	PUT  /slices/{cid}   what Config.Put makes of it
//
// The bytes of a block never change, so an answer is immutable, its ETag is the
// CID and its Content-Digest (RFC 9530) the hash inside the CID. Media types are
// those that IANA has for blocks. Ranges are not answered: a part of a block
// proves nothing.
//
// How requests are signed, verified and refused is the caller's: Client.Sign,
// Config.Verify and Config.Error.
package slicehttp

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/sds"
)

// Prefix is what stands before the CID in the path of a request.
const Prefix = "/slices/"

// ErrRefused: the other end does not talk to this node, or not about this block.
var ErrRefused = errors.New("refused")

// ContentDigest is the Content-Digest field of a block, taken from its name.
func ContentDigest(cid sds.CID) string {
	return "sha-256=:" + base64.StdEncoding.EncodeToString(cid.Digest[:]) + ":"
}

// MediaType is the media type of a block.
func MediaType(cid sds.CID) string {
	if cid.Codec == sds.DagPB {
		return "application/vnd.ipld.dag-pb"
	}
	return "application/vnd.ipld.raw"
}

func etag(cid sds.CID) string { return `"` + cid.String() + `"` }

// cidOf reads the CID of a request's path.
func cidOf(path string) (sds.CID, error) {
	text, ok := strings.CutPrefix(path, Prefix)
	if !ok {
		return sds.CID{}, fmt.Errorf("slicehttp: path %.100q: %w: want %s{cid}", path, sds.ErrMalformed, Prefix)
	}
	cid, err := sds.Parse(text)
	if err != nil {
		return sds.CID{}, fmt.Errorf("slicehttp: %w", err)
	}
	return cid, nil
}

// The statuses that stand for the errors of this room. Others that a client
// meets are a StatusError and nothing more.
func statusOf(err error) int {
	switch {
	case errors.Is(err, ErrRefused):
		return http.StatusUnauthorized
	case errors.Is(err, sds.ErrNotFound), errors.Is(err, sds.ErrCorrupt):
		return http.StatusNotFound // what was corrupt is put aside by now
	case errors.Is(err, sds.ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, sds.ErrFull):
		return http.StatusInsufficientStorage
	case errors.Is(err, sds.ErrMalformed):
		return http.StatusBadRequest
	case errors.Is(err, errors.ErrUnsupported):
		return http.StatusMethodNotAllowed
	}
	return http.StatusInternalServerError
}

func kindOf(status int) error {
	switch status {
	case http.StatusNotFound, http.StatusGone, http.StatusUnavailableForLegalReasons:
		return sds.ErrNotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		return ErrRefused
	case http.StatusRequestEntityTooLarge:
		return sds.ErrTooLarge
	case http.StatusInsufficientStorage:
		return sds.ErrFull
	case http.StatusBadRequest:
		return sds.ErrMalformed
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return errors.ErrUnsupported
	}
	return nil
}

// StatusError is an answer other than the one asked for. errors.Is finds the
// error of sds that its status stands for, if any.
type StatusError struct {
	Status int
	// Detail is the beginning of the answer's body, for people.
	Detail string
	// RetryAfter is what the answer asks for; 0 when it does not.
	RetryAfter time.Duration
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("answer %d %s", e.Status, http.StatusText(e.Status))
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// Unwrap returns the error that the status stands for, or nil.
func (e *StatusError) Unwrap() error { return kindOf(e.Status) }
