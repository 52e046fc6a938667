package meta

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"slices"
	"time"

	"github.com/stratos-mesh/stratos/meta/layout"
	"github.com/stratos-mesh/stratos/sds"
)

// Revocation orders every edge to stop serving a root, or objects, at once.
// Numbers grow by one, so a gap is seen.
//
//	version 1 ‖ number 8 ‖ authority 2 ‖ kind 1 ‖ root 33 ‖ count 4 ‖
//	objects 33 each, ascending ‖ reason 2 + n ‖ time 8 ‖ signature 64
type Revocation struct {
	Number    uint64
	Authority uint16
	Kind      RevocationKind
	// Root that is no longer served under any name, or is again.
	Root sds.CID
	// Objects of a ban: refused in whatever bundle they are wrapped.
	Objects   []sds.CID
	Reason    string
	Time      time.Time
	Signature [64]byte
}

// RevocationKind says who revoked, and so who may take it back.
type RevocationKind uint8

const (
	// ByOwner: the last name of the root was removed at once.
	ByOwner RevocationKind = 1
	// ByNetwork: the network's operators revoked or banned it.
	ByNetwork RevocationKind = 2
	// Lifted takes the earlier ByOwner revocation of the root back, because the
	// root was published again.
	Lifted RevocationKind = 3
	// Unbanned takes every earlier ByNetwork revocation of the root and of the
	// objects back. What is to stay refused for another reason is revoked again
	// by the orders that follow at once.
	Unbanned RevocationKind = 4
)

// Bounds of a revocation. What bans more objects is several revocations.
const (
	MaxRevokedObjects = 8_000
	MaxReason         = 500
)

// CompareCIDs orders CIDs by codec, then digest: the order of their layout.
func CompareCIDs(a, b sds.CID) int {
	if a.Codec != b.Codec {
		return int(a.Codec) - int(b.Codec)
	}
	return bytes.Compare(a.Digest[:], b.Digest[:])
}

func (v *Revocation) body() []byte {
	var w layout.Writer
	w.U8(encodingVersion)
	w.U64(v.Number)
	w.U16(v.Authority)
	w.U8(uint8(v.Kind))
	w.CID(v.Root)
	w.U32(uint32(len(v.Objects)))
	for _, c := range v.Objects {
		w.CID(c)
	}
	w.Text(v.Reason)
	w.Time(v.Time)
	return w.Done()
}

// Encode is the revocation in bytes, signature included.
func (v *Revocation) Encode() []byte { return append(v.body(), v.Signature[:]...) }

// DecodeRevocation reads what Encode wrote. It does not check the signature.
func DecodeRevocation(b []byte) (*Revocation, error) {
	r := layout.NewReader(b)
	v := &Revocation{}
	readVersion(r)
	v.Number = r.U64()
	v.Authority = r.U16()
	v.Kind = RevocationKind(r.U8())
	if v.Kind < ByOwner || v.Kind > Unbanned {
		r.Fail("kind %d", v.Kind)
	}
	v.Root = r.CID()
	n := r.Length(33, MaxRevokedObjects)
	v.Objects = make([]sds.CID, 0, n)
	for range n {
		c := r.CID()
		if !c.Defined() || len(v.Objects) > 0 && CompareCIDs(v.Objects[len(v.Objects)-1], c) >= 0 {
			r.Fail("objects not in ascending order")
		}
		v.Objects = append(v.Objects, c)
	}
	v.Reason = r.Text(MaxReason)
	v.Time = r.Time()
	r.Fixed(v.Signature[:])
	if err := r.Done(); err != nil {
		return nil, malformed("revocation", err)
	}
	return v, nil
}

// Sign brings the objects into order and signs as the authority whose key it is.
func (v *Revocation) Sign(key ed25519.PrivateKey, chainID string) {
	slices.SortFunc(v.Objects, CompareCIDs)
	v.Objects = slices.Compact(v.Objects)
	copy(v.Signature[:], ed25519.Sign(key, SignedMessage(typeRevocation, chainID, v.body())))
}

// Verify checks the signature.
func (v *Revocation) Verify(key ed25519.PublicKey, chainID string) error {
	if err := verify(key, typeRevocation, chainID, v.body(), v.Signature[:]); err != nil {
		return fmt.Errorf("revocation %d of authority %d: %w", v.Number, v.Authority, err)
	}
	return nil
}
