package router

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/stratos-mesh/stratos/internal/httperr"
	"github.com/stratos-mesh/stratos/meta"
)

var errBusy = httperr.New(http.StatusServiceUnavailable, "busy", "more requests wait for tickets than this router keeps").WithRetry(time.Second)

// problem gives the errors of meta their status. What is neither an answer
// about a name nor a mistake of the caller means that the meta node cannot be
// asked now.
func problem(err error) error {
	var known *httperr.Problem
	switch {
	case errors.As(err, &known), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, meta.ErrNotFound):
		return httperr.Wrap(err, http.StatusNotFound, "not-found", "there is no such name")
	case errors.Is(err, meta.ErrDeleted):
		return httperr.Wrap(err, http.StatusGone, "deleted", "its owner has deleted this")
	case errors.Is(err, meta.ErrBanned):
		return httperr.Wrap(err, http.StatusUnavailableForLegalReasons, "banned", "this is banned from the network")
	case errors.Is(err, meta.ErrInvalid):
		return httperr.Wrap(err, http.StatusBadRequest, "invalid", "")
	case errors.Is(err, meta.ErrForbidden):
		return httperr.Wrap(err, http.StatusBadGateway, "router-not-admitted", "the meta node does not issue tickets to this router").
			WithHint("admit the router's node key at the meta node")
	case errors.Is(err, meta.ErrNoEdges):
		return httperr.Wrap(err, http.StatusServiceUnavailable, "no-edge", "no edge can serve this now").WithRetry(5 * time.Second)
	}
	return httperr.Wrap(err, http.StatusServiceUnavailable, "meta-away", "no meta node answers").WithRetry(2 * time.Second)
}
