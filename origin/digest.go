package origin

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"net/http"
	"strings"

	"github.com/stratos-mesh/stratos/internal/httperr"
)

// wanted is what a client says its bytes hash to (RFC 9530). Content-Digest and
// Repr-Digest are the same for a request without content coding.
type wanted struct {
	sha256 [][]byte
	sha512 [][]byte
}

// parseDigests reads both fields. Algorithms that we do not know are left out,
// as the RFC asks; what we know must be well formed.
func parseDigests(h http.Header) (wanted, error) {
	var w wanted
	for _, field := range []string{"Content-Digest", "Repr-Digest"} {
		for member := range strings.SplitSeq(strings.Join(h.Values(field), ","), ",") {
			algorithm, value, _ := strings.Cut(strings.TrimSpace(member), "=")
			size := 0
			switch algorithm {
			case "sha-256":
				size = sha256.Size
			case "sha-512":
				size = sha512.Size
			default:
				continue
			}
			text, ok := strings.CutPrefix(value, ":")
			if ok {
				text, ok = strings.CutSuffix(text, ":")
			}
			sum, err := base64.StdEncoding.DecodeString(text)
			if !ok || err != nil || len(sum) != size {
				return w, httperr.New(http.StatusBadRequest, "bad-digest", field+": want "+algorithm+"=:base64:")
			}
			if size == sha256.Size {
				w.sha256 = append(w.sha256, sum)
			} else {
				w.sha512 = append(w.sha512, sum)
			}
		}
	}
	return w, nil
}

// hasher is what must be computed besides the SHA-256 that an import makes
// anyway; nil when there is nothing.
func (w wanted) hasher() hash.Hash {
	if len(w.sha512) == 0 {
		return nil
	}
	return sha512.New()
}

// check compares what arrived with what was announced.
func (w wanted) check(sum [32]byte, more hash.Hash) error {
	for _, want := range w.sha256 {
		if !bytes.Equal(want, sum[:]) {
			return mismatch("sha-256", want, sum[:])
		}
	}
	for _, want := range w.sha512 {
		if got := more.Sum(nil); !bytes.Equal(want, got) {
			return mismatch("sha-512", want, got)
		}
	}
	return nil
}

func mismatch(algorithm string, want, got []byte) error {
	return httperr.New(http.StatusBadRequest, "digest-mismatch", "the body does not have the digest that was announced: "+algorithm+
		" want "+base64.StdEncoding.EncodeToString(want)+", got "+base64.StdEncoding.EncodeToString(got)+"; nothing was published")
}
