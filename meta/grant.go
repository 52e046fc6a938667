package meta

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"time"

	"github.com/stratos-mesh/stratos/meta/layout"
)

// Grant is a meta node's leave to write the slices of one upload to the edges
// it names. It travels with every write, so edges need not ask.
//
//	version 1 ‖ authority 2 ‖ upload 16 ‖ unit 32 ‖ count 4 ‖ edges 4 each ‖
//	max bytes 8 ‖ until 8 ‖ signature 64
type Grant struct {
	Authority uint16
	// Upload under which the slices are leased until a name is published.
	Upload [16]byte
	Unit   UnitKey
	// Edges in the order in which they are written.
	Edges []EdgeID
	// MaxBytes that one edge stores under this upload.
	MaxBytes int64
	// Until is when grant and lease end.
	Until     time.Time
	Signature [64]byte
}

// MaxGrantEdges bounds the edges of one grant.
const MaxGrantEdges = 64

func (g *Grant) body() []byte {
	var w layout.Writer
	w.U8(encodingVersion)
	w.U16(g.Authority)
	w.Fixed(g.Upload[:])
	w.Fixed(g.Unit[:])
	w.U32(uint32(len(g.Edges)))
	for _, e := range g.Edges {
		w.U32(uint32(e))
	}
	w.Count(g.MaxBytes)
	w.Time(g.Until)
	return w.Done()
}

// Encode is the grant in bytes, signature included.
func (g *Grant) Encode() []byte { return append(g.body(), g.Signature[:]...) }

// DecodeGrant reads what Encode wrote. It does not check the signature.
func DecodeGrant(b []byte) (*Grant, error) {
	r := layout.NewReader(b)
	g := &Grant{}
	readVersion(r)
	g.Authority = r.U16()
	r.Fixed(g.Upload[:])
	r.Fixed(g.Unit[:])
	n := r.Length(4, MaxGrantEdges)
	g.Edges = make([]EdgeID, 0, n)
	for range n {
		e := EdgeID(r.U32())
		if slices.Contains(g.Edges, e) {
			r.Fail("edge %d twice", e)
		}
		g.Edges = append(g.Edges, e)
	}
	g.MaxBytes = r.Count()
	g.Until = r.Time()
	r.Fixed(g.Signature[:])
	if err := r.Done(); err != nil {
		return nil, malformed("grant", err)
	}
	return g, nil
}

// Sign signs as the authority whose key it is.
func (g *Grant) Sign(key ed25519.PrivateKey, chainID string) {
	copy(g.Signature[:], ed25519.Sign(key, SignedMessage(typeGrant, chainID, g.body())))
}

// Verify checks the signature alone: who looks at a grant also looks at its
// time, its bytes and whether it names him.
func (g *Grant) Verify(key ed25519.PublicKey, chainID string) error {
	if err := verify(key, typeGrant, chainID, g.body(), g.Signature[:]); err != nil {
		return fmt.Errorf("grant of authority %d: %w", g.Authority, err)
	}
	return nil
}
