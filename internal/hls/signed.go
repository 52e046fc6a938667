package hls

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Errors of Verify and Follows.
var (
	// ErrSignature: the playlist is not one that the key signed under this name.
	ErrSignature = errors.New("bad signature of a playlist")
	// ErrStale: a state older than one that was seen already.
	ErrStale = errors.New("stale playlist")
)

// maxSeq is the largest number that JavaScript counts exactly.
const maxSeq = 1<<53 - 1

// signedDomain begins what is signed, so that no other signature passes for one.
const signedDomain = "stratos/playlist/v1\x00"

// Signed is one state of a growing playlist, proved to be its origin's.
type Signed struct {
	// Seq counts the states from 1.
	Seq uint64
	// Key of the origin.
	Key ed25519.PublicKey
	// Body is the playlist without the line of the signature.
	Body []byte
	// Digest of the playlist with it.
	Digest Digest
}

// Sign adds the line #EXT-X-STRATOS-SIGNED to a state of a growing playlist.
// name is the published name, path that of the playlist below it; both are bound,
// so that no playlist passes for another. The signature covers everything before
// it, SEQ and KEY in its own line too.
func Sign(playlist []byte, name, path string, seq uint64, key ed25519.PrivateKey) ([]byte, error) {
	if seq == 0 || seq > maxSeq {
		return nil, fmt.Errorf("hls: sign %s: SEQ %d is not within 1 and 2^53-1", path, seq)
	}
	if !bytes.HasSuffix(playlist, []byte("\n")) || bytes.Contains(playlist, []byte("\n#"+tagSigned)) {
		return nil, fmt.Errorf("hls: sign %s: the playlist must end with a line break and not be signed already", path)
	}
	covered := bytes.Clone(playlist)
	covered = fmt.Appendf(covered, "#%s:SEQ=%d,KEY=%s", tagSigned, seq, base64.RawURLEncoding.EncodeToString(key.Public().(ed25519.PublicKey)))
	message, err := signedMessage(covered, name, path)
	if err != nil {
		return nil, err
	}
	signature := base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, message))
	return append(covered, ",SIG="+signature+"\n"...), nil
}

// Verify checks a signed playlist against the origin's key, which the ticket
// binds; the one in the playlist is only a hint. The line of the signature must
// be the last and in the one form that Sign writes.
func Verify(playlist []byte, name, path string, key ed25519.PublicKey) (*Signed, error) {
	s, covered, signature, err := cutSignature(playlist)
	if err != nil {
		return nil, err
	}
	if len(key) != ed25519.PublicKeySize || !key.Equal(s.Key) {
		return nil, fmt.Errorf("%w: it is by another key than the origin's: take it from another edge", ErrSignature)
	}
	message, err := signedMessage(covered, name, path)
	if err != nil {
		return nil, err
	}
	if !ed25519.Verify(key, message, signature) {
		return nil, fmt.Errorf("%w: not %s of %s in state %d: take it from another edge", ErrSignature, path, name, s.Seq)
	}
	return s, nil
}

// Follows says whether s may be used after last, nil where none was seen: not
// when it is older (ErrStale), nor when it is another playlist of the same number,
// which its origin must not sign (ErrSignature).
func (s *Signed) Follows(last *Signed) error {
	switch {
	case last == nil || s.Seq > last.Seq || s.Seq == last.Seq && s.Digest == last.Digest:
		return nil
	case s.Seq == last.Seq:
		return fmt.Errorf("%w: two different playlists are signed as state %d", ErrSignature, s.Seq)
	}
	return fmt.Errorf("%w: state %d after state %d: take it from another edge", ErrStale, s.Seq, last.Seq)
}

// signedMessage is what the key signs. The parts cannot run into each other: name
// and path hold no zero byte.
func signedMessage(covered []byte, name, path string) ([]byte, error) {
	if name == "" || path == "" || strings.ContainsRune(name+path, 0) {
		return nil, fmt.Errorf("%w: a name %.60q and a path %.60q without zero bytes are needed", ErrSignature, name, path)
	}
	return append([]byte(signedDomain+name+"\x00"+path+"\x00"), covered...), nil
}

// cutSignature reads the last line. covered is everything before ",SIG=".
func cutSignature(playlist []byte) (s *Signed, covered, signature []byte, err error) {
	malformed := func(what string) error {
		return fmt.Errorf("%w: %s: want #%s:SEQ=,KEY=,SIG= as the last line", ErrSignature, what, tagSigned)
	}
	if len(playlist) > MaxBytes {
		return nil, nil, nil, malformed(fmt.Sprintf("it has over %d bytes", MaxBytes))
	}
	text, ok := bytes.CutSuffix(playlist, []byte("\n"))
	start := bytes.LastIndexByte(text, '\n') + 1
	attrs, ok2 := strings.CutPrefix(string(text[start:]), "#"+tagSigned+":SEQ=")
	if !ok || !ok2 || start == 0 {
		return nil, nil, nil, malformed("the last line is no signature")
	}
	number, rest, _ := strings.Cut(attrs, ",KEY=")
	keyText, sigText, _ := strings.Cut(rest, ",SIG=")
	seq, err := strconv.ParseUint(number, 10, 64)
	if err != nil || seq == 0 || seq > maxSeq || strconv.FormatUint(seq, 10) != number {
		return nil, nil, nil, malformed(fmt.Sprintf("SEQ is %.40q", number))
	}
	key, ok := decodeExact(keyText, ed25519.PublicKeySize)
	if !ok {
		return nil, nil, nil, malformed(fmt.Sprintf("KEY is %.60q", keyText))
	}
	signature, ok = decodeExact(sigText, ed25519.SignatureSize)
	if !ok {
		return nil, nil, nil, malformed(fmt.Sprintf("SIG is %.100q", sigText))
	}
	if bytes.Contains(playlist[:start], []byte("\n#"+tagSigned)) {
		return nil, nil, nil, malformed("there are two signatures")
	}
	s = &Signed{Seq: seq, Key: key, Body: playlist[:start], Digest: Sum(playlist)}
	return s, text[:len(text)-len(",SIG=")-len(sigText)], signature, nil
}

// decodeExact reads base64url of size bytes in its one spelling.
func decodeExact(text string, size int) ([]byte, bool) {
	// The length first: the decoder passes over line breaks.
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return b, err == nil && len(b) == size && len(text) == base64.RawURLEncoding.EncodedLen(size)
}
