package metahttp

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"connectrpc.com/connect"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/metapb"
)

// ErrUnreachable is a call that no meta node answered; it may be made again.
var ErrUnreachable = errors.New("no meta node answers")

// crossing are the errors that both ends know, and the status that others see.
func crossing() []struct {
	err    error
	reason metapb.Reason
	code   connect.Code
} {
	return []struct {
		err    error
		reason metapb.Reason
		code   connect.Code
	}{
		{meta.ErrNotFound, metapb.Reason_REASON_NOT_FOUND, connect.CodeNotFound},
		{meta.ErrDeleted, metapb.Reason_REASON_DELETED, connect.CodeNotFound},
		{meta.ErrBanned, metapb.Reason_REASON_BANNED, connect.CodePermissionDenied},
		{meta.ErrConflict, metapb.Reason_REASON_CONFLICT, connect.CodeAborted},
		{meta.ErrForbidden, metapb.Reason_REASON_FORBIDDEN, connect.CodePermissionDenied},
		{meta.ErrInvalid, metapb.Reason_REASON_INVALID, connect.CodeInvalidArgument},
		{meta.ErrNoEdges, metapb.Reason_REASON_NO_EDGES, connect.CodeUnavailable},
	}
}

// outward turns an error into what a caller may know: those of package meta as
// they are, anything else without its text, which goes to the log.
func (h *handler) outward(procedure string, err error) error {
	failure, code := h.failure(procedure, err)
	out := connect.NewError(code, errors.New(failure.Message))
	if failure.Reason == metapb.Reason_REASON_UNSPECIFIED {
		return out
	}
	detail, detailErr := connect.NewErrorDetail(failure)
	if detailErr != nil {
		return connect.NewError(connect.CodeInternal, detailErr)
	}
	out.AddDetail(detail)
	return out
}

// failure is the error as a message, for the detail and for places in a batch.
func (h *handler) failure(procedure string, err error) (*metapb.Failure, connect.Code) {
	for _, c := range crossing() {
		if errors.Is(err, c.err) {
			return &metapb.Failure{Reason: c.reason, Message: text(err.Error())}, c.code
		}
	}
	switch {
	case errors.Is(err, context.Canceled):
		return &metapb.Failure{Message: "canceled"}, connect.CodeCanceled
	case errors.Is(err, context.DeadlineExceeded):
		return &metapb.Failure{Message: "took too long"}, connect.CodeDeadlineExceeded
	}
	h.config.Logger.Error("call failed", "procedure", procedure, "error", err)
	return &metapb.Failure{Message: "internal error of the meta node"}, connect.CodeInternal
}

// remoteError is an error of package meta that came over the wire.
type remoteError struct {
	err  error
	text string
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.err }

// inward is the error behind a failure; nil when it names none that we know.
func inward(f *metapb.Failure) error {
	for _, c := range crossing() {
		if f.GetReason() == c.reason {
			return &remoteError{c.err, f.GetMessage()}
		}
	}
	return nil
}

// decided is the meta node's own answer in an error of a call, if it gave one:
// asking another node or again would change nothing.
func decided(err error) error {
	var e *connect.Error
	if !errors.As(err, &e) {
		return nil
	}
	for _, d := range e.Details() {
		value, err := d.Value()
		if f, ok := value.(*metapb.Failure); ok && err == nil {
			if known := inward(f); known != nil {
				return known
			}
		}
	}
	switch e.Code() {
	case connect.CodeUnauthenticated:
		return fmt.Errorf("%w: %s", meta.ErrForbidden, e.Message())
	case connect.CodeInvalidArgument, connect.CodeResourceExhausted:
		return fmt.Errorf("%w: %s", meta.ErrInvalid, e.Message())
	case connect.CodeInternal, connect.CodeUnimplemented:
		return fmt.Errorf("meta node: %s", e.Message())
	}
	return nil
}

// text makes a string fit for the wire, which takes UTF-8 alone.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
