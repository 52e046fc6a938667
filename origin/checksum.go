package origin

import (
	"bytes"
	"crypto/sha1" // tus names it; it guards against accidents, not against people
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"net/http"
	"strings"

	"github.com/stratos-mesh/stratos/internal/httperr"
)

// checksum is what a PATCH says its body hashes to (tus, extension checksum).
type checksum struct {
	want []byte
	hash hash.Hash
}

// parseChecksum reads Upload-Checksum; nil when there is none. An algorithm that
// we do not know is 400, as tus demands.
func parseChecksum(field string) (*checksum, error) {
	if field == "" {
		return nil, nil
	}
	algorithm, text, _ := strings.Cut(field, " ")
	c := &checksum{}
	switch strings.ToLower(algorithm) {
	case "sha1":
		c.hash = sha1.New()
	case "sha256":
		c.hash = sha256.New()
	default:
		return nil, httperr.New(http.StatusBadRequest, "checksum-algorithm", "Upload-Checksum: this server knows sha1 and sha256")
	}
	var err error
	if c.want, err = base64.StdEncoding.DecodeString(strings.TrimSpace(text)); err != nil || len(c.want) != c.hash.Size() {
		return nil, httperr.New(http.StatusBadRequest, "checksum", "Upload-Checksum: want an algorithm, a space and the digest in base64")
	}
	return c, nil
}

// agrees compares the digest of what was written to hash.
func (c *checksum) agrees() error {
	if bytes.Equal(c.hash.Sum(nil), c.want) {
		return nil
	}
	p := httperr.New(statusChecksumMismatch, "checksum-mismatch", "the bytes of this request do not have the checksum announced; none of them were kept")
	p.Title = "Checksum Mismatch"
	return p
}
