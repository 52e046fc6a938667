package journal

import (
	"crypto/ed25519"
	"math"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/layout"
)

// Bounds of entries.
const (
	maxNested = MaxRecord - 1<<10
	maxShards = 4096
	maxText   = 1024
)

func (*Claimed) kind() Kind { return KindClaimed }

func (e *Claimed) write(w *layout.Writer) {
	w.Text(e.Namespace)
	writeKey(w, e.Owner)
}

func (e *Claimed) read(r *layout.Reader) {
	e.Namespace = r.Text(maxText)
	if err := meta.CheckNamespace(e.Namespace); err != nil {
		r.Fail("%v", err)
	}
	e.Owner = readKey(r)
}

func (*Moved) kind() Kind { return KindMoved }

func (e *Moved) write(w *layout.Writer) {
	w.Bytes(e.Publication.Encode())
	w.Text(string(e.Drawn))
	w.Bool(e.Shared)
	w.U32(uint32(len(e.Random)))
	for _, random := range e.Random {
		w.Fixed(random[:])
	}
}

func (e *Moved) read(r *layout.Reader) {
	e.Publication = nested(r, meta.DecodePublication)
	drawn := r.Text(maxText)
	name, err := meta.ParseName(drawn)
	if err != nil || string(name) != drawn {
		r.Fail("drawn for %.80q: %v", drawn, err)
	}
	e.Drawn = name
	e.Shared = r.Bool()
	n := r.Length(16, maxShards)
	e.Random = make([][16]byte, n)
	for i := range e.Random {
		r.Fixed(e.Random[i][:])
	}
	if n == 0 || e.Shared && n != 1 {
		r.Fail("%d units", n)
	}
}

func (*Renamed) kind() Kind               { return KindRenamed }
func (e *Renamed) write(w *layout.Writer) { w.Bytes(e.Rename.Encode()) }
func (e *Renamed) read(r *layout.Reader)  { e.Rename = nested(r, meta.DecodeRename) }

func (*Removed) kind() Kind               { return KindRemoved }
func (e *Removed) write(w *layout.Writer) { w.Bytes(e.Removal.Encode()) }
func (e *Removed) read(r *layout.Reader)  { e.Removal = nested(r, meta.DecodeRemoval) }

func (*Revoked) kind() Kind               { return KindRevoked }
func (e *Revoked) write(w *layout.Writer) { w.Bytes(e.Revocation.Encode()) }
func (e *Revoked) read(r *layout.Reader)  { e.Revocation = nested(r, meta.DecodeRevocation) }

// nested reads an object that has an encoding of its own.
func nested[T any](r *layout.Reader, decode func([]byte) (*T, error)) (out T) {
	b := r.Bytes(maxNested)
	v, err := decode(b)
	if err != nil {
		r.Fail("%v", err)
		return out
	}
	return *v
}

func (*Pinned) kind() Kind { return KindPinned }

func (e *Pinned) write(w *layout.Writer) {
	w.CID(e.Root)
	w.Fixed(e.Payer[:])
	w.U8(e.Replicas)
	w.Time(e.Until)
}

func (e *Pinned) read(r *layout.Reader) {
	e.Root = r.CID()
	r.Fixed(e.Payer[:])
	e.Replicas = r.U8()
	e.Until = r.Time()
}

func (*Unpinned) kind() Kind { return KindUnpinned }

func (e *Unpinned) write(w *layout.Writer) {
	w.CID(e.Root)
	w.Fixed(e.Payer[:])
}

func (e *Unpinned) read(r *layout.Reader) {
	e.Root = r.CID()
	r.Fixed(e.Payer[:])
}

func (*Forgotten) kind() Kind               { return KindForgotten }
func (e *Forgotten) write(w *layout.Writer) { w.CID(e.Root) }
func (e *Forgotten) read(r *layout.Reader)  { e.Root = r.CID() }

func (*View) kind() Kind { return KindView }

func (e *View) write(w *layout.Writer) {
	w.U64(e.Epoch)
	w.CID(e.CID)
}

func (e *View) read(r *layout.Reader) {
	e.Epoch = r.U64()
	e.CID = r.CID()
}

func (*Admitted) kind() Kind { return KindAdmitted }

func (e *Admitted) write(w *layout.Writer) {
	w.U8(uint8(e.Kind))
	w.U32(uint32(e.ID))
	writeKey(w, e.Key)
	w.Fixed(e.Invitation[:])
	w.Bool(e.Drained)
	w.Text(e.Edge.URL)
	w.Text(e.Edge.TLSURL)
	w.Text(e.Edge.Region)
	w.Text(e.Edge.Operator)
	w.U32(e.Edge.ASN)
	w.U64(math.Float64bits(e.Edge.Lat))
	w.U64(math.Float64bits(e.Edge.Lon))
	w.Count(e.Edge.Capacity)
	w.U8(e.Edge.Weight)
}

func (e *Admitted) read(r *layout.Reader) {
	e.Kind = meta.NodeKind(r.U8())
	if e.Kind < meta.EdgeNode || e.Kind > meta.RouterNode {
		r.Fail("kind of node %d", e.Kind)
	}
	e.ID = meta.EdgeID(r.U32())
	e.Key = readKey(r)
	r.Fixed(e.Invitation[:])
	e.Drained = r.Bool()
	e.Edge = meta.Edge{ID: e.ID, Key: e.Key}
	e.Edge.URL = r.Text(maxText)
	e.Edge.TLSURL = r.Text(maxText)
	e.Edge.Region = r.Text(maxText)
	e.Edge.Operator = r.Text(maxText)
	e.Edge.ASN = r.U32()
	e.Edge.Lat = readFloat(r)
	e.Edge.Lon = readFloat(r)
	e.Edge.Capacity = r.Count()
	e.Edge.Weight = r.U8()
}

func readFloat(r *layout.Reader) float64 {
	v := math.Float64frombits(r.U64())
	if math.IsNaN(v) || math.Abs(v) > 360 {
		r.Fail("coordinate %v", v)
		return 0
	}
	return v
}

func writeKey(w *layout.Writer, key ed25519.PublicKey) {
	var fixed [ed25519.PublicKeySize]byte
	copy(fixed[:], key)
	w.Fixed(fixed[:])
}

func readKey(r *layout.Reader) ed25519.PublicKey {
	key := make(ed25519.PublicKey, ed25519.PublicKeySize)
	r.Fixed(key)
	return key
}
