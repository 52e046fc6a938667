package nodeauth

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A Signer signs requests with a node's key. It is safe for concurrent use.
type Signer struct {
	key ed25519.PrivateKey
	id  string
}

// NewSigner returns a Signer with the node's key.
func NewSigner(key ed25519.PrivateKey) *Signer {
	return &Signer{key: key, id: KeyID(key.Public().(ed25519.PublicKey))}
}

// Key is the public key under which others know this node.
func (s *Signer) Key() ed25519.PublicKey { return s.key.Public().(ed25519.PublicKey) }

// Sign adds Signature and Signature-Input. A body without Content-Digest is read
// whole (at most MaxSignedBody) and replaced by its bytes; one that has a
// Content-Digest already is not touched.
func (s *Signer) Sign(r *http.Request) error {
	if err := setDigest(r); err != nil {
		return err
	}
	nonce := make([]byte, 16)
	rand.Read(nonce) // never fails
	now := time.Now()
	names := components(r)
	params := `("` + strings.Join(names, `" "`) + `")` +
		";created=" + strconv.FormatInt(now.Unix(), 10) +
		";expires=" + strconv.FormatInt(now.Add(Window).Unix(), 10) +
		`;nonce="` + base64.RawURLEncoding.EncodeToString(nonce) +
		`";keyid="` + s.id + `";tag="` + tag + `"`
	message, err := base(r, names, params)
	if err != nil {
		return err
	}
	signature := ed25519.Sign(s.key, message)
	r.Header.Set("Signature-Input", label+"="+params)
	r.Header.Set("Signature", label+"=:"+base64.StdEncoding.EncodeToString(signature)+":")
	return nil
}

// Transport signs each request that goes through base; nil is
// http.DefaultTransport.
func (s *Signer) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{signer: s, base: base}
}

type transport struct {
	signer *Signer
	base   http.RoundTripper
}

// RoundTrip signs a copy: a round tripper must not change its request.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	signed := r.Clone(r.Context())
	if err := t.signer.Sign(signed); err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	return t.base.RoundTrip(signed)
}

// CloseIdleConnections passes on what http.Client asks.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
