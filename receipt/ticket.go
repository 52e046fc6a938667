package receipt

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// The layout, all numbers big-endian; docs/formats/ticket.md explains it.
//
//	offset  bytes  field
//	     0      1  version, 1
//	     1     16  id: not_after 8, authority 2, encrypted sequence 6
//	    17      8  epoch
//	    25      1  viewer_alg
//	    26     33  viewer_key
//	    59     20  payer
//	    79      1  class, with the flag Growing
//	    80     32  bind
//	   112     16  unit_price
//	   128      8  max_bytes
//	   136      4  max_rate_kbps
//	   140      1  n, number of edges, 1 to 4
//	   141     4n  edges
//	            1  m, number of sources, 0 to 3
//	           4m  sources
//	            8  net_tag
//	           48  sealed
//	           64  signature
const (
	version = 1

	maxEdges, maxSources = 4, 3
	fixedHead            = 140
	fixedTail            = 8 + 48 + 64

	// MinTicketSize and MaxTicketSize bound an encoded ticket.
	MinTicketSize = fixedHead + 1 + 4 + 1 + fixedTail
	MaxTicketSize = fixedHead + 1 + 4*maxEdges + 1 + 4*maxSources + fixedTail
)

// Encode writes the ticket with its signature.
func (t *Ticket) Encode() []byte {
	return append(t.body(make([]byte, 0, MaxTicketSize)), t.Signature[:]...)
}

// body appends everything but the signature.
func (t *Ticket) body(b []byte) []byte {
	b = append(b, version)
	b = append(b, t.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, t.Epoch)
	b = append(b, byte(t.ViewerAlg))
	b = append(b, t.ViewerKey[:]...)
	b = append(b, t.Payer[:]...)
	b = append(b, byte(t.Class))
	b = append(b, t.Bind[:]...)
	b = append(b, t.UnitPrice[:]...)
	b = binary.BigEndian.AppendUint64(b, t.MaxBytes)
	b = binary.BigEndian.AppendUint32(b, t.MaxRateKbps)
	for _, list := range [2][]uint32{t.Edges, t.Sources} {
		b = append(b, byte(len(list)))
		for _, n := range list {
			b = binary.BigEndian.AppendUint32(b, n)
		}
	}
	b = append(b, t.NetTag[:]...)
	return append(b, t.Sealed[:]...)
}

// DecodeTicket reads what Encode wrote of a ticket that Validate accepts, and
// nothing else: for every b that it takes, Encode returns b.
func DecodeTicket(b []byte) (*Ticket, error) {
	if len(b) < MinTicketSize || len(b) > MaxTicketSize {
		return nil, fmt.Errorf("ticket: %w: %d bytes, want %d to %d", ErrMalformed, len(b), MinTicketSize, MaxTicketSize)
	}
	if b[0] != version {
		return nil, fmt.Errorf("ticket: %w: version %d, want %d", ErrMalformed, b[0], version)
	}
	edges, sources := int(b[fixedHead]), 0
	if at := fixedHead + 1 + 4*edges; edges <= maxEdges && at < len(b) {
		sources = int(b[at])
	}
	if want := MinTicketSize - 4 + 4*edges + 4*sources; edges > maxEdges || sources > maxSources || len(b) != want {
		return nil, fmt.Errorf("ticket: %w: %d bytes with %d edges and %d sources", ErrMalformed, len(b), edges, sources)
	}
	t := &Ticket{
		ID:          TicketID(b[1:]),
		Epoch:       binary.BigEndian.Uint64(b[17:]),
		ViewerAlg:   ViewerAlg(b[25]),
		ViewerKey:   [33]byte(b[26:]),
		Payer:       [20]byte(b[59:]),
		Class:       Class(b[79]),
		Bind:        [32]byte(b[80:]),
		UnitPrice:   Amount(b[112:]),
		MaxBytes:    binary.BigEndian.Uint64(b[128:]),
		MaxRateKbps: binary.BigEndian.Uint32(b[136:]),
	}
	rest := b[fixedHead:]
	t.Edges, rest = numbers(rest)
	t.Sources, rest = numbers(rest)
	t.NetTag = [8]byte(rest)
	t.Sealed = [48]byte(rest[8:])
	t.Signature = [64]byte(rest[56:])
	if err := t.Validate(); err != nil {
		return nil, err
	}
	return t, nil
}

// numbers reads a count and that many numbers; DecodeTicket has checked that
// they are there. No numbers are a nil slice.
func numbers(b []byte) (list []uint32, rest []byte) {
	n := int(b[0])
	b = b[1:]
	if n > 0 {
		list = make([]uint32, n)
	}
	for i := range list {
		list[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	return list, b[4*n:]
}

// Text is the encoded ticket in base64url without padding, as it stands in
// URLs.
func (t *Ticket) Text() string { return base64.RawURLEncoding.EncodeToString(t.Encode()) }

// ParseTicket reads what Text wrote.
func ParseTicket(text string) (*Ticket, error) {
	if len(text) > base64.RawURLEncoding.EncodedLen(MaxTicketSize) {
		return nil, fmt.Errorf("ticket: %w: %d characters are too many", ErrMalformed, len(text))
	}
	// The decoder passes over line breaks, which would be a second spelling.
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("ticket: %w: not base64url", ErrMalformed)
	}
	return DecodeTicket(b)
}

// Sign signs the ticket with the authority's network key.
func (t *Ticket) Sign(key ed25519.PrivateKey, chainID string) {
	t.Signature = [64]byte(ed25519.Sign(key, t.signed(chainID)))
}

// Verify checks the signature by the authority's public key; the rules of the
// format are DecodeTicket's, time and edge are the caller's.
func (t *Ticket) Verify(key ed25519.PublicKey, chainID string) error {
	if len(key) != ed25519.PublicKeySize || !ValidChainID(chainID) || !ed25519.Verify(key, t.signed(chainID), t.Signature[:]) {
		return fmt.Errorf("ticket %s: %w", t.ID, ErrSignature)
	}
	return nil
}

func (t *Ticket) signed(chainID string) []byte {
	prefix := signedPrefix(make([]byte, 0, 64+len(chainID)+MaxTicketSize), typeTicket, chainID)
	return t.body(prefix)
}

// Expired tells whether the session is over at a time.
func (t *Ticket) Expired(now time.Time) bool { return now.After(t.ID.NotAfter()) }
