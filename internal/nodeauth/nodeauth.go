// Package nodeauth lets nodes know each other by their keys: requests between
// nodes carry an HTTP message signature (RFC 9421) by the sender's Ed25519 key,
// and bodies a Content-Digest (RFC 9530) that the signature covers.
//
// One fixed profile, so that there is nothing to negotiate and little to get
// wrong. A signature labelled "stratos" covers
//
//	@method, @authority, @path, @query
//	content-digest        whenever there is a body
//	stratos-…             every header field whose name starts with Stratos-
//
// and has the parameters created, expires, nonce, keyid and tag. Each nonce is
// good once, for a minute before and after created.
//
// The signature base is built here and not by a library: those at hand read
// the whole body before they look at the signature, take @path in its decoded
// form, and do not let a test own the clock. The tests check both directions
// against one of them.
package nodeauth

import (
	"net/http"
	"time"
)

const (
	// Window is how far created may lie from the verifier's clock, either way,
	// and how long a signature lives.
	Window = 60 * time.Second
	// MaxSignedBody is the largest body whose digest Sign computes itself; a
	// larger one must come with Content-Digest.
	MaxSignedBody = 16 << 20

	label = "stratos"
	tag   = "stratos-node"
)

// A Refusal is why a request was not accepted as a node's. It is answered with
// status 401, or 503 when this node cannot remember more nonces.
type Refusal struct{ reason string }

// Error is the reason.
func (r *Refusal) Error() string { return "node signature: " + r.reason }

// HTTPStatus is what a server answers.
func (r *Refusal) HTTPStatus() int {
	if r == ErrBusy {
		return http.StatusServiceUnavailable
	}
	return http.StatusUnauthorized
}

// The refusals; callers ask with errors.Is.
var (
	// ErrUnsigned: no signature of our profile, or one that covers too little.
	ErrUnsigned = &Refusal{"missing or incomplete"}
	// ErrUnknownKey: a key that the verifier does not know.
	ErrUnknownKey = &Refusal{"unknown key"}
	// ErrStale: created too long ago or in the future, or expired.
	ErrStale = &Refusal{"outside its time window"}
	// ErrReplay: this nonce was used before.
	ErrReplay = &Refusal{"nonce was used before"}
	// ErrSignature: the key did not sign this request.
	ErrSignature = &Refusal{"does not verify"}
	// ErrDigest: the body is not the one that was signed; reading it returns
	// this in place of io.EOF.
	ErrDigest = &Refusal{"body does not match its Content-Digest"}
	// ErrBusy: no room to remember another nonce of this key within the window.
	ErrBusy = &Refusal{"too many requests to remember"}
)
