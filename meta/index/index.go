// Package index answers from the journal: which root a name points to, who owns
// a namespace, what rests, what is revoked, who is admitted.
//
// It is a view in one scope of a view store. Apply is its only writer: it takes
// the journal's records in order, decides of each whether it may happen, and
// writes what follows together with the height, in one batch. So an index is
// always that of some height, and goes on from there; an empty one begins at 0.
//
// The keys, all without time to live, owned by this package:
//
//	h                          height, next edge number, newest revocation, counts
//	o/<namespace>              the owner's key
//	n/<name>                   a live name: value.go
//	d/<name>                   a removed name, with the units it had
//	r/<root>/<name>            a live name of a root
//	u/<unit>/<name>            a live name in a unit
//	s/<namespace>/<bucket>     random bytes of a unit that loose objects share
//	p/<root>/<payer>           a pin beside the names
//	g/<root>                   a root that rests, and since when
//	t/<root>                   the name that last pointed to a root, as it was
//	                           then; until the root is forgotten
//	w/<root>/<unit>            since when no name keeps a root in a unit, while it
//	                           is kept in another one
//	y/<growing bind>           the bundle that tickets bound by it are for
//	b/<root or object>         what is not served, and the revocation's number
//	x/<number>                 a revocation
//	e/<edge number>            an admitted edge
//	k/<public key>             an admitted node of any kind
//	i/<invitation>             an invitation that was used
//	v                          the newest view
//
// Roots, units and keys stand there in hexadecimal, numbers as 16 hexadecimal
// digits, so that byte order is their order.
package index

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/stratos-mesh/stratos/meta"
	"github.com/stratos-mesh/stratos/meta/viewstore"
)

// ScopeName is the scope of the view store that an index lives in.
const ScopeName = "index"

// Index reads and applies. All methods may be called at once; two that apply
// disturb nobody, because the slower one fails and looks again.
type Index struct {
	scope viewstore.Scope
}

// New makes an index over its scope, which must have been begun.
func New(store viewstore.Store) *Index { return &Index{scope: store.Scope(ScopeName)} }

// Begin opens the index and returns the height that it is at.
func (x *Index) Begin(ctx context.Context) (height uint64, err error) {
	if _, err := x.scope.Begin(ctx); err != nil {
		return 0, fmt.Errorf("index: %w", err)
	}
	s, err := x.State(ctx)
	return s.Height, err
}

// State is where an index stands.
type State struct {
	// Height of the last record applied.
	Height uint64
	// Edges is the highest edge number given so far.
	Edges meta.EdgeID
	// Revocation is the newest number.
	Revocation uint64
	// Names that are live, and roots that they point to.
	Names, Roots int64
}

// State returns where the index stands.
func (x *Index) State(ctx context.Context) (State, error) {
	s, err := x.begin().state(ctx)
	if err != nil {
		return State{}, fmt.Errorf("index: %w", err)
	}
	return s, nil
}

func hexKey(prefix string, b []byte) string { return prefix + hex.EncodeToString(b) }

func numberKey(prefix string, n uint64) string { return fmt.Sprintf("%s%016x", prefix, n) }

func notFound(err error) bool { return errors.Is(err, viewstore.ErrNotFound) }
