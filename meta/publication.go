package meta

import (
	"crypto/ed25519"
	"fmt"

	"github.com/stratos-mesh/stratos/meta/layout"
)

// MaxReplicas bounds what a publisher may ask for.
const MaxReplicas = 64

// The layouts of what owners sign. An encoding is the body and the signature.
//
//	publication  version 1 ‖ name 2 + n ‖ kind 1 ‖ root 33 ‖ manifest 33 ‖ size 8 ‖
//	             objects 8 ‖ replicas 1 ‖ upload 16 ‖ count 4 ‖ durable 4 each ‖
//	             owner 32 ‖ time 8
//	rename       version 1 ‖ from 2 + n ‖ to 2 + n ‖ owner 32 ‖ time 8
//	removal      version 1 ‖ name 2 + n ‖ now 1 ‖ owner 32 ‖ time 8

func (p *Publication) body() []byte {
	var w layout.Writer
	w.U8(encodingVersion)
	w.Text(string(p.Name))
	w.U8(uint8(p.Kind))
	w.CID(p.Root)
	w.CID(p.Manifest)
	w.Count(p.Size)
	w.Count(p.Objects)
	w.U8(uint8(min(max(p.Replicas, 0), 255)))
	w.Fixed(p.Upload[:])
	w.U32(uint32(len(p.Durable)))
	for _, e := range p.Durable {
		w.U32(uint32(e))
	}
	w.Fixed(padKey(p.Owner))
	w.Time(p.Time)
	return w.Done()
}

// SignedBytes is the message under the owner's signature.
func (p *Publication) SignedBytes(chainID string) []byte {
	return SignedMessage(typePublication, chainID, p.body())
}

// Sign signs as the namespace's owner, whose key becomes Owner.
func (p *Publication) Sign(key ed25519.PrivateKey, chainID string) {
	p.Owner = key.Public().(ed25519.PublicKey)
	p.Signature = ed25519.Sign(key, p.SignedBytes(chainID))
}

// Verify checks the signature against Owner, and the bounds that an encoding
// has. Whether Owner may move the name is the index's question.
func (p *Publication) Verify(chainID string) error {
	if _, err := DecodePublication(p.Encode()); err != nil {
		return err
	}
	if err := verify(p.Owner, typePublication, chainID, p.body(), p.Signature); err != nil {
		return fmt.Errorf("publication of %s: %w", p.Name, err)
	}
	return nil
}

// Encode is the publication in bytes, signature included.
func (p *Publication) Encode() []byte { return append(p.body(), padSignature(p.Signature)...) }

// DecodePublication reads what Encode wrote. It does not check the signature.
func DecodePublication(b []byte) (*Publication, error) {
	r := layout.NewReader(b)
	p := &Publication{}
	readVersion(r)
	p.Name = readName(r)
	p.Kind = Kind(r.U8())
	if p.Kind != Object && p.Kind != Bundle {
		r.Fail("kind %d", p.Kind)
	}
	p.Root = r.CID()
	p.Manifest = r.CID()
	if !p.Root.Defined() || !p.Manifest.Defined() {
		r.Fail("a root and a manifest must be named")
	}
	p.Size = r.Count()
	p.Objects = r.Count()
	p.Replicas = int(r.U8())
	if p.Replicas > MaxReplicas {
		r.Fail("%d replicas, at most %d", p.Replicas, MaxReplicas)
	}
	r.Fixed(p.Upload[:])
	n := r.Length(4, MaxGrantEdges)
	p.Durable = make([]EdgeID, 0, n)
	for range n {
		p.Durable = append(p.Durable, EdgeID(r.U32()))
	}
	p.Owner = readKey(r)
	p.Time = r.Time()
	p.Signature = make([]byte, ed25519.SignatureSize)
	r.Fixed(p.Signature)
	if err := r.Done(); err != nil {
		return nil, malformed("publication", err)
	}
	return p, nil
}

// padKey gives a key its length, so that an encoding of a wrong one exists and
// is refused by its signature.
func padKey(key ed25519.PublicKey) []byte {
	out := make([]byte, ed25519.PublicKeySize)
	copy(out, key)
	return out
}

func padSignature(signature []byte) []byte {
	out := make([]byte, ed25519.SignatureSize)
	copy(out, signature)
	return out
}
