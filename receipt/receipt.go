// Package receipt holds evidence: ticket, receipt, claim, sum tree and draw.
//
// Fixed layouts, big-endian; SHA-256; Ed25519. A signature covers
// "stratos/receipt/v1" ‖ type byte ‖ chain id ‖ body, so that no object passes
// for another one. Decoders reject trailing bytes, unknown versions and
// non-canonical forms, and never allocate more than the input's length.
package receipt

import "errors"

// Errors of this room.
var (
	// ErrMalformed: bytes that no encoder of this package writes.
	ErrMalformed = errors.New("malformed")
	// ErrSignature: a well-formed object that its key did not sign.
	ErrSignature = errors.New("bad signature")
)

// Class says who vouches for the bytes of a session, and so what they are worth.
type Class uint8

const (
	// ClassA is a session whose viewer signs receipts.
	ClassA Class = 1
	// ClassB is an unsigned client's; the edge's own statement stands.
	ClassB Class = 2
	// ClassM is a fill from edge to edge.
	ClassM Class = 3
	// ClassR is repair.
	ClassR Class = 4
	// Growing is the flag of a ticket that binds a growing asset: Bind is then
	// H(namespace ‖ path ‖ origin key) and not the digest of a root.
	Growing Class = 0x80
)

// ViewerAlg is the algorithm of a viewer's session key.
type ViewerAlg uint8

// The algorithms. A P-256 key is a compressed point; an Ed25519 key leaves the
// last of the 33 bytes zero.
const (
	NoViewer ViewerAlg = 0
	Ed25519  ViewerAlg = 1
	P256     ViewerAlg = 2
)

// TicketID is not_after (8 bytes, seconds since 1970) ‖ authority (2) ‖
// sequence (6, encrypted under a key that the commitment reveals).
type TicketID [16]byte

// Amount is a 128-bit unsigned number of astos, big-endian.
type Amount [16]byte

// Ticket opens a session and pays for one epoch of it. A meta node signs it.
type Ticket struct {
	ID        TicketID
	Epoch     uint64
	ViewerAlg ViewerAlg
	ViewerKey [33]byte
	Payer     [20]byte
	Class     Class
	// Bind is the digest of the root's CID, or see Growing.
	Bind [32]byte
	// UnitPrice in astos per GiB, frozen at issue.
	UnitPrice Amount
	// MaxBytes is the first instalment, for each edge named.
	MaxBytes    uint64
	MaxRateKbps uint32
	// Edges in rank order, one to four; Sources are up to three holders.
	Edges, Sources []uint32
	// NetTag is HMAC(epoch key, payer ‖ client /24 or /56), cut to 8 bytes:
	// evidence for auditors, never a condition.
	NetTag [8]byte
	// Sealed is account, region, asn, flags under the epoch key.
	Sealed    [48]byte
	Signature [64]byte
}
