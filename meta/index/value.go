package index

import (
	"fmt"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/layout"
	"github.com/stratos-mesh/stratos/sds"
)

// Name is what is kept of a live or a removed name: the record that others see,
// and what decides about the next move.
//
//	version 1 ‖ kind 1 ‖ root 33 ‖ manifest 33 ‖ size 8 ‖ objects 8 ‖ replicas 1 ‖
//	height 8 ‖ modified 8 ‖ owner time 8 ‖ drawn 2 + n ‖ shared 1 ‖ renamed to 2 + n ‖
//	units 4 + (key 32 ‖ random 16) each ‖ durable 4 + 4 each
type Name struct {
	meta.Record
	// OwnerTime is the owner's clock at the last move; an older order is a
	// repetition and refused.
	OwnerTime time.Time
	// Drawn is the name that the units were drawn for, Shared that it was for
	// loose objects, Random what they were drawn from.
	Drawn  meta.Name
	Shared bool
	Random [][16]byte
	// Durable are the edges that had every block when the name last moved.
	Durable []meta.EdgeID
	// RenamedTo is where a removed name went on, if it did.
	RenamedTo meta.Name
}

const nameVersion = 1

func (n *Name) encode() []byte {
	var w layout.Writer
	w.U8(nameVersion)
	w.U8(uint8(n.Kind))
	w.CID(n.Root)
	w.CID(n.Manifest)
	w.Count(n.Size)
	w.Count(n.Objects)
	w.U8(uint8(n.Replicas))
	w.U64(n.Height)
	w.Time(n.Modified)
	w.Time(n.OwnerTime)
	w.Text(string(n.Drawn))
	w.Bool(n.Shared)
	w.Text(string(n.RenamedTo))
	w.U32(uint32(len(n.Units)))
	for i, unit := range n.Units {
		w.Fixed(unit[:])
		w.Fixed(n.Random[i][:])
	}
	w.U32(uint32(len(n.Durable)))
	for _, id := range n.Durable {
		w.U32(uint32(id))
	}
	return w.Done()
}

func decodeName(name meta.Name, b []byte) (*Name, error) {
	r := layout.NewReader(b)
	n := &Name{}
	n.Name = name
	if v := r.U8(); v != nameVersion {
		r.Fail("version %d", v)
	}
	n.Kind = meta.Kind(r.U8())
	n.Root = r.CID()
	n.Manifest = r.CID()
	n.Size = r.Count()
	n.Objects = r.Count()
	n.Replicas = int(r.U8())
	n.Height = r.U64()
	n.Modified = r.Time()
	n.OwnerTime = r.Time()
	n.Drawn = meta.Name(r.Text(meta.MaxName))
	n.Shared = r.Bool()
	n.RenamedTo = meta.Name(r.Text(meta.MaxName))
	count := r.Length(48, 1<<16)
	n.Units = make([]meta.UnitKey, count)
	n.Random = make([][16]byte, count)
	for i := range count {
		r.Fixed(n.Units[i][:])
		r.Fixed(n.Random[i][:])
	}
	n.Durable = make([]meta.EdgeID, r.Length(4, meta.MaxGrantEdges))
	for i := range n.Durable {
		n.Durable[i] = meta.EdgeID(r.U32())
	}
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("index: value of %s: %w", name, err)
	}
	return n, nil
}

// encodeNamed is the value with the name in front, for keys that do not have it.
func (n *Name) encodeNamed() []byte {
	var w layout.Writer
	w.Text(string(n.Name))
	w.Fixed(n.encode())
	return w.Done()
}

func decodeNamed(b []byte) (*Name, error) {
	r := layout.NewReader(b)
	name := r.Text(meta.MaxName)
	rest := b[min(len(b), 2+len(name)):]
	return decodeName(meta.Name(name), rest)
}

// Resting is a root without name or pin that waits for its end.
type Resting struct {
	Root  sds.CID
	Since time.Time
}

func (g *Resting) encode() []byte {
	var w layout.Writer
	w.CID(g.Root)
	w.Time(g.Since)
	return w.Done()
}

func decodeResting(b []byte) (Resting, error) {
	r := layout.NewReader(b)
	g := Resting{Root: r.CID(), Since: r.Time()}
	return g, r.Done()
}

// Pin keeps a root beside the names that point to it.
type Pin struct {
	Root     sds.CID
	Payer    [32]byte
	Replicas int
	Until    time.Time
}

func (p *Pin) encode() []byte {
	var w layout.Writer
	w.CID(p.Root)
	w.Fixed(p.Payer[:])
	w.U8(uint8(p.Replicas))
	w.Time(p.Until)
	return w.Done()
}

func decodePin(b []byte) (Pin, error) {
	r := layout.NewReader(b)
	p := Pin{Root: r.CID()}
	r.Fixed(p.Payer[:])
	p.Replicas = int(r.U8())
	p.Until = r.Time()
	return p, r.Done()
}
