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
//	version 1 ‖ number 8 ‖ authority 2 ‖ root 33 ‖ lifted 1 ‖ count 4 ‖
//	objects 33 each, ascending ‖ reason 2 + n ‖ time 8 ‖ signature 64
type Revocation struct {
	Number    uint64
	Authority uint16
	// Root that is no longer served under any name.
	Root sds.CID
	// Lifted takes the earlier revocation of Root and Objects back: the owner
	// published the root again. A ban is never lifted.
	Lifted bool
	// Objects of a ban: refused in whatever bundle they are wrapped.
	Objects   []sds.CID
	Reason    string
	Time      time.Time
	Signature [64]byte
}

// Bounds of a revocation. What bans more objects is several revocations.
const (
	MaxRevokedObjects = 20_000
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
	w.CID(v.Root)
	w.Bool(v.Lifted)
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
	v.Root = r.CID()
	v.Lifted = r.Bool()
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
