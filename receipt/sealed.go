package receipt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
)

// EpochKey closes what a ticket says of its viewer: edges carry it and cannot
// read it; authorities open it in a dispute. Safe for concurrent use.
type EpochKey struct {
	key  [32]byte
	aead cipher.AEAD
}

// NewEpochKey returns the key of an epoch, 32 random bytes.
func NewEpochKey(key [32]byte) *EpochKey {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has GCM's block size
	}
	return &EpochKey{key: key, aead: aead}
}

// NetTag is HMAC-SHA-256(key, payer ‖ network), cut to 8 bytes. The network is
// the first 3 bytes of an IPv4 address and the first 7 of an IPv6 address. No
// address has no tag: zeros.
func (k *EpochKey) NetTag(payer [20]byte, client netip.Addr) (tag [8]byte) {
	if !client.IsValid() {
		return tag
	}
	mac := hmac.New(sha256.New, k.key[:])
	mac.Write(payer[:])
	if client = client.Unmap(); client.Is4() {
		a := client.As4()
		mac.Write(a[:3])
	} else {
		a := client.As16()
		mac.Write(a[:7])
	}
	copy(tag[:], mac.Sum(nil))
	return tag
}

// SealedFields are what only authorities read.
type SealedFields struct {
	// Account of the viewer, zeros when there is none.
	Account [20]byte
	Region  uint16
	ASN     uint32
	// Flags: Probe and seven that are not used.
	Flags byte
}

// Probe is the flag of a ticket that tests its edge.
const Probe byte = 1

// Seal closes the fields: account 20, region 2, asn 4, flags 1, zeros 5, then
// the tag of AES-256-GCM, 16. The nonce is the first 12 bytes of
// SHA-256(ticket id): one id has one set of fields.
func (k *EpochKey) Seal(id TicketID, f SealedFields) (sealed [48]byte) {
	var plain [32]byte
	copy(plain[:], f.Account[:])
	binary.BigEndian.PutUint16(plain[20:], f.Region)
	binary.BigEndian.PutUint32(plain[22:], f.ASN)
	plain[26] = f.Flags
	nonce := sha256.Sum256(id[:])
	k.aead.Seal(sealed[:0], nonce[:12], plain[:], nil)
	return sealed
}

// Open reads what Seal closed under the same key and id; else ErrSignature.
func (k *EpochKey) Open(id TicketID, sealed [48]byte) (SealedFields, error) {
	nonce := sha256.Sum256(id[:])
	plain, err := k.aead.Open(nil, nonce[:12], sealed[:], nil)
	if err != nil {
		return SealedFields{}, fmt.Errorf("sealed fields of ticket %s: %w", id, ErrSignature)
	}
	if [5]byte(plain[27:]) != [5]byte{} {
		return SealedFields{}, fmt.Errorf("sealed fields of ticket %s: %w: want zeros at the end", id, ErrMalformed)
	}
	return SealedFields{
		Account: [20]byte(plain),
		Region:  binary.BigEndian.Uint16(plain[20:]),
		ASN:     binary.BigEndian.Uint32(plain[22:]),
		Flags:   plain[26],
	}, nil
}
