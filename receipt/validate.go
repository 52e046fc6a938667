package receipt

import (
	"fmt"
	"slices"
)

// Validate checks the rules that every ticket keeps, whoever signed it.
func (t *Ticket) Validate() error {
	for _, rule := range []struct {
		holds bool
		wants string
	}{
		{t.ID.NotAfter().Unix() > 0, "not_after after 1970"},
		{t.ID.Authority() != 0, "an authority"},
		{t.Class.kind() >= ClassA && t.Class.kind() <= ClassR, "a known class"},
		{t.Bind != [32]byte{}, "something it binds"},
		{t.MaxBytes != 0, "max_bytes"},
		{t.UnitPrice == Amount{} || t.Payer != [20]byte{}, "a payer where there is a price"},
		{t.UnitPrice == Amount{} || t.Class.kind() == ClassA || t.Class.kind() == ClassB, "no price in class M and R"},
		{len(t.Edges) >= 1 && len(t.Edges) <= maxEdges && distinct(t.Edges), "one to four edges, none twice"},
		{len(t.Sources) <= maxSources && distinct(t.Sources), "at most three sources, none twice"},
		{(t.Class.kind() == ClassA) == (t.ViewerAlg != NoViewer), "a viewer's key in class A and in no other"},
	} {
		if !rule.holds {
			return fmt.Errorf("ticket: %w: want %s", ErrMalformed, rule.wants)
		}
	}
	return validViewer(t.ViewerAlg, t.ViewerKey)
}

// Growing tells whether Bind is H(namespace ‖ path ‖ origin key) and not the
// digest of a root.
func (t *Ticket) Growing() bool { return t.Class&Growing != 0 }

// kind is the class without its flag.
func (c Class) kind() Class { return c &^ Growing }

// Kind is the class without the flag Growing.
func (t *Ticket) Kind() Class { return t.Class.kind() }

func distinct(list []uint32) bool {
	for i, n := range list {
		if n == 0 || slices.Contains(list[:i], n) {
			return false
		}
	}
	return true
}

// p256 is the prime of NIST P-256 (FIPS 186-5): a coordinate is smaller.
const p256 = "\xff\xff\xff\xff\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"

func validViewer(alg ViewerAlg, key [33]byte) error {
	ok := false
	switch alg {
	case NoViewer:
		ok = key == [33]byte{}
	case Ed25519:
		// 32 bytes; the last one is not used.
		ok = key[32] == 0 && key != [33]byte{}
	case P256:
		// A compressed point. That it lies on the curve is seen when the first
		// receipt is verified: the square root would cost more than all the rest.
		ok = (key[0] == 2 || key[0] == 3) && string(key[1:]) < p256
	}
	if !ok {
		return fmt.Errorf("ticket: %w: viewer key %x of algorithm %d", ErrMalformed, key, alg)
	}
	return nil
}
