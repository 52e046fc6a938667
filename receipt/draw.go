package receipt

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/cloudflare/circl/ecc/bls12381"
	"github.com/cloudflare/circl/sign/bls"
)

// DrawKey is an authority's BLS12-381 key: public keys in G1, 48 bytes;
// signatures in G2, 96 bytes; both in compressed form only. Such a signature is
// unique, so its hash is a number that nobody chooses and anybody checks.
type DrawKey struct {
	private *bls.PrivateKey[bls.KeyG1SigG2]
	public  DrawPublicKey
}

// DrawPublicKey is a compressed point of G1.
type DrawPublicKey [48]byte

// DrawSignature is a compressed point of G2.
type DrawSignature [96]byte

// GenerateDrawKey draws a key.
func GenerateDrawKey() (*DrawKey, error) {
	var seed [32]byte
	rand.Read(seed[:]) // never fails
	return NewDrawKey(seed)
}

// NewDrawKey derives a key from 32 secret random bytes (KeyGen of the BLS
// signature draft, section 2.3, without salt and key info).
func NewDrawKey(secret [32]byte) (*DrawKey, error) {
	private, err := bls.KeyGen[bls.KeyG1SigG2](secret[:], nil, nil)
	if err != nil {
		return nil, fmt.Errorf("draw key: %w", err)
	}
	b, err := private.PublicKey().MarshalBinary()
	if err != nil || len(b) != len(DrawPublicKey{}) {
		return nil, fmt.Errorf("draw key: public key of %d bytes: %w", len(b), err)
	}
	return &DrawKey{private, DrawPublicKey(b)}, nil
}

// Public is the public key.
func (k *DrawKey) Public() DrawPublicKey { return k.public }

func (k *DrawKey) sign(message []byte) DrawSignature {
	return DrawSignature(bls.Sign(k.private, message))
}

// Validate checks that the key is a point of the group, not the identity, and
// in its one form.
func (p DrawPublicKey) Validate() error {
	var point bls12381.G1
	if err := point.SetBytes(p[:]); err != nil {
		return fmt.Errorf("draw key: %w: %w", ErrMalformed, err)
	}
	if point.IsIdentity() || DrawPublicKey(point.BytesCompressed()) != p {
		return fmt.Errorf("draw key: %w: the identity, or not in its one form", ErrMalformed)
	}
	return nil
}

// Validate checks that the signature is a point of the group, not the identity,
// and in its one form: the library takes two forms, and a draw is the hash of
// the bytes.
func (s DrawSignature) Validate() error {
	var point bls12381.G2
	if err := point.SetBytes(s[:]); err != nil {
		return fmt.Errorf("draw signature: %w: %w", ErrMalformed, err)
	}
	if point.IsIdentity() || DrawSignature(point.BytesCompressed()) != s {
		return fmt.Errorf("draw signature: %w: the identity, or not in its one form", ErrMalformed)
	}
	return nil
}

func (p DrawPublicKey) verify(message []byte, s DrawSignature) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if err := s.Validate(); err != nil {
		return err
	}
	var key bls.PublicKey[bls.KeyG1SigG2]
	if err := key.UnmarshalBinary(p[:]); err != nil {
		return fmt.Errorf("draw key: %w: %w", ErrMalformed, err)
	}
	if !bls.Verify(&key, message, s[:]) {
		return fmt.Errorf("draw: %w", ErrSignature)
	}
	return nil
}

// SignSeed signs "seed" ‖ chain id ‖ epoch ‖ beacon, the beacon of the epoch
// before. Everything after the chain id has a fixed length.
func (k *DrawKey) SignSeed(chainID string, epoch uint64, beacon [32]byte) DrawSignature {
	return k.sign(seedMessage(chainID, epoch, beacon))
}

// VerifySeed checks what SignSeed signed.
func VerifySeed(key DrawPublicKey, s DrawSignature, chainID string, epoch uint64, beacon [32]byte) error {
	if !ValidChainID(chainID) {
		return fmt.Errorf("seed: %w: chain id %.60q", ErrMalformed, chainID)
	}
	if err := key.verify(seedMessage(chainID, epoch, beacon), s); err != nil {
		return fmt.Errorf("seed of epoch %d: %w", epoch, err)
	}
	return nil
}

func seedMessage(chainID string, epoch uint64, beacon [32]byte) []byte {
	b := append([]byte("seed"), chainID...)
	b = binary.BigEndian.AppendUint64(b, epoch)
	return append(b, beacon[:]...)
}

// Seed is the SHA-256 of a seed signature, revealed with the commitment.
type Seed [32]byte

// Seed is the number that the signature draws.
func (s DrawSignature) Seed() Seed { return sha256.Sum256(s[:]) }
