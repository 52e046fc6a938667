package edge

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/stratos-mesh/stratos/edge/outside"
	"github.com/stratos-mesh/stratos/internal/nodeauth"
)

func TestAnEdgeProvesItsKeyOverANonce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	e := w.edges[0]
	r, body := e.get(t, outside.Path+"?nonce=abc-123")
	want(t, r, 200, "Content-Type", "application/json", "Cache-Control", "no-store")
	var id outside.Identity
	if err := json.Unmarshal(body, &id); err != nil {
		t.Fatal(err)
	}
	signature, err := base64.RawURLEncoding.DecodeString(id.Signature)
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("stratos/well-known/v1\x00" + testChain + "\x00abc-123")
	if id.Role != "edge" || id.ID != 1 || id.Key != nodeauth.KeyID(e.signer.Key()) || !ed25519.Verify(e.signer.Key(), message, signature) {
		t.Errorf("%+v", id)
	}
	for _, nonce := range []string{"a%20b", "%0a", "x.y", "0123456789012345678901234567890123456789012345678901234567890123456"} {
		r, _ := e.get(t, outside.Path+"?nonce="+nonce)
		want(t, r, 400)
	}
	r, _ = e.do(t, "POST", outside.Path)
	want(t, r, 405, "Allow", "GET, HEAD")
}
