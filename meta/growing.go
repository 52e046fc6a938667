package meta

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/stratos-mesh/stratos/meta/layout"
	"github.com/stratos-mesh/stratos/sds"
)

// GrowingState is one state of a bundle that viewers may have while it is still
// being made: a video of which the first minutes are encoded. States are no
// roots: they are not journalled, priced or banned, and live for GrowingLease
// unless the origin tells them again. The owner of the namespace signs each, and
// their sequence only grows; so nobody can show a viewer an older one.
//
//	growing state  version 1 ‖ name 2 + n ‖ upload 16 ‖ sequence 8 ‖ root 33 ‖
//	               manifest 33 ‖ size 8 ‖ objects 8 ‖ replicas 1 ‖ count 4 ‖
//	               durable 4 each ‖ owner 32 ‖ time 8
type GrowingState struct {
	Name Name
	// Upload is the one under whose grant the slices were written, the same as
	// of the publication that ends the growth.
	Upload [16]byte
	// Sequence grows with every state of a name, over its uploads too.
	Sequence       uint64
	Root, Manifest sds.CID
	Size, Objects  int64
	Replicas       int
	// Durable lists the edges that acknowledged every block.
	Durable   []EdgeID
	Owner     ed25519.PublicKey
	Time      time.Time
	Signature []byte
}

// GrowingLease is how long a state lives after it was last told.
const GrowingLease = time.Minute

// GrowingBind is what a ticket for a growing bundle binds: it stays the same
// from the first state to the published root. SHA-256 over
// "stratos/growing/v1" ‖ 0 ‖ name ‖ 0 ‖ owner.
func GrowingBind(name Name, owner ed25519.PublicKey) [32]byte {
	h := sha256.New()
	h.Write([]byte("stratos/growing/v1\x00"))
	h.Write([]byte(name))
	h.Write([]byte{0})
	h.Write(owner)
	return [32]byte(h.Sum(nil))
}

// Bind is what tickets for this state's bundle bind.
func (g *GrowingState) Bind() [32]byte { return GrowingBind(g.Name, g.Owner) }

func (g *GrowingState) body() []byte {
	var w layout.Writer
	w.U8(encodingVersion)
	w.Text(string(g.Name))
	w.Fixed(g.Upload[:])
	w.U64(g.Sequence)
	w.CID(g.Root)
	w.CID(g.Manifest)
	w.Count(g.Size)
	w.Count(g.Objects)
	w.U8(uint8(min(max(g.Replicas, 0), 255)))
	w.U32(uint32(len(g.Durable)))
	for _, e := range g.Durable {
		w.U32(uint32(e))
	}
	w.Fixed(padKey(g.Owner))
	w.Time(g.Time)
	return w.Done()
}

// SignedBytes is the message under the owner's signature.
func (g *GrowingState) SignedBytes(chainID string) []byte {
	return SignedMessage(typeGrowing, chainID, g.body())
}

// Sign signs as the namespace's owner, whose key becomes Owner.
func (g *GrowingState) Sign(key ed25519.PrivateKey, chainID string) {
	g.Owner = key.Public().(ed25519.PublicKey)
	g.Signature = ed25519.Sign(key, g.SignedBytes(chainID))
}

// Verify checks the signature against Owner, and the bounds of an encoding.
func (g *GrowingState) Verify(chainID string) error {
	if _, err := DecodeGrowingState(g.Encode()); err != nil {
		return err
	}
	if err := verify(g.Owner, typeGrowing, chainID, g.body(), g.Signature); err != nil {
		return fmt.Errorf("state %d of %s: %w", g.Sequence, g.Name, err)
	}
	return nil
}

// Encode is the state in bytes, signature included.
func (g *GrowingState) Encode() []byte { return append(g.body(), padSignature(g.Signature)...) }

// DecodeGrowingState reads what Encode wrote. It does not check the signature.
func DecodeGrowingState(b []byte) (*GrowingState, error) {
	r := layout.NewReader(b)
	g := &GrowingState{}
	readVersion(r)
	g.Name = readName(r)
	r.Fixed(g.Upload[:])
	if g.Sequence = r.U64(); g.Sequence == 0 {
		r.Fail("states count from 1")
	}
	g.Root = r.CID()
	g.Manifest = r.CID()
	if !g.Root.Defined() || !g.Manifest.Defined() {
		r.Fail("a root and a manifest must be named")
	}
	g.Size = r.Count()
	g.Objects = r.Count()
	if g.Replicas = int(r.U8()); g.Replicas > MaxReplicas {
		r.Fail("%d replicas, at most %d", g.Replicas, MaxReplicas)
	}
	n := r.Length(4, MaxGrantEdges)
	g.Durable = make([]EdgeID, 0, n)
	for range n {
		g.Durable = append(g.Durable, EdgeID(r.U32()))
	}
	g.Owner = readKey(r)
	g.Time = r.Time()
	g.Signature = make([]byte, ed25519.SignatureSize)
	r.Fixed(g.Signature)
	if err := r.Done(); err != nil {
		return nil, malformed("growing state", err)
	}
	return g, nil
}
