// Package httperr is the one place where an error becomes an HTTP answer:
// problem+json (RFC 9457), never cached, with an id that the log has too.
//
// A handler returns an error; Write maps it. What a caller may know is in a
// Problem; an error of sds has its status here; another package's error may
// bring its own with a method HTTPStatus() int. Anything else is a bug or a
// broken disk: 500, and its text stays in the log.
package httperr

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/stratos-mesh/stratos/sds"
)

// A Problem is an error that may be shown to whoever caused it.
type Problem struct {
	// Status of the answer; Write makes 500 of anything below 400.
	Status int
	// Type is a short word that programs compare, such as "receipt-due"; empty
	// is about:blank, the status alone.
	Type string
	// Title says what kind of problem it is; empty is the status in words.
	Title string
	// Detail says what is wrong with this request.
	Detail string
	// Hint says what to do next.
	Hint string
	// RetryAfter is sent when positive, in whole seconds, rounded up.
	RetryAfter time.Duration
	// Err is the cause, for errors.Is and the log; it is not sent.
	Err error
}

// New returns a Problem.
func New(status int, kind, detail string) *Problem {
	return &Problem{Status: status, Type: kind, Detail: detail}
}

// Wrap returns a Problem with a cause.
func Wrap(err error, status int, kind, detail string) *Problem {
	return &Problem{Status: status, Type: kind, Detail: detail, Err: err}
}

// WithHint returns a copy that says what to do next.
func (p *Problem) WithHint(format string, args ...any) *Problem {
	c := *p
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// WithRetry returns a copy that says when to come again.
func (p *Problem) WithRetry(after time.Duration) *Problem {
	c := *p
	c.RetryAfter = after
	return &c
}

// Error is for the log: status, type, detail and cause.
func (p *Problem) Error() string {
	text := fmt.Sprintf("%d %s", p.Status, p.Type)
	if p.Type == "" {
		text = fmt.Sprintf("%d %s", p.Status, http.StatusText(p.Status))
	}
	if p.Detail != "" {
		text += ": " + p.Detail
	}
	if p.Err != nil {
		text += ": " + p.Err.Error()
	}
	return text
}

// Unwrap is the cause.
func (p *Problem) Unwrap() error { return p.Err }

// HTTPStatus is the status, as Write would send it.
func (p *Problem) HTTPStatus() int {
	if p.Status < 400 || p.Status > 599 {
		return http.StatusInternalServerError
	}
	return p.Status
}

// StatusClientClosed is logged for a request whose client went away; nobody
// reads that answer.
const StatusClientClosed = 499

// From is the Problem in an error's chain, or the one that it maps to.
func From(err error) *Problem {
	var problem *Problem
	if errors.As(err, &problem) {
		return problem
	}
	var own interface {
		error
		HTTPStatus() int
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &own):
		// The error names the rule; what wraps it may name our files and peers.
		return Wrap(err, own.HTTPStatus(), "", own.Error())
	case errors.As(err, &tooLarge):
		return Wrap(err, http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("the limit is %d bytes", tooLarge.Limit))
	case errors.Is(err, sds.ErrNotFound):
		return Wrap(err, http.StatusNotFound, "not-found", "")
	case errors.Is(err, sds.ErrTooLarge):
		return Wrap(err, http.StatusRequestEntityTooLarge, "too-large", "")
	case errors.Is(err, sds.ErrMalformed):
		return Wrap(err, http.StatusBadRequest, "malformed", "")
	case errors.Is(err, sds.ErrCorrupt):
		// As an answer to bytes that were sent; a corrupt block of our own never
		// gets this far, for it is taken from another replica.
		return Wrap(err, http.StatusUnprocessableEntity, "digest-mismatch", "the bytes do not hash to the name they were sent under")
	case errors.Is(err, sds.ErrFull):
		return Wrap(err, http.StatusInsufficientStorage, "full", "")
	case errors.Is(err, context.Canceled):
		return Wrap(err, StatusClientClosed, "", "")
	case errors.Is(err, context.DeadlineExceeded):
		return Wrap(err, http.StatusGatewayTimeout, "timeout", "")
	}
	return Wrap(err, http.StatusInternalServerError, "", "")
}
