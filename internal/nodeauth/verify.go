package nodeauth

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dunglas/httpsfv"
)

// A Verifier accepts requests that known nodes signed. It is safe for
// concurrent use and must not be copied after its first use.
type Verifier struct {
	// Known says whose requests are accepted; nil accepts nobody's.
	Known func(ed25519.PublicKey) bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// MaxNonces bounds how many requests are remembered within the window (20
	// bytes each); 0 is four million. One key may take at most a quarter: about
	// 15,000 requests a second for as long as it likes.
	MaxNonces int

	nonces memory
}

// Verify returns the key that signed the request, or one of the refusals of
// this package. Afterwards the body checks itself while it is read: one that was
// changed ends in ErrDigest and not in io.EOF, so nobody may act on a body
// before its end.
func (v *Verifier) Verify(r *http.Request) (ed25519.PublicKey, error) {
	s, err := parse(r)
	if err != nil {
		return nil, err
	}
	if err := s.covers(r); err != nil {
		return nil, err
	}
	if v.Known == nil || !v.Known(s.key) {
		return nil, fmt.Errorf("%w: %s", ErrUnknownKey, KeyID(s.key))
	}
	now := time.Now()
	if v.Now != nil {
		now = v.Now()
	}
	if err := s.fresh(now); err != nil {
		return nil, err
	}
	message, err := base(r, s.components, s.params)
	if err != nil {
		return nil, err
	}
	if !ed25519.Verify(s.key, message, s.signature) {
		return nil, ErrSignature
	}
	// Last, so that only what a known key has signed takes memory.
	if err := v.nonces.use(s.key, s.nonce, s.created, now, v.MaxNonces); err != nil {
		return nil, err
	}
	if r.ContentLength == 0 && s.digest == sha256.Sum256(nil) {
		r.Body = http.NoBody
		return s.key, nil
	}
	r.Body = &checkedBody{ReadCloser: r.Body, hash: sha256.New(), want: s.digest}
	return s.key, nil
}

// signature is a parsed one, not verified yet.
type signature struct {
	components []string
	params     string // the member of Signature-Input as it was signed
	signature  []byte
	key        ed25519.PublicKey
	nonce      string
	created    time.Time
	expires    time.Time
	digest     [sha256.Size]byte
}

func parse(r *http.Request) (*signature, error) {
	member, err := field(r, "Signature-Input")
	if err != nil {
		return nil, err
	}
	list, ok := member.(httpsfv.InnerList)
	if !ok {
		return nil, fmt.Errorf("%w: Signature-Input is no list", ErrUnsigned)
	}
	s := &signature{}
	for _, item := range list.Items {
		name, ok := item.Value.(string)
		if !ok || len(item.Params.Names()) != 0 || slices.Contains(s.components, name) {
			return nil, fmt.Errorf("%w: component %v", ErrUnsigned, item.Value)
		}
		s.components = append(s.components, name)
	}
	if s.params, err = httpsfv.Marshal(list); err != nil {
		return nil, fmt.Errorf("%w: Signature-Input: %w", ErrUnsigned, err)
	}
	if err := s.parameters(list.Params); err != nil {
		return nil, err
	}
	if member, err = field(r, "Signature"); err != nil {
		return nil, err
	}
	item, _ := member.(httpsfv.Item)
	if s.signature, ok = item.Value.([]byte); !ok || len(s.signature) != ed25519.SignatureSize {
		return nil, fmt.Errorf("%w: Signature is not 64 bytes", ErrUnsigned)
	}
	return s, nil
}

// field is our member of a dictionary that may hold signatures by others.
func field(r *http.Request, name string) (httpsfv.Member, error) {
	dict, err := httpsfv.UnmarshalDictionary(r.Header.Values(name))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrUnsigned, name, err)
	}
	member, ok := dict.Get(label)
	if !ok {
		return nil, fmt.Errorf("%w: no %q in %s", ErrUnsigned, label, name)
	}
	return member, nil
}

func (s *signature) parameters(params *httpsfv.Params) error {
	var keyID, tagged string
	for _, name := range params.Names() {
		value, _ := params.Get(name)
		text, isText := value.(string)
		number, isNumber := value.(int64)
		switch {
		case name == "created" && isNumber:
			s.created = time.Unix(number, 0)
		case name == "expires" && isNumber:
			s.expires = time.Unix(number, 0)
		case name == "nonce" && isText && len(text) >= 16 && len(text) <= 64:
			s.nonce = text
		case name == "keyid" && isText:
			keyID = text
		case name == "tag" && isText:
			tagged = text
		case name == "alg" && text == "ed25519":
		default:
			return fmt.Errorf("%w: parameter %s", ErrUnsigned, name)
		}
	}
	if s.created.IsZero() || s.expires.IsZero() || s.nonce == "" || tagged != tag {
		return fmt.Errorf("%w: want created, expires, nonce, keyid and tag %q", ErrUnsigned, tag)
	}
	key, err := ParseKeyID(keyID)
	if err != nil {
		return fmt.Errorf("%w: keyid: %w", ErrUnsigned, err)
	}
	s.key = key
	return nil
}

// covers checks that the signature covers all that our profile asks for.
func (s *signature) covers(r *http.Request) error {
	for _, name := range components(r) {
		if !slices.Contains(s.components, name) {
			return fmt.Errorf("%w: %s is not covered", ErrUnsigned, name)
		}
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	if !slices.Contains(s.components, "content-digest") {
		if r.ContentLength > 0 {
			return fmt.Errorf("%w: a body without Content-Digest", ErrUnsigned)
		}
		// Servers and what stands before them wrap bodies, so whether there is
		// one may show only when it is read. Then it has to be empty.
		s.digest = sha256.Sum256(nil)
		return nil
	}
	digest, err := ParseDigest(strings.Join(r.Header.Values("Content-Digest"), ","))
	if err != nil {
		return err
	}
	s.digest = digest
	return nil
}

func (s *signature) fresh(now time.Time) error {
	switch age := now.Sub(s.created); {
	case age > Window, age < -Window:
		return fmt.Errorf("%w: created %s from this node's clock", ErrStale, age.Round(time.Second))
	case now.After(s.expires):
		return fmt.Errorf("%w: expired %s ago", ErrStale, now.Sub(s.expires).Round(time.Second))
	}
	return nil
}
