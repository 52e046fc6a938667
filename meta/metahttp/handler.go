package metahttp

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/stratos-mesh/stratos/internal/nodeauth"
	"github.com/stratos-mesh/stratos/meta"
	rpc "github.com/stratos-mesh/stratos/meta/metapb/metapbconnect"
)

// HandlerConfig says what a handler serves and to whom.
type HandlerConfig struct {
	// Meta answers the calls. It checks what is asked; the handler checks who
	// asks.
	Meta meta.Meta
	// WhoIs tells what an admitted node's key is, and an edge's number.
	WhoIs func(ed25519.PublicKey) (meta.NodeKind, meta.EdgeID, bool)
	// Operators are the keys that may look after the network and sign
	// invitations.
	Operators []ed25519.PublicKey
	// ChainID for which invitations are good.
	ChainID string
	// Logger takes errors that callers are not told; nil is slog.Default().
	Logger *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// NewHandler serves the calls under /stratos.meta.v1.…; every other path is 404.
func NewHandler(config HandlerConfig) http.Handler {
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	h := &handler{config: config, mux: http.NewServeMux(), refuse: connect.NewErrorWriter()}
	h.members = &nodeauth.Verifier{Now: config.Now, Known: func(key ed25519.PublicKey) bool {
		return h.identify(key).role != stranger
	}}
	// Strangers have a small memory of their own, so that they cannot fill the
	// one that members need.
	h.anybody = &nodeauth.Verifier{Now: config.Now, MaxNonces: 1 << 14, Known: func(ed25519.PublicKey) bool { return true }}

	options := []connect.HandlerOption{
		connect.WithReadMaxBytes(MaxRequest),
		connect.WithSendMaxBytes(MaxAnswer),
		connect.WithInterceptors(connect.UnaryInterceptorFunc(h.errors)),
	}
	s := server{config.Meta, h}
	h.mux.Handle(rpc.NewIndexHandler(indexServer(s), options...))
	h.mux.Handle(rpc.NewPublisherHandler(publisherServer(s), options...))
	h.mux.Handle(rpc.NewDirectoryHandler(directoryServer(s), options...))
	h.mux.Handle(rpc.NewIssuerHandler(issuerServer(s), options...))
	h.mux.Handle(rpc.NewNodesHandler(nodesServer(s), options...))
	h.mux.Handle(rpc.NewOperatorHandler(operatorServer(s), options...))
	return h
}

type handler struct {
	config  HandlerConfig
	mux     *http.ServeMux
	refuse  *connect.ErrorWriter
	members *nodeauth.Verifier
	anybody *nodeauth.Verifier
}

// server is what the six services share; each is a type of its own over it.
type server struct {
	meta.Meta
	handler *handler
}

// ServeHTTP lets those through who may make the call, and bounds it.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	allowed, exists := access(r.URL.Path)
	if !exists {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	c, err := h.admit(r, allowed)
	if err == nil {
		err = readBody(w, r)
	}
	if err != nil {
		_ = h.refuse.Write(w, r, err) // nobody is left to tell
		return
	}
	timeout := callTimeout
	if r.URL.Path == rpc.DirectoryNetworkProcedure {
		timeout += MaxWait
	}
	ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), callerKey{}, c), timeout)
	defer cancel()
	h.mux.ServeHTTP(w, r.WithContext(ctx))
}

// readBody takes the body in before anything is done with it: only at its end
// is it known to be the one that was signed.
func readBody(w http.ResponseWriter, r *http.Request) error {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(callTimeout)) // where it is not supported the server's own holds
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit(r.URL.Path)))
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		_ = control.SetReadDeadline(time.Time{})
		r.Body = io.NopCloser(bytes.NewReader(body))
		return nil
	case errors.Is(err, nodeauth.ErrDigest):
		return connect.NewError(connect.CodeUnauthenticated, nodeauth.ErrDigest)
	case errors.As(err, &tooLarge):
		return connect.NewError(connect.CodeResourceExhausted, fmt.Errorf("this call has at most %d bytes", tooLarge.Limit))
	}
	return connect.NewError(connect.CodeCanceled, errors.New("the body ended early"))
}

// limit bounds the body of a call, most of all of one that strangers may make.
func limit(procedure string) int64 {
	switch procedure {
	case rpc.NodesBeatProcedure, rpc.NodesReportProcedure:
		return MaxRequest
	case rpc.OperatorAdmitProcedure:
		return 64 << 10
	}
	return 2 << 20
}

// admit checks signature and role.
func (h *handler) admit(r *http.Request, allowed role) (caller, error) {
	verifier := h.members
	if allowed&stranger != 0 {
		verifier = h.anybody
	}
	key, err := verifier.Verify(r)
	switch {
	case errors.Is(err, nodeauth.ErrBusy):
		return caller{}, connect.NewError(connect.CodeUnavailable, err)
	case err != nil:
		return caller{}, connect.NewError(connect.CodeUnauthenticated, err)
	}
	c := h.identify(key)
	if c.role&allowed == 0 {
		return caller{}, h.outward(r.URL.Path, fmt.Errorf("%s: this key is not admitted for it: %w", r.URL.Path, meta.ErrForbidden))
	}
	return c, nil
}

// errors is the one place where an error of a call becomes an answer.
func (h *handler) errors(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		answer, err := next(ctx, r)
		if err != nil {
			return nil, h.outward(r.Spec().Procedure, err)
		}
		return answer, nil
	}
}
