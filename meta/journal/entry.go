package journal

import (
	"crypto/ed25519"
	"crypto/sha256"
	"time"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/layout"
	"github.com/stratos-mesh/stratos/sds"
)

// Kind tells entries apart. Numbers are never used again for something else.
type Kind uint8

// The kinds of entries.
const (
	KindClaimed   Kind = 1
	KindMoved     Kind = 2
	KindRenamed   Kind = 3
	KindRemoved   Kind = 4
	KindPinned    Kind = 5
	KindUnpinned  Kind = 6
	KindForgotten Kind = 7
	KindView      Kind = 8
	KindRevoked   Kind = 9
	KindAdmitted  Kind = 10
)

// An Entry is one of the types below, as a pointer.
type Entry interface {
	kind() Kind
	write(w *layout.Writer)
	read(r *layout.Reader)
}

func newEntry(k Kind) (Entry, bool) {
	switch k {
	case KindClaimed:
		return &Claimed{}, true
	case KindMoved:
		return &Moved{}, true
	case KindRenamed:
		return &Renamed{}, true
	case KindRemoved:
		return &Removed{}, true
	case KindPinned:
		return &Pinned{}, true
	case KindUnpinned:
		return &Unpinned{}, true
	case KindForgotten:
		return &Forgotten{}, true
	case KindView:
		return &View{}, true
	case KindRevoked:
		return &Revoked{}, true
	case KindAdmitted:
		return &Admitted{}, true
	}
	return nil, false
}

// Claimed says that a namespace belongs to a key from now on. The first one counts.
type Claimed struct {
	Namespace string
	Owner     ed25519.PublicKey
}

// Moved says that a name points to a root. Random holds the bytes that its unit keys are
// drawn from (UnitKey), one for each shard, and Drawn the name that they were
// drawn for, which a rename leaves as it was. Shared says that the unit is one of
// those that the loose objects of Drawn's namespace share.
type Moved struct {
	Publication meta.Publication
	Drawn       meta.Name
	Shared      bool
	Random      [][16]byte
}

// Renamed says that a name goes on under another one, content untouched.
type Renamed struct{ Rename meta.Rename }

// Removed says that a name is gone; its root rests.
type Removed struct{ Removal meta.Removal }

// Pinned says that somebody pays for a root beside the names that point to it.
type Pinned struct {
	Root     sds.CID
	Payer    [32]byte
	Replicas uint8
	Until    time.Time
}

// Unpinned says that he no longer does.
type Unpinned struct {
	Root  sds.CID
	Payer [32]byte
}

// Forgotten says that the rest of a root without name or pin is over; edges drop it.
type Forgotten struct{ Root sds.CID }

// View says which live edges with which weights were published for an epoch.
type View struct {
	Epoch uint64
	CID   sds.CID
}

// Revoked says that a root or objects are not served any more, or again.
type Revoked struct{ Revocation meta.Revocation }

// Admitted says that a node is registered, or what is registered of it has changed. An
// edge keeps its number; the other kinds have none.
type Admitted struct {
	Kind meta.NodeKind
	ID   meta.EdgeID
	Key  ed25519.PublicKey
	// Invitation that was used up; zero when the operator admitted it himself.
	Invitation [16]byte
	// Drained edges were asked by the operator to hand over and stop.
	Drained bool
	// Edge has the registered fields; State and Load are not journalled.
	Edge meta.Edge
}

// UnitKey is the key of a unit: nobody who does not know the random bytes can
// tell on which edges a name will come out. Path is empty in a shared unit.
func UnitKey(namespace, path string, random [16]byte) meta.UnitKey {
	var w layout.Writer
	w.Fixed([]byte("stratos/unit/v1"))
	w.Text(namespace)
	w.Text(path)
	w.Fixed(random[:])
	return sha256.Sum256(w.Done())
}

// Units are the keys that the entry draws, in shard order.
func (e *Moved) Units() []meta.UnitKey {
	path := e.Drawn.Path()
	if e.Shared {
		path = ""
	}
	units := make([]meta.UnitKey, len(e.Random))
	for i, random := range e.Random {
		units[i] = UnitKey(e.Drawn.Namespace(), path, random)
	}
	return units
}
