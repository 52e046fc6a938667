package meta

import (
	"crypto/ed25519"
	"fmt"

	"github.com/stratos-mesh/stratos/meta/layout"
)

func (m *Rename) body() []byte {
	var w layout.Writer
	w.U8(encodingVersion)
	w.Text(string(m.From))
	w.Text(string(m.To))
	w.Fixed(padKey(m.Owner))
	w.Time(m.Time)
	return w.Done()
}

// SignedBytes is the message under the owner's signature.
func (m *Rename) SignedBytes(chainID string) []byte {
	return SignedMessage(typeRename, chainID, m.body())
}

// Sign signs as the owner of both namespaces, whose key becomes Owner.
func (m *Rename) Sign(key ed25519.PrivateKey, chainID string) {
	m.Owner = key.Public().(ed25519.PublicKey)
	m.Signature = ed25519.Sign(key, m.SignedBytes(chainID))
}

// Verify checks the signature against Owner.
func (m *Rename) Verify(chainID string) error {
	if _, err := DecodeRename(m.Encode()); err != nil {
		return err
	}
	if err := verify(m.Owner, typeRename, chainID, m.body(), m.Signature); err != nil {
		return fmt.Errorf("rename of %s: %w", m.From, err)
	}
	return nil
}

// Encode is the rename in bytes, signature included.
func (m *Rename) Encode() []byte { return append(m.body(), padSignature(m.Signature)...) }

// DecodeRename reads what Encode wrote. It does not check the signature.
func DecodeRename(b []byte) (*Rename, error) {
	r := layout.NewReader(b)
	m := &Rename{}
	readVersion(r)
	m.From = readName(r)
	m.To = readName(r)
	m.Owner = readKey(r)
	m.Time = r.Time()
	m.Signature = make([]byte, ed25519.SignatureSize)
	r.Fixed(m.Signature)
	if err := r.Done(); err != nil {
		return nil, malformed("rename", err)
	}
	return m, nil
}

func (m *Removal) body() []byte {
	var w layout.Writer
	w.U8(encodingVersion)
	w.Text(string(m.Name))
	w.Bool(m.Now)
	w.Fixed(padKey(m.Owner))
	w.Time(m.Time)
	return w.Done()
}

// SignedBytes is the message under the owner's signature.
func (m *Removal) SignedBytes(chainID string) []byte {
	return SignedMessage(typeRemoval, chainID, m.body())
}

// Sign signs as the namespace's owner, whose key becomes Owner.
func (m *Removal) Sign(key ed25519.PrivateKey, chainID string) {
	m.Owner = key.Public().(ed25519.PublicKey)
	m.Signature = ed25519.Sign(key, m.SignedBytes(chainID))
}

// Verify checks the signature against Owner.
func (m *Removal) Verify(chainID string) error {
	if _, err := DecodeRemoval(m.Encode()); err != nil {
		return err
	}
	if err := verify(m.Owner, typeRemoval, chainID, m.body(), m.Signature); err != nil {
		return fmt.Errorf("removal of %s: %w", m.Name, err)
	}
	return nil
}

// Encode is the removal in bytes, signature included.
func (m *Removal) Encode() []byte { return append(m.body(), padSignature(m.Signature)...) }

// DecodeRemoval reads what Encode wrote. It does not check the signature.
func DecodeRemoval(b []byte) (*Removal, error) {
	r := layout.NewReader(b)
	m := &Removal{}
	readVersion(r)
	m.Name = readName(r)
	m.Now = r.Bool()
	m.Owner = readKey(r)
	m.Time = r.Time()
	m.Signature = make([]byte, ed25519.SignatureSize)
	r.Fixed(m.Signature)
	if err := r.Done(); err != nil {
		return nil, malformed("removal", err)
	}
	return m, nil
}
