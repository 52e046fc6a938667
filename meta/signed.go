package meta

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/stratos-mesh/stratos/meta/layout"
)

// ErrSignature: a well-formed object that its key did not sign. It is an
// ErrForbidden.
var ErrSignature = fmt.Errorf("%w: bad signature", ErrForbidden)

// domain opens everything that is signed in this room. What follows it is a
// type byte, the length of the chain id in one byte, the chain id, and the body,
// so nothing that was signed for one network or purpose is good in another.
const domain = "stratos/meta/v1"

// Type bytes of what is signed. They are never used again for something else.
const (
	typeGrant       = 1
	typeRevocation  = 2
	typePublication = 3
	typeRename      = 4
	typeRemoval     = 5
	typeJournal     = 6 // meta/journal
	typeInvitation  = 7
	typeGrowing     = 8
)

// encodingVersion is the first byte of every body.
const encodingVersion = 1

// MaxChainID bounds a chain id in bytes.
const MaxChainID = 64

// SignedMessage is what a signature of the given type covers: the one place
// that knows domain, type and chain id. Package journal uses it as well.
func SignedMessage(kind byte, chainID string, body []byte) []byte {
	var w layout.Writer
	w.Fixed([]byte(domain))
	w.U8(kind)
	w.U8(uint8(len(chainID)))
	w.Fixed([]byte(chainID))
	w.Fixed(body)
	return w.Done()
}

// JournalType is the type byte of a journal record, which package journal owns.
const JournalType = typeJournal

func verify(key ed25519.PublicKey, kind byte, chainID string, body, signature []byte) error {
	if len(key) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: key of %d bytes", ErrSignature, len(key))
	}
	if len(chainID) > MaxChainID || !ed25519.Verify(key, SignedMessage(kind, chainID, body), signature) {
		return ErrSignature
	}
	return nil
}

// malformed makes a mistake in bytes an ErrInvalid that still is
// layout.ErrMalformed.
func malformed(what string, err error) error {
	if err == nil || errors.Is(err, ErrInvalid) {
		return err
	}
	return fmt.Errorf("%s: %w: %w", what, ErrInvalid, err)
}

func readVersion(r *layout.Reader) {
	if v := r.U8(); v != encodingVersion {
		r.Fail("version %d, want %d", v, encodingVersion)
	}
}

func readName(r *layout.Reader) Name {
	text := r.Text(MaxName)
	name, err := ParseName(text)
	if err != nil || string(name) != text {
		r.Fail("name %.80q: %v", text, err)
		return ""
	}
	return name
}

func readKey(r *layout.Reader) ed25519.PublicKey {
	key := make(ed25519.PublicKey, ed25519.PublicKeySize)
	r.Fixed(key)
	return key
}
