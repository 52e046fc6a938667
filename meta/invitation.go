package meta

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stratos-mesh/stratos/meta/layout"
)

// Invitation lets a node register itself: the operator of the meta node signs
// it, and it travels as text, in a command line or a file.
//
//	version 1 ‖ kind 1 ‖ number 16 ‖ until 8 ‖ operator 32 ‖ signature 64
type Invitation struct {
	Kind NodeKind
	// Number is random: one invitation admits one key.
	Number [16]byte
	// Until is when it ends.
	Until     time.Time
	Operator  ed25519.PublicKey
	Signature [64]byte
}

func (v *Invitation) body() []byte {
	var w layout.Writer
	w.U8(encodingVersion)
	w.U8(uint8(v.Kind))
	w.Fixed(v.Number[:])
	w.Time(v.Until)
	w.Fixed(padKey(v.Operator))
	return w.Done()
}

// Sign signs as the operator, whose key becomes Operator.
func (v *Invitation) Sign(key ed25519.PrivateKey, chainID string) {
	v.Operator = key.Public().(ed25519.PublicKey)
	copy(v.Signature[:], ed25519.Sign(key, SignedMessage(typeInvitation, chainID, v.body())))
}

// Text is the token: base64url without padding.
func (v *Invitation) Text() string {
	return base64.RawURLEncoding.EncodeToString(append(v.body(), v.Signature[:]...))
}

// ParseInvitation reads what Text wrote. It does not check the signature.
func ParseInvitation(text string) (*Invitation, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	// The decoder passes over line breaks, which would be a second spelling.
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("invitation: %w: not base64url", ErrInvalid)
	}
	r := layout.NewReader(b)
	v := &Invitation{}
	readVersion(r)
	v.Kind = NodeKind(r.U8())
	if v.Kind < EdgeNode || v.Kind > RouterNode {
		r.Fail("kind %d", v.Kind)
	}
	r.Fixed(v.Number[:])
	v.Until = r.Time()
	v.Operator = readKey(r)
	r.Fixed(v.Signature[:])
	if err := r.Done(); err != nil {
		return nil, malformed("invitation", err)
	}
	return v, nil
}

// Verify checks that one of the operators signed it, that it is for this kind of
// node, and that it has not ended.
func (v *Invitation) Verify(kind NodeKind, operators []ed25519.PublicKey, chainID string, now time.Time) error {
	known := slices.ContainsFunc(operators, func(k ed25519.PublicKey) bool { return k.Equal(v.Operator) })
	switch {
	case !known:
		return fmt.Errorf("invitation: %w: signed by a stranger, not by an operator of this network", ErrForbidden)
	case v.Kind != kind:
		return fmt.Errorf("invitation: %w: it is for another kind of node", ErrForbidden)
	case !now.Before(v.Until):
		return fmt.Errorf("invitation: %w: it ended at %s; ask for a new one", ErrForbidden, v.Until.Format(time.RFC3339))
	}
	if err := verify(v.Operator, typeInvitation, chainID, v.body(), v.Signature[:]); err != nil {
		return fmt.Errorf("invitation: %w", err)
	}
	return nil
}
