package nodeauth

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strings"
)

// FormatDigest is the value of Content-Digest for a SHA-256: what a caller sets
// when it knows the digest of a body that it streams.
func FormatDigest(digest [sha256.Size]byte) string {
	return "sha-256=:" + base64.StdEncoding.EncodeToString(digest[:]) + ":"
}

// ParseDigest reads what FormatDigest wrote. Other algorithms and lists are
// refused: a body has one digest here.
func ParseDigest(value string) (digest [sha256.Size]byte, err error) {
	text, ok := strings.CutPrefix(strings.TrimSpace(value), "sha-256=:")
	text, ok2 := strings.CutSuffix(text, ":")
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if !ok || !ok2 || err != nil || len(b) != sha256.Size {
		return digest, fmt.Errorf("%w: Content-Digest %.60q is no SHA-256", ErrUnsigned, value)
	}
	copy(digest[:], b)
	return digest, nil
}

// setDigest gives a request with a body its Content-Digest.
func setDigest(r *http.Request) error {
	if r.Header.Get("Content-Digest") != "" || !hasBody(r) {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxSignedBody+1))
	if closeErr := r.Body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("read body to sign: %w", err)
	}
	if len(body) > MaxSignedBody {
		return fmt.Errorf("sign: body over %d bytes has no Content-Digest", MaxSignedBody)
	}
	r.ContentLength = int64(len(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body, _ = r.GetBody()
	if len(body) == 0 {
		r.Body, r.GetBody = http.NoBody, nil
		return nil
	}
	r.Header.Set("Content-Digest", FormatDigest(sha256.Sum256(body)))
	return nil
}

func hasBody(r *http.Request) bool {
	return r.Body != nil && r.Body != http.NoBody
}

// checkedBody turns the end of a body that is not the signed one into ErrDigest,
// so who reads to the end and sees io.EOF has what was signed.
type checkedBody struct {
	io.ReadCloser
	hash hash.Hash
	want [sha256.Size]byte
}

func (b *checkedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.hash.Write(p[:n])
	if err == io.EOF && [sha256.Size]byte(b.hash.Sum(nil)) != b.want {
		return n, ErrDigest
	}
	return n, err
}
