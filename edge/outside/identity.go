package outside

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/stratos-mesh/stratos/internal/nodeauth"
)

// Path where a node says who it is.
const Path = "/.well-known/stratos"

// Identity is the answer at Path: who a node is, and with a nonce the proof that
// it holds the key.
type Identity struct {
	Role      string `json:"role"`
	ID        uint32 `json:"id"`
	Key       string `json:"key"`
	ChainID   string `json:"chain_id"`
	Version   string `json:"version"`
	Nonce     string `json:"nonce,omitempty"`
	Signature string `json:"signature,omitempty"`
}

// maxNonce bounds what a stranger may have signed.
const maxNonce = 64

const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// Prove signs a stranger's nonce.
func (id *Identity) Prove(key ed25519.PrivateKey, nonce string) error {
	if len(nonce) > maxNonce || strings.Trim(nonce, base64url) != "" {
		return errors.New("a nonce is at most 64 characters of base64url")
	}
	id.Nonce = nonce
	id.Signature = base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, signed(id.ChainID, nonce)))
	return nil
}

// Verify tells whether whoever answered with a nonce holds a key.
func (id *Identity) Verify(key ed25519.PublicKey, chainID, nonce string) error {
	signature, err := base64.RawURLEncoding.DecodeString(id.Signature)
	if err != nil || id.Nonce != nonce || !ed25519.Verify(key, signed(chainID, nonce), signature) {
		return fmt.Errorf("somebody else answers there: key %.43q, want %s", id.Key, nodeauth.KeyID(key))
	}
	return nil
}

func signed(chainID, nonce string) []byte {
	return []byte("stratos/well-known/v1\x00" + chainID + "\x00" + nonce)
}
